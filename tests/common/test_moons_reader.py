"""MOONS1D's files, merged and arm by arm, what is wrong with some, and labels beside them."""

import gzip

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common.air import air_to_vacuum
from common.errors import MissingDataError, ReadError
from common.mocks import moons
from common.surveys import find_files, read, read_many
from common.surveys.moons import read_labels

UNIT = "Angstrom-1 cm-2 erg s-1"  # as MOONS1D writes it
DENSITY = "1e-17 erg / (s cm2 Angstrom)"


def arm_hdus(name, *, level=2e-18, cards=None, rows=None, error=1e-18):
    """Four images of an arm, with the cards that MOONS1D writes."""
    arm = moons.ARMS[name]
    shape = (arm.pixels,) if rows is None else (rows, arm.pixels)
    ramp = np.broadcast_to(level * np.linspace(1, 2, arm.pixels), shape).copy()
    if rows is not None:
        ramp *= np.arange(1, rows + 1)[:, None]
    images = (
        (f"DATA_{name}", ramp, UNIT), (f"ERR_{name}", np.full(shape, error), UNIT),
        (f"QUAL_{name}", np.ones(arm.pixels, int), ""),
        ("Sky", np.full(arm.pixels, 1e-5), "ph/s/cm2/AA/arcsec2"),
    )  # fmt: skip
    out = []
    for label, values, unit in images:
        hdu = fits.ImageHDU(values)
        hdu.header.update({"NAME": label, "CRVAL1": arm.first, "CDELT1": arm.step, "CRPIX1": 1.0,
                           "TUNIT1": "AA", "TUNIT2": unit, "R": arm.resolution})  # fmt: skip
        hdu.header.update(cards or {})
        out.append(hdu)
    return out


def primary(**cards):
    hdu = fits.PrimaryHDU()
    hdu.header.update({"INST": "MOONS_SIM", "R_MODE": "LR", "OBS_MODE": "XSWITCH", "NDIT": 24.0,
                       "DIT": 300.0, "Z": 1.25, "MAG": 22.5, "WAVE": "H"} | cards)  # fmt: skip
    return hdu


def merged(path, arms=("RI", "YJ", "H"), *, cards=None, **options):
    hdus = [primary(**(cards or {})), *(h for arm in arms for h in arm_hdus(arm, **options))]
    fits.HDUList(hdus).writeto(path)
    return path


def single(folder, arm, name="target"):
    path = folder / f"{name}_{arm}.fits"
    fits.HDUList([primary(BAND=arm), *arm_hdus(arm)]).writeto(path)
    return path


def test_a_merged_file_is_one_spectrum_of_all_pixels(tmp_path):
    spectra = read(merged(tmp_path / "galaxy_7.fits"))
    np.testing.assert_allclose(spectra.wavelength, moons.grid(), rtol=1e-12)
    assert spectra.flux.shape == (1, 12217) and spectra.flux.dtype == np.float32
    assert spectra.ids.tolist() == ["galaxy_7"]
    assert (spectra.medium, spectra.frame, spectra.unit) == ("vacuum", "observed", DENSITY)
    first = spectra.flux[0, 0], spectra.flux[0, 4116], spectra.flux[0, 4117]
    np.testing.assert_allclose(first, (0.2, 0.4, 0.2), rtol=1e-6)
    np.testing.assert_allclose(spectra.ivar, 100, rtol=1e-5)
    row = spectra.meta.iloc[0]
    assert (row["exposure"], row["m_h"], row["z"], row["survey"]) == (2.0, 22.5, 1.25, "moons")
    assert spectra.mask is None  # QUAL marks sky lines, the pixels are good
    packed = tmp_path / "b.fits.gz"
    packed.write_bytes(gzip.compress((tmp_path / "galaxy_7.fits").read_bytes()))
    np.testing.assert_array_equal(read(packed).flux, spectra.flux)


@given(exponent=st.integers(-3, 3), unit=st.sampled_from(["AA", "Angstroms", "nm", "micron"]))
@settings(max_examples=12, deadline=None)
def test_units_are_converted(tmp_path_factory, exponent, unit):
    path = tmp_path_factory.mktemp("unit") / "x.fits"
    per = {"AA": 1.0, "Angstroms": 1.0, "nm": 0.1, "micron": 1e-4}[unit]
    hdus = [primary()]
    for name, arm in moons.ARMS.items():
        hdus += arm_hdus(name, level=2e-18 / 10.0**exponent, error=1e-18 / 10.0**exponent, cards={
            "TUNIT2": f"1e{exponent} erg s-1 cm-2 Angstrom-1", "TUNIT1": unit,
            "CRVAL1": arm.first * per, "CDELT1": arm.step * per,
        })  # fmt: skip
    fits.HDUList(hdus).writeto(path)
    spectra = read(path)
    np.testing.assert_allclose(spectra.wavelength, moons.grid(), rtol=1e-9)
    assert spectra.flux[0, 0] == pytest.approx(0.2, rel=1e-5)


