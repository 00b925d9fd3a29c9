"""What the functions in Python take, and how Spectra look in a notebook."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common import inpython
from common.errors import SuiteError, UsageError
from common.spectra import Spectra

ROOT = Path(__file__).resolve().parents[2]


def made(n=3, ragged=False, **more):
    wave = np.linspace(4000.0, 8000.0, 50)
    flux = np.random.default_rng(0).normal(1, 0.1, (n, 50)).astype("float32")
    ivar = np.full((n, 50), 100, "float32")
    if ragged:
        return Spectra([wave] * n, list(flux), list(ivar), [f"s{i}" for i in range(n)], **more)
    return Spectra(wave, flux, ivar, [f"s{i}" for i in range(n)], **more)


def ids(given, **options):
    return [name for batch in inpython.batches(given, **options) for name in batch.ids]


def test_spectra_come_in_batches(monkeypatch):
    monkeypatch.setattr(inpython, "CHUNK", 2)
    assert [len(b) for b in inpython.batches(made(5))] == [2, 2, 1]
    assert ids([made(2), made(1)]) == ["s0", "s1", "s0"]


@pytest.mark.parametrize("given", [3, [], None, np.zeros(3), [made(1), "path"]], ids=str)
def test_something_else_is_refused_by_its_name(given):
    with pytest.raises(UsageError, match=r"Received \w+\.\w+"):
        ids(given)


def test_specutils_objects_of_every_kind():
    specutils = pytest.importorskip("specutils")
    from astropy import units as u

    unit = u.Unit("1e-17 erg / (s cm2 Angstrom)")
    axis = np.linspace(4000, 8000, 20) * u.AA
    one = specutils.Spectrum(flux=np.ones(20) * unit, spectral_axis=axis)
    two = specutils.Spectrum(flux=np.ones((2, 20)) * unit, spectral_axis=axis)
    header = {"PLATEID": 266, "MJD": 51602, "FIBERID": 7}
    sdss = specutils.Spectrum(flux=np.ones(20) * unit, spectral_axis=axis, meta={"header": header})
    assert ids(one) == ["0"] and ids(two) == ["0", "1"]
    assert ids(specutils.SpectrumList([one, sdss])) == ["0", "0266-51602-0007"]
    own = made(2, medium="air").to_specutils()
    (back,) = inpython.batches(own)
    assert back.medium == "air" and list(back.ids) == ["s0", "s1"]
    collection = specutils.SpectrumCollection(
        flux=np.ones((3, 20)) * unit, spectral_axis=np.stack([axis.value] * 3) * u.AA
    )
    assert len(ids(collection)) == 3
    (aired,) = inpython.batches(one, medium="air")
    assert aired.medium == "air"


def test_arms_that_specutils_keeps_apart_are_joined():
    specutils = pytest.importorskip("specutils")
    from astropy import units as u
    from astropy.nddata import InverseVariance
    from astropy.table import Table

    unit = u.Unit("1e-17 erg / (s cm2 Angstrom)")
    arms = []
    for band, first in (("b", 3600.0), ("r", 3632.0)):
        axis = (first + 0.8 * np.arange(50)) * u.AA
        meta = {"band": band} | ({"fibermap": Table({"TARGETID": [11, 12]})} if band == "b" else {})
        arms.append(specutils.Spectrum(
            flux=np.full((2, 50), 2.0) * unit, spectral_axis=axis, meta=meta,
            uncertainty=InverseVariance(np.full((2, 50), 4.0), unit=unit**-2)))  # fmt: skip
    (joined,) = inpython.batches(specutils.SpectrumList(arms))
    assert list(joined.ids) == ["11", "12"] and joined.flux.shape == (2, 90)
    assert np.allclose(joined.flux, 2) and set(np.unique(joined.ivar)) == {4.0, 8.0}


def test_table_has_units_and_tells_what_was_lost():
    notes = {"units": {"t": "K", "absent": "m"}, "descriptions": {"t": "temperature"}, "ucds": {}}

    def step(batch):
        lost = [{"file": "f", "id": "s0", "reason": "no flux"}]
        return pd.DataFrame({"id": batch.ids[1:], "t": 1.0, "_hidden": 2}), lost

    with pytest.warns(UserWarning, match="1 spectra could not be used .1x no flux"):
        table = inpython.table_of([made(3)], step, [], notes=notes, meta={"network": "n"})
    assert table.colnames == ["id", "t"] and str(table["t"].unit) == "K"
    assert table["t"].description == "temperature" and table.meta["network"] == "n"
    assert table.meta["rejects"][0]["id"] == "s0"
    with pytest.raises(SuiteError, match=r"None of the spectra can be used: no flux\."):
        inpython.table_of([made(3)], lambda b: (None, step(b)[1]), [], notes=notes)


def test_signal_to_noise_is_measured_where_nobody_says():
    assert inpython.with_snr(made(2)).meta["snr"].to_numpy() == pytest.approx([10, 10], abs=1)


@pytest.mark.parametrize("ragged", [False, True])
def test_notebooks_show_spectra_and_nothing_in_them_is_code(ragged):
    meta = pd.DataFrame({"class": ["<script>x</script>", "QSO", ""], "z": [0.1, np.nan, 2.0]})
    text = made(3, ragged, meta=meta)._repr_html_()
    assert text.count("<svg") == 3 and "<script>" not in text and "4000–8000 Å" in text
    empty = Spectra(np.linspace(1, 2, 5), np.zeros((0, 5)), None, [])
    assert "0, 1–2 Å" in empty._repr_html_() or "empty" in empty._repr_html_()
    nothing = made(1)
    nothing.ivar[:] = 0
    assert "no information" in nothing._repr_html_()


def test_importing_a_paper_loads_no_network_library():
    papers = "gasnet2, mtopnet, rvs_hybrid, lamost_metallicity, solarlike_distance"
    code = (
        f"import {papers}, sys; assert not {{'tensorflow', 'keras', 'pandas'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        __import__("gasnet2").nothing  # noqa: B018


def test_classify_knows_specutils_objects_of_surveys(shared_data):
    """SDSS and DESI by specutils' own loaders, LAMOST by ours: as by the files."""
    specutils = pytest.importorskip("specutils")
    import warnings

    from common.surveys import read
    from gasnet2 import classify

    real = shared_data / "real"
    sdss = next((real / "sdss/spec").glob("spec-0266-51602-0107*"))
    desi = sorted((real / "desi").glob("coadd*"))[0]
    lamost = [read(f) for f in sorted((real / "lamost/spec").glob("*"))[:2]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = [
            specutils.SpectrumList.read(sdss, format="SDSS-III/IV spec"),
            specutils.SpectrumList.read(desi, format="DESI coadd"),
            [one for spectra in lamost for one in spectra.to_specutils()],
        ]
    for objects, files in zip(given, (sdss, desi, lamost), strict=True):
        ours, theirs = classify(objects), classify(files)
        assert list(ours["id"]) == list(theirs["id"]) and list(ours["class"]) == list(
            theirs["class"]
        )
        assert np.allclose(ours["z"], theirs["z"], atol=1e-4)
    assert str(classify(sdss)["ra"].unit) == "deg"
