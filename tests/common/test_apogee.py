"""APOGEE's allStar tables and aspcapStar spectra."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from common.errors import ReadError
from common.surveys import read, read_many
from common.surveys.apogee import STAR_BAD, read_allstar

NAMES = ["2M00000001+0000001", "2M00000002+0000002", "2M00000003+0000003", "2M00000004+0000004"]
LABELS = ("teff", "logg", "m_h", "fe_h", "alpha_m")


def allstar(path, release="DR17", **changes):
    """Write a small allStar table with the columns of a release."""
    bad = np.nan if release == "DR17" else -9999.0
    gaia = {"DR17": "GAIAEDR3", "DR16": "GAIA", "DR14": None}[release]
    columns = {
        "APOGEE_ID": ("18A", NAMES),
        "RA": ("D", [10.0, 20.0, 30.0, 40.0]), "DEC": ("D", [-1.0, -2.0, -3.0, -4.0]),
        "J": ("E", [10.0, 11.0, 99.9999, 12.0]), "H": ("E", [9.5, 10.5, 11.5, 11.5]),
        "K": ("E", [9.4, 10.4, -9999.0, 11.4]), "AK_TARG": ("E", [0.1, -9999.0, 0.2, 0.0]),
        "SNR": ("E", [100.0, 200.0, 150.0, 90.0]),
        "X_H": ("3E", [[0, 0, -0.12], [bad] * 3, [0, 0, -0.52], [0, 0, 0.02]]),
        "X_H_ERR": ("3E", [[0, 0, 0.01], [bad] * 3, [0, 0, 0.01], [0, 0, 0.01]]),
        "ASPCAPFLAG": ("J", [0, STAR_BAD, 0, 4]), "STARFLAG": ("J", [0, 0, 512, 0]),
    }  # fmt: skip
    for name, first, third, last, error in (
        ("TEFF", 4500.0, 5000.0, 5500.0, 20.0), ("LOGG", 2.0, 3.0, 4.0, 0.05),
        ("M_H", -0.1, -0.5, 0.0, 0.01), ("ALPHA_M", 0.05, 0.2, 0.0, 0.01),
        ("FE_H", -0.12, -0.52, 0.02, 0.01),
    ):  # fmt: skip
        none = -9999.99 if name == "ALPHA_M" else bad
        columns[name] = ("E", [first, none, third, last])
        columns[f"{name}_ERR"] = ("E", [error, bad, error, error])
    if gaia:
        columns |= {
            f"{gaia}_SOURCE_ID": ("K", [2**60 + 1, 2**60 + 3, 0, 2**60 + 5]),
            f"{gaia}_PHOT_G_MEAN_MAG": ("E", [12.0, 13.0, bad, 14.0]),
            f"{gaia}_PARALLAX": ("D", [0.5, -0.1, bad, 1.0]),
            f"{gaia}_PARALLAX_ERROR": ("D", [0.02, 0.02, bad, 0.02]),
        }
    columns = {name: column for name, column in (columns | changes).items() if column is not None}
    table = [fits.Column(name, form, array=values) for name, (form, values) in columns.items()]
    elements = [fits.Column("ELEM_SYMBOL", "6A", dim="(2,3)", array=[["C", "N", "Fe"]])]
    one, two = (fits.BinTableHDU.from_columns(made) for made in (table, elements))
    fits.HDUList([fits.PrimaryHDU(), one, fits.ImageHDU(), two]).writeto(path)
    return path


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
@pytest.mark.parametrize("release", ["DR14", "DR17"])
def test_allstar_of_each_release(tmp_path, name, release, recwarn):
    frame = read_allstar(allstar(tmp_path / name, release))
    assert not recwarn.list
    assert frame["apogee_id"].tolist() == NAMES
    assert frame["teff"].isna().tolist() == [False, True, False, False]
    row = frame.iloc[2]
    np.testing.assert_allclose(
        row[list(LABELS)].astype(float), [5000, 3, -0.5, -0.52, 0.2], rtol=1e-6
    )
    assert frame.loc[1, [*LABELS, *(f"{n}_err" for n in LABELS), "a_k"]].isna().all()
    assert np.isnan(row["j"]) and np.isnan(row["k"]) and row["h"] == 11.5
    assert (frame["aspcapflag"] & STAR_BAD != 0).tolist() == [False, True, False, False]
    assert str(frame["source_id"].dtype) == "Int64"
    if release == "DR17":
        assert frame.attrs["gaia_release"] == "EDR3"
        assert frame["source_id"].dropna().tolist() == [2**60 + 1, 2**60 + 3, 2**60 + 5]
        assert frame["source_id"].isna().tolist() == [False, False, True, False]
        assert frame["parallax"].tolist()[:2] == [0.5, -0.1]  # negative is no missing value
        assert frame["g"].isna().tolist() == [False, False, True, False]
    else:
        assert frame.attrs["gaia_release"] == ""
        assert frame[["source_id", "parallax", "g"]].isna().all().all()
    assert not np.isin(frame.select_dtypes("number").to_numpy(float, na_value=np.nan), -9999).any()


def test_gaia_dr2_is_called_so_and_iron_is_taken_from_the_abundance_array(tmp_path):
    with pytest.warns(UserWarning, match="source_id is that of Gaia DR2.*Match by position"):
        frame = read_allstar(allstar(tmp_path / "a.fits", "DR16"))
    assert frame.attrs["gaia_release"] == "DR2"
    assert frame["source_id"][0] == 2**60 + 1 and frame["parallax"][1] == -0.1
    frame = read_allstar(allstar(tmp_path / "b.fits", "DR14", FE_H=None, FE_H_ERR=None))
    np.testing.assert_allclose(frame["fe_h"], [-0.12, np.nan, -0.52, 0.02], rtol=1e-6)
    np.testing.assert_allclose(frame["fe_h_err"], [0.01, np.nan, 0.01, 0.01], rtol=1e-6)


def test_the_best_of_several_rows_is_kept_and_the_others_are_counted(tmp_path):
    ids = [2**60 + 1, 2**60 + 3, 0, 2**60 + 1]
    changes = {"GAIAEDR3_SOURCE_ID": ("K", ids), "SNR": ("E", [100.0, np.nan, 150.0, 300.0]),
               "APOGEE_ID": ("18A", [*NAMES[:3], "other name"])}  # fmt: skip
    path = allstar(tmp_path / "a.fits", **changes)
    with pytest.warns(UserWarning, match="1 of 4 rows left out"):
        frame = read_allstar(path)
    assert frame["snr"].fillna(-1).tolist() == [-1, 150, 300]
    assert frame["source_id"].tolist()[0] == ids[1] and frame["source_id"].tolist()[2] == ids[3]
    # Without a source_id the APOGEE name tells stars apart.
    path = allstar(tmp_path / "b.fits", "DR14", APOGEE_ID=("18A", [NAMES[0]] * 3 + [NAMES[3]]))
    with pytest.warns(UserWarning, match="2 of 4 rows left out"):
        frame = read_allstar(path)
    assert frame["snr"].tolist() == [200, 90]


def test_bad_allstar_files(tmp_path):
    whole = allstar(tmp_path / "a.fits").read_bytes()
    with fits.open(tmp_path / "a.fits") as hdus:
        fits.BinTableHDU(hdus[1].data[:0]).writeto(tmp_path / "none.fits")
    pd.DataFrame({"APOGEE_ID": NAMES}).to_csv(tmp_path / "text.fits")
    (tmp_path / "cut.fits").write_bytes(whole[:6000])
    (tmp_path / "empty.fits").write_bytes(b"")
    allstar(tmp_path / "other.fits", TEFF=None)
    for name, message in {
        "none": "the table has no rows",
        "text": "not a FITS file",
        "cut": "damaged or truncated",
        "empty": "the file is empty",
        "other": "no table with APOGEE_ID, TEFF and LOGG; allowed: an allStar file",
    }.items():
        with pytest.raises(ReadError, match=message):
            read_allstar(tmp_path / f"{name}.fits")


def aspcap(path, n_param=9, named=True):
    """Write an aspcapStar file of a later release: more parameters, and named columns."""
    flux = np.ones(8575, np.float32)
    error = np.full(8575, 0.01, np.float32)
    flux[:100] = error[:100] = 0
    flux[200], error[300] = 0, 0
    images = []
    for values in (flux, error, flux):
        image = fits.ImageHDU(values)
        image.header.update(CRVAL1=4.179, CDELT1=6e-6, CRPIX1=1, CTYPE1="LOG-LINEAR")
        images.append(image)
    param = np.full(n_param, -9999.0)
    param[[0, 1, 3, 6]] = 4500, 2.0, -0.1, 0.05
    columns = [
        fits.Column("APOGEE_ID", "18A", array=[NAMES[0]]),
        fits.Column("PARAM", f"{n_param}E", array=[param]),
        fits.Column("PARAM_COV", f"{n_param**2}E", array=[np.eye(n_param).ravel() * 0.04]),
    ]
    if named:
        own = {"TEFF": 4510.0, "TEFF_ERR": 15.0, "LOGG": -9999.0}
        columns += [fits.Column(name, "E", array=[value]) for name, value in own.items()]
    table = fits.BinTableHDU.from_columns(columns)
    primary = fits.PrimaryHDU()
    primary.header.update(OBJ=NAMES[0], RA=10.0, DEC=-1.0)
    fits.HDUList([primary, *images, table]).writeto(path)
    return path


def test_aspcapstar_named_columns_come_before_param(tmp_path):
    spectra = read(aspcap(tmp_path / "a.fits"))
    meta = spectra.meta.iloc[0]
    assert (meta["teff"], meta["teff_err"]) == (4510, 15)
    assert np.isnan(meta["logg"]) and np.isnan(meta["logg_err"])
    assert meta["m_h"] == pytest.approx(-0.1) and meta["m_h_err"] == pytest.approx(0.2)
    assert meta["snr"] == pytest.approx(100)  # no header card: from the errors
    assert np.flatnonzero(spectra.mask[0]).tolist() == [*range(100), 200, 300]
    assert np.isnan(spectra.flux[spectra.mask]).all() and not spectra.ivar[spectra.mask].any()
    np.testing.assert_allclose(spectra.ivar[~spectra.mask], 1e4, rtol=1e-5)
    assert spectra.wavelength[0] == pytest.approx(10**4.179)
    seven = read(aspcap(tmp_path / "b.fits", 7, named=False)).meta.iloc[0]
    assert (seven["teff"], seven["logg"]) == (4500, 2)
    content = (tmp_path / "a.fits").read_bytes()  # one that is cut costs a reject
    (tmp_path / "b.fits").write_bytes(content[: len(content) // 2])
    stream = read_many(tmp_path, progress=False)
    assert [list(s.ids) for s in stream] == [[NAMES[0]]]
    assert len(stream.rejects) == 1 and "damaged" in stream.rejects[0]["reason"]


def test_real_aspcapstar_spectra(shared_data):
    parts = list(read_many(shared_data / "real/apogee", progress=False))
    (spectra,) = parts
    assert len(spectra) == 4 and spectra.flux.shape == (4, 8575)
    assert (spectra.medium, spectra.frame) == ("vacuum", "rest")
    assert all(f"-{i}." in f for i, f in zip(spectra.ids, spectra.meta["file"], strict=True))
    assert spectra.meta["teff"].between(4300, 5000).all()  # giants of NGC 188
    assert spectra.meta["logg"].between(2, 3.5).all() and spectra.meta["m_h"].between(0, 0.2).all()
    assert spectra.meta["teff_err"].between(50, 200).all()
    wave = spectra.wavelength
    assert wave[[0, -1]] == pytest.approx([15100.8, 16999.8], abs=0.1)
    # Mg I, Al I and Fe I in vacuum: at rest, whatever the star's -40 km/s (2 Å).
    for line in (15753.29, 15770.15, 16755.14):
        near = np.abs(wave - line) < 1.5
        depth = wave[near][np.nanargmin(spectra.flux[:, near], axis=1)]
        assert np.abs(depth - line).max() < 0.4, line


def test_ids_that_a_float_has_rounded_are_no_ids(tmp_path):
    rounded = {"GAIAEDR3_SOURCE_ID": ("D", [2.0**60, 4.0e9, np.nan, 2.0**53])}
    with pytest.warns(UserWarning, match="GAIAEDR3_SOURCE_ID: 2 of 4 rows: rounded"):
        table = read_allstar(allstar(tmp_path / "a.fits", **rounded))
    assert table["source_id"].isna().tolist() == [True, False, True, True]
    assert table["source_id"][1] == 4_000_000_000