def test_three_files_of_arms_are_read_by_the_first_and_a_missing_arm_is_named(tmp_path):
    paths = {arm: single(tmp_path, arm) for arm in moons.ARMS}
    whole = merged(tmp_path / "whole.fits")
    spectra = read(paths["RI"])
    assert spectra.ids.tolist() == ["target"]
    np.testing.assert_array_equal(spectra.flux, read(whole).flux)
    np.testing.assert_array_equal(spectra.wavelength, read(whole).wavelength)
    with pytest.raises(ReadError, match=r"the arm H alone.*read by the name .* target_RI.fits"):
        read(paths["H"])
    for arms, says in ((("RI", "YJ"), "without the H arm;"), (("YJ", "H"), "without the RI arm;"),
                       (("RI",), "without the YJ and H arms;")):  # fmt: skip
        with pytest.raises(ReadError, match=says) as caught:
            read(merged(tmp_path / "short.fits", arms))
        assert "RI, YJ and H" in str(caught.value) and "short.fits" in str(caught.value)
        (tmp_path / "short.fits").unlink()
    whole.unlink()
    stream = read_many(tmp_path, progress=False)
    found = [name for part in stream for name in part.ids]
    assert found == ["target"] and stream.rejects == []  # the other arms are in it
    stream = read_many(paths["H"], progress=False)
    assert list(stream) == [] and "read by the name" in stream.rejects[0]["reason"]


@pytest.mark.parametrize(
    "cards",
    [{"VACUUM": False}, {"VACUUM": "F"}, {"VACUUM": 0}, {"CTYPE1": "AWAV"}, {"AIRORVAC": "air"}],
    ids=lambda c: "=".join(map(str, *c.items())),
)
def test_air_wavelengths_are_converted_wherever_they_are_told(tmp_path, cards):
    merged(tmp_path / "first.fits", cards=cards)
    images = [h for arm in moons.ARMS for h in arm_hdus(arm, cards=cards)]
    fits.HDUList([primary(), *images]).writeto(tmp_path / "every.fits")
    for name in ("first", "every"):
        spectra = read(tmp_path / f"{name}.fits")
        assert spectra.medium == "vacuum"
        np.testing.assert_allclose(spectra.wavelength, air_to_vacuum(moons.grid()), rtol=1e-12)
    same = read(merged(tmp_path / "v.fits", cards={"VACUUM": True}))
    np.testing.assert_allclose(same.wavelength, moons.grid(), rtol=1e-12)


@pytest.mark.parametrize(
    ("hdu", "cards", "says"),
    [(0, {"R_MODE": "HR"}, "high resolution"), (2, {"NAME": "X"}, "no image ERR_RI"),
     (1, {"TUNIT2": "count"}, "TUNIT2 = 'count'"), (1, {"TUNIT1": "Hz"}, "TUNIT1 = 'Hz'"),
     (9, None, "no CRVAL1 or CDELT1 in DATA_H"), (2, {}, "equal shapes")],
)  # fmt: skip
def test_what_cannot_be_read_says_why(tmp_path, hdu, cards, says):
    hdus = fits.HDUList([primary(), *(h for arm in moons.ARMS for h in arm_hdus(arm))])
    if cards is None:
        hdus[hdu].header.remove("CDELT1")
    elif not cards:
        hdus[hdu].data = np.ones(7)
    else:
        hdus[hdu].header.update(cards)
    hdus.writeto(tmp_path / "bad.fits")
    with pytest.raises(ReadError, match=says) as caught:
        read(tmp_path / "bad.fits")
    assert "bad.fits" in str(caught.value)


def test_damage_costs_a_reject_and_not_the_run(tmp_path):
    good = merged(tmp_path / "a.fits")
    (tmp_path / "b.fits").write_bytes(good.read_bytes()[:200_000])
    merged(tmp_path / "c.fits", level=np.nan)
    merged(tmp_path / "d.fits", error=0.0)
    stream = read_many(tmp_path, progress=False)
    assert [name for part in stream for name in part.ids] == ["a"]
    reasons = " | ".join(r["reason"] for r in stream.rejects)
    assert "truncated" in reasons and "NaN everywhere" in reasons and "ivar is zero" in reasons


