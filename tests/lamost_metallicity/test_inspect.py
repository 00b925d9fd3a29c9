"""What a page shows of galaxies, with networks that have learned nothing."""

import numpy as np
import pandas as pd
import pytest

from common.inspect.page import write_page
from common.surveys import read_many
from lamost_metallicity.data import spectrum_files
from lamost_metallicity.inspecting import BPT, MASS, MetallicityView, divisions
from lamost_metallicity.model import BUILDERS
from lamost_metallicity.networks import Networks
from lamost_metallicity.predict import catalogue, usable
from tests.lamost_metallicity.toy import tiny_config, write_files
from tests.pages import objects_of, told


def test_galaxies_have_places_in_both_diagrams_and_strips(tmp_path):
    write_files(tmp_path / "files", n=6)
    config = tiny_config()
    networks = Networks(config, {name: build(config) for name, build in BUILDERS.items()})
    files = spectrum_files([tmp_path / "files"])
    parts = []
    for batch in read_many(files, progress=False):
        _, about, x, _ = usable(networks, batch)
        parts.append(catalogue(networks, x, about, confidence=0.0, everything=True))
    view = MetallicityView(None, pd.concat(parts, ignore_index=True))
    view.networks = networks
    objects = objects_of(view, files)
    assert len(objects) == len(view.table) > 0
    for one, (_, row) in zip(objects, view.table.iterrows(), strict=True):
        assert one.places[MASS].y == row["oh"] and one.z == pytest.approx(row["z"])
        assert f"12 + log(O/H) = {row['oh']:.2f}" in one.headline
        assert set(one.strips) == {"metallicity", "star-forming"}
        assert one.strips["metallicity"].values.mean() == pytest.approx(1)
    assert any(np.isfinite(one.places[BPT].x) for one in objects)
    page = view.page(objects, "galaxies", [])
    assert [d.name for d in page.diagrams] == [BPT, MASS] and len(page.diagrams[1].x)
    shown = told(write_page(page, tmp_path / "page.html", key="k"))
    assert "no galaxy" in shown["kinds"] and shown["kinds"]["other galaxy"]["Hα"] == 6564.61


def test_lines_of_division_are_the_published_ones():
    (_, x, y), (_, x2, y2) = divisions()
    assert np.interp(-0.5, x, y) == pytest.approx(0.61 / (-0.5 - 0.05) + 1.3, abs=1e-3)
    assert np.interp(-0.5, x2, y2) == pytest.approx(0.61 / (-0.5 - 0.47) + 1.19, abs=1e-3)
