"""The networks that come with the packages: whole, small, and what they say of real spectra."""

import importlib
import json

import numpy as np
import pandas as pd
import pytest

from common.catalog import read_table
from common.released import CARD, released, room
from mtopnet.kinds import OTHER_KINDS
from tests.test_docs import PACKAGES

MOST = 80e6  # bytes of all together
PINNED_OH = {"2504-54179-0257": 8.833, "1492-52932-0043": 8.837, "0783-52325-0322": 8.911,
             "0504-52316-0040": 9.067}  # fmt: skip
PINNED_SUNS = {"210231": (5639, 4.294, -0.042, 4.51), "203120": (5999, 4.020, 0.286, 3.04),
               "382502163": (4981, 4.732, -0.284, 6.24)}  # fmt: skip
PINNED_Z = (0.89, 22)  # fraction of right redshifts, how many are sure
EVERY = [(package, name) for package in PACKAGES for name in released(package)]


@pytest.mark.parametrize("package, name", EVERY)
def test_released_network_is_whole_and_names_no_machine(package, name):
    one = released(package)[name]
    one.check()
    assert "config.json" in one.files and any(f.endswith(".keras") for f in one.files)
    kept = json.loads((one.folder / "config.json").read_text())
    assert not {"data_dir", "device"} & set(kept) and kept["versions"]["commit"]
    card = (one.folder / CARD).read_text()
    assert f"python -m {package}.train" in card and "## What it scores" in card
    for text in (card, json.dumps(kept)):
        assert "/home/" not in text and "/tmp/" not in text


def test_all_released_networks_together_are_small():
    files = [p for package in PACKAGES for p in room(package).rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < MOST


def predicted(package, out, paths, verb="predict"):
    main = importlib.import_module(f"{package}.{verb}").main
    assert main(["-o", str(out), "--precision", "float32", *map(str, paths)]) == 0
    return pd.read_parquet(out)


def test_classes_and_redshifts_of_three_surveys_without_training(shared_data, tmp_path, capsys):
    """Pinned: what the network gave when it was released."""
    real = shared_data / "real"
    paths = [real / "sdss/dr16_table.fits", *sorted(real.glob("desi/*")),
             *sorted(real.glob("lamost/spec/*"))[:12]]  # fmt: skip
    table = predicted("gasnet2", tmp_path / "a.parquet", paths)
    assert "released network surveys" in capsys.readouterr().out
    labels = pd.read_parquet(tmp_path / "a.parquet").set_index("id")
    assert len(table) == len(labels)
    sdss = table[table["file"].str.contains("dr16_table")]
    assert len(sdss) == 56
    assert sdss["coarse"].value_counts().to_dict() == {"STAR": 22, "GALAXY": 17, "QSO": 17}
    assert (sdss["p_z"] > 0.95).sum() >= 54
    lamost = table[table["file"].str.contains("lamost")]
    assert len(lamost) == 12 and (lamost["coarse"] == "STAR").sum() >= 11
    assert np.isfinite(table.loc[table["coarse"] != "NONE", "z_err"]).all()


def test_labels_of_real_stars_without_training(shared_data, tmp_path, capsys):
    """Pinned: XP spectra alone, without photometry and parallax."""
    path = shared_data / "real" / "gaia" / "xp_continuous_combined_chunk0.fits"
    table = predicted("rvs_hybrid", tmp_path / "a.parquet", [path])
    assert "released network stars" in capsys.readouterr().out
    assert len(table) > 1990
    for name, median, error in (("teff", 4865, 288), ("logg", 3.61, 0.35), ("fe_h", -0.317, 0.16)):
        assert table[name].median() == pytest.approx(median, abs=0.05 * error), name
    assert (table[["teff_err", "logg_err", "fe_h_err", "alpha_m_err"]] > 0).all().all()


def test_metallicities_of_real_galaxies_without_training(shared_data, tmp_path, capsys):
    """Pinned: SDSS galaxies, of a survey that the network never saw."""
    real = shared_data / "real" / "sdss"
    table = predicted("lamost_metallicity", tmp_path / "a.parquet", [real / "dr16_table.fits"])
    assert "released network galaxies" in capsys.readouterr().out
    forming = table[~table["warnings"].str.contains("NOT_STAR_FORMING")].set_index("id")
    assert table.loc[~table["id"].isin(forming.index), "oh"].isna().all()
    for identity, oh in PINNED_OH.items():
        row = forming.loc[identity]
        assert row["oh"] == pytest.approx(oh, abs=0.1 * row["oh_err"]), identity


def test_parameters_of_real_suns_without_training(shared_data, tmp_path, capsys):
    """Pinned: LAMOST stars, none of which it learned from; distances need Gaia's magnitudes."""
    spectra = shared_data / "real" / "lamost" / "spec"
    names = ("F5907_sp10-231", "F5907_sp03-120", "EG222106N010205M01_sp02-163")
    paths = [next(spectra.glob(f"*{name}*")) for name in names]
    table = predicted("solarlike_distance", tmp_path / "a.parquet", paths, "catalog")
    assert "released network stars" in capsys.readouterr().out
    table = table.set_index(table["obsid"].astype(str))
    assert set(table.index) == set(PINNED_SUNS) and table["cnn_distance"].isna().all()
    for obsid, pinned in PINNED_SUNS.items():
        for name, value in zip(("teff", "logg", "feh", "mg"), pinned, strict=True):
            error = table.loc[obsid, f"cnn_{name}_err"]
            assert table.loc[obsid, f"cnn_{name}"] == pytest.approx(value, abs=0.1 * error), name


def test_redshifts_of_mock_galaxies_without_training(tmp_path, capsys):
    """No real MOONS spectrum exists: a mock, of a seed that no training had."""
    from mtopnet.mock.make import make_mock

    paths = make_mock(n=40, seed=202, out_dir=tmp_path / "mock", exposures=(8,), progress=False,
                      variant="both", offline=True)  # fmt: skip
    table = predicted("mtopnet", tmp_path / "a.parquet", paths).set_index("id")
    assert "released network galaxies" in capsys.readouterr().out
    labels = read_table(tmp_path / "mock" / "labels.fits").set_index("id").loc[table.index]
    own = ~labels["kind"].isin(OTHER_KINDS)
    right = (table["z"] - labels["z"]).abs() < 0.01
    assert right[own].mean() == pytest.approx(PINNED_Z[0], abs=0.05)
    sure = own & (table["p_z"] > 0.9)
    assert sure.sum() >= PINNED_Z[1] and right[sure].mean() > 0.95
    assert table["p_none"].between(0, 1).all() and table["p_none"][own].median() < 0.05
    off = (table["log_mass"] - labels["log_mass"])[own & right]
    assert (
        abs(off.median()) < 0.15
        and (off.abs() < 2 * table.loc[off.index, "log_mass_err"]).mean() > 0.8
    )
