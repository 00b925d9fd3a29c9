"""What a page shows of stars, with a network that has learned nothing."""

import numpy as np
import pandas as pd

from common.inspect.page import write_page
from common.inspect.stars import CMD, KIEL
from common.surveys import read_many
from solarlike_distance.catalog import part_of, usable
from solarlike_distance.config import TARGETS
from solarlike_distance.data import spectrum_files
from solarlike_distance.inspecting import SolarlikeView
from solarlike_distance.model import build_model
from solarlike_distance.networks import Networks
from tests.pages import objects_of, told
from tests.solarlike_distance.toy import tiny_config, write_files


def test_stars_have_labels_with_errors_places_and_strips_at_their_velocity(tmp_path):
    write_files(tmp_path / "files", n=4)
    config = tiny_config()
    networks = Networks(config, [build_model(config)], [0], {}, dict.fromkeys(TARGETS, 0.1))
    files = spectrum_files([tmp_path / "files"])
    parts = []
    for batch in read_many(files, progress=False):
        spectra, about, x, _ = usable(networks, batch)
        parts.append(part_of(networks, spectra, about, x)[0])
    view = SolarlikeView(None, pd.concat(parts, ignore_index=True))
    view.networks = networks
    objects = objects_of(view, files)
    assert len(objects) == 4
    for one, (_, row) in zip(objects, view.table.iterrows(), strict=True):
        assert set(one.strips) == set(TARGETS) and set(one.places) == {KIEL, CMD}
        assert one.places[KIEL].x == row["cnn_teff"] and one.places[KIEL].dx == 0.1
        assert "± 0.1" in one.headline or "± 0.10" in one.headline
        wave = one.strips["teff"].wavelength
        assert np.allclose(wave / config.grid, 1 + one.z)
        assert np.abs(one.strips["teff"].values).max() > 0
        assert any(what == "surface gravity by the network" for _, _, what in one.numbers)
    page = view.page(objects, "stars", [])
    assert "no training set is at hand" in page.diagrams[0].others
    shown = told(write_page(page, tmp_path / "page.html", key="k"))
    assert shown["diagrams"] == [KIEL, CMD] and not shown["asksZ"] and not shown["asksKind"]


def test_training_set_stands_behind_where_the_run_keeps_it(tmp_path):
    (tmp_path / "data").mkdir()
    labels = pd.DataFrame({"split": ["reference", "test"], "teff_true": [5000.0, 1.0],
                           "logg_true": [4.0, 1.0], "mg_true": 4.0, "bprp_true": 0.8})  # fmt: skip
    labels.to_parquet(tmp_path / "data" / "labels.parquet")
    view = SolarlikeView(None, pd.DataFrame())
    view.run_dir = tmp_path
    kiel = view.page([], "stars", []).diagrams[0]
    assert list(kiel.x) == [5000.0] and kiel.others == "stars of the training set"
    assert kiel.flip_x and kiel.flip_y
