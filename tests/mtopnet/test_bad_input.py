"""Bad files through reader, preparation and labels, to the message that a user reads."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from common.catalog import read_table
from common.errors import MissingDataError, UsageError
from common.mocks import moons
from mtopnet import data, predict
from mtopnet import preprocess as pre
from mtopnet.config import make_config
from tests.mtopnet import toy_run as tiny

H = moons.arm_slices()["H"]


def spoilt(path, labels, what):
    """Write spectra of the labels in one of the ways that may go wrong."""
    flux, error = tiny.fluxes(labels)
    if what == "no H arm":
        tiny.write_spectra(path, labels, arms=("RI", "YJ"))
        return
    if what == "H arm without error":
        error[:, H] = np.nan
    elif what == "negative":
        flux = flux - np.float32(1e-15)
    tiny.write_spectra(path, labels, flux=flux, error=error)
    if what == "frame":
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["SPECSYS"] = "LSRK"


MESSAGES = {
    "no H arm": "without the H arm; allowed: the arms RI, YJ and H",
    "H arm without error": "without information in H (0% of its channels)",
    "frame": "wavelengths in the frame SPECSYS = 'LSRK'; allowed: BARYCENT or HELIOCEN",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of good spectra, one file spoilt in each way, and one of labels beyond the bins."""
    top = tmp_path_factory.mktemp("bad")
    tables = []
    for seed, what in enumerate(("good", "negative", "outside", *MESSAGES)):
        labels = tiny.galaxies(2, seed=seed, exposures=(2.0,))
        spoilt(top / "spectra" / f"{what.replace(' ', '_')}.fits", labels, what)
        if what == "outside":
            labels["z"] = (0.5, 3.0)
        tables.append(labels)
    labels = Table(np.concatenate([np.asarray(t) for t in tables]))
    labels.write(top / "labels.fits")
    return top


def test_training_takes_the_good_and_says_why_not_the_others(folder, tmp_path):
    shards = data.prepare(tiny.tiny_config(), tmp_path / "data", data_dir=folder)
    table = shards.labels
    assert sorted(i[:2] for i in table["id"]) == ["T0", "T0", "T1", "T1"]
    negative = table["id"].str.startswith("T1").to_numpy()
    assert table["note"].tolist() == np.where(negative, pre.NEGATIVE, "").tolist()
    assert np.isfinite(shards.rows(np.arange(4))).all()
    rejects = read_table(tmp_path / "data" / "rejects.ecsv")
    for what, says in MESSAGES.items():
        own = rejects[rejects["file"].str.contains(what.replace(" ", "_"))]
        assert len(own) and own["reason"].str.contains(says, regex=False).all(), what
    told = sorted(rejects["reason"][rejects["file"].str.contains("/outside.fits")])
    assert told == ["label z = 0.5000 outside the network's bins, 0.6 <= z < 3",
                    "label z = 3.0000 outside the network's bins, 0.6 <= z < 3"]  # fmt: skip


@pytest.mark.parametrize("what", [*MESSAGES, "outside"])
def test_a_set_of_nothing_but_bad_files_says_why(tmp_path, what):
    labels = tiny.galaxies(1)
    spoilt(tmp_path / "in" / "spectra" / "a.fits", labels, what)
    if what == "outside":
        labels["z"] = -9.0
    labels.write(tmp_path / "in" / "labels.fits")
    with pytest.raises(MissingDataError, match="No spectrum of 1 file") as caught:
        data.prepare(tiny.tiny_config(), tmp_path / "data", data_dir=tmp_path / "in")
    says = MESSAGES.get(what, "label z = -9.0000 outside the network's bins, 0.6 <= z < 3")
    assert says in str(caught.value)


def test_prediction_takes_a_negative_continuum_and_says_so(folder, run_dir, tmp_path, capsys):
    out = tmp_path / "c.ecsv"
    assert predict.main(["--run-dir", str(run_dir), "-o", str(out), str(folder / "spectra")]) == 0
    table = read_table(out)
    warned = table["warnings"].fillna("").astype(str).str.contains("NEGATIVE_CONTINUUM")
    assert table.loc[warned, "id"].str[:2].tolist() == ["T1", "T1"]
    assert np.isfinite(table[["z", "log_mass", "log_sfr", "entropy"]].to_numpy(float)).all()
    rejects = read_table(tmp_path / "c.ecsv.rejects.ecsv")
    for says in MESSAGES.values():
        assert rejects["reason"].str.contains(says, regex=False).any()
    assert "could not be used" in capsys.readouterr().out


def test_a_limit_that_masks_whole_arms_is_refused(monkeypatch):
    monkeypatch.setattr(moons, "sky_photons", lambda **_: np.full(moons.PIXELS, 1e-6))
    pre._sky_mask.cache_clear()
    with pytest.raises(UsageError, match="--sky-limit 1e-07 masks every channel of RI, YJ, H"):
        pre.sky_mask(make_config("moons", "paper", sky_limit=1e-7))
    pre._sky_mask.cache_clear()
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="--sky-limit must be above 0"):
            make_config("moons", "paper", sky_limit=wrong)