def test_negative_fluxes_and_bad_pixels_are_data(tmp_path):
    spectra = read(merged(tmp_path / "n.fits", level=-3e-18))
    assert (spectra.flux < 0).all() and (spectra.ivar > 0).all()
    hdus = [primary(), *(h for arm in moons.ARMS for h in arm_hdus(arm))]
    for i, value in enumerate((0.0, np.nan, np.inf, -1e-18)):
        hdus[2].data[i] = value
    fits.HDUList(hdus).writeto(tmp_path / "p.fits")
    ivar = read(tmp_path / "p.fits").ivar[0, :6]
    np.testing.assert_allclose(ivar, (0, 0, 0, 0, 100, 100), rtol=1e-5)


def test_many_spectra_in_one_file_in_pieces(tmp_path):
    rows = 5
    names = [f"g{i}" for i in range(rows)]
    table = Table({"id": [f"{name}-2h" for name in names], "galaxy": names,
                   "exposure": np.full(rows, 2.0), "z": np.linspace(1, 2, rows),
                   "m_h": np.linspace(20, 24, rows)})  # fmt: skip
    hdus = [primary(MOCK=True), *(h for arm in moons.ARMS for h in arm_hdus(arm, rows=rows))]
    targets = fits.table_to_hdu(table)
    targets.name = "TARGETS"
    fits.HDUList([*hdus, targets]).writeto(tmp_path / "many.fits")
    parts = list(read_many(tmp_path, progress=False, chunk=2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert np.concatenate([part.ids for part in parts]).tolist() == list(table["id"])
    np.testing.assert_allclose([part.flux[0, 0] for part in parts], (0.2, 0.6, 1.0), rtol=1e-5)
    meta = pd.concat([part.meta for part in parts], ignore_index=True)
    assert meta["mock"].all() and meta["galaxy"].tolist() == list(table["galaxy"])
    np.testing.assert_allclose(meta["m_h"], table["m_h"])
    fits.HDUList([*hdus, fits.table_to_hdu(table[:3])]).writeto(tmp_path / "few.fits")
    with fits.open(tmp_path / "few.fits", mode="update") as changed:
        changed[-1].name = "TARGETS"
    with pytest.raises(ReadError, match="3 ids in TARGETS for 5 spectra"):
        read(tmp_path / "few.fits")


@pytest.mark.parametrize("ending", ["fits", "ecsv", "csv", "parquet"])
def test_labels_in_every_format(tmp_path, ending):
    table = Table({"id": ["0012", "b"], "z": [1.0, 2.5], "log_mass": [9.5, np.nan],
                   "kind": ["quiescent", "starburst"], "galaxy": ["7", "b"]})  # fmt: skip
    path = tmp_path / f"labels.{ending}"
    if ending == "parquet":
        table.to_pandas().to_parquet(path)
    else:
        table.write(path)
    for where in (path, tmp_path):
        labels = read_labels(where)
        assert labels["id"].tolist() == ["0012", "b"] and labels["galaxy"].tolist() == ["7", "b"]
        assert labels["kind"].tolist() == ["quiescent", "starburst"]
        np.testing.assert_array_equal(labels["log_mass"], (9.5, np.nan))
        assert labels["log_sfr"].isna().all() and labels["m_h"].isna().all()
    (tmp_path / "spectra").mkdir()
    assert len(read_labels(tmp_path / "spectra")) == 2  # beside the folder of spectra
    merged(tmp_path / "spectra" / "b.fits")
    assert [p.name for p in find_files(tmp_path)] == ["b.fits"]  # labels are no spectra


def test_labels_with_gaps_and_those_that_cannot_be_used(tmp_path):
    with pytest.raises(MissingDataError, match=r"no labels here: a file labels.fits"):
        read_labels(tmp_path)
    (tmp_path / "labels.csv").write_text("id,z,galaxy,m_h\na,1.2,,21\nb,0.9,g,\n")
    labels = read_labels(tmp_path)
    assert labels["galaxy"].tolist() == ["a", "g"] and np.isnan(labels["m_h"][1])
    for text, says in (("name,z\na,1\n", "no column id"), ("id,zed\na,1\n", "no column z"),
                       ("id,z\na,1\na,2\n", "the id a in more than one row"),
                       ("id,z\na,one\nb,2\n", "'one' in the column z, row 1")):  # fmt: skip
        (tmp_path / "labels.csv").write_text(text)
        with pytest.raises(ReadError, match=says):
            read_labels(tmp_path)
    (tmp_path / "labels.csv").rename(tmp_path / "labels.fits")
    with pytest.raises(ReadError, match=r"labels.fits: .*allowed: a table in FITS"):
        read_labels(tmp_path)
