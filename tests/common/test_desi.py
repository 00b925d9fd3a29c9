"""DESI co-adds with their labels, and the table of normalised spectra."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ReadError
from common.surveys import find_files, read, read_many
from common.surveys.desi import join_arms
from common.surveys.desi_catalogue import read_redshifts

ARMS = {"B": (3600.0, 2751), "R": (5760.0, 2326), "Z": (7520.0, 2881)}


def coadd_hdus(target=(11, 12, -13), objtype=("TGT", "TGT", "SKY"), level=(1.0, 1.0, 1.0)):
    n = len(target)
    made = [("TARGETID", "K", target), ("TARGET_RA", "D", np.arange(n) + 10.0),
            ("TARGET_DEC", "D", np.arange(n) - 5.0), ("OBJTYPE", "3A", objtype)]  # fmt: skip
    fibermap = [fits.Column(k, form, array=v) for k, form, v in made if v is not None]
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(fibermap, name="FIBERMAP")]
    for (arm, (first, m)), value in zip(ARMS.items(), level, strict=True):
        flux = np.full((n, m), value, np.float32)
        images = {"WAVELENGTH": first + 0.8 * np.arange(m), "FLUX": flux,
                  "IVAR": np.ones_like(flux), "MASK": np.zeros((n, m), np.int32)}  # fmt: skip
        hdus += [fits.ImageHDU(values, name=f"{arm}_{k}") for k, values in images.items()]
    return fits.HDUList(hdus)


def write_labels(path, target, **columns):
    kinds = {str: "20A", float: "D", int: "K"}
    table = [fits.Column("TARGETID", "K", array=target)]
    table += [fits.Column(k, kinds[type(v[0])], array=v) for k, v in columns.items()]
    fits.BinTableHDU.from_columns(table).writeto(path)


def test_real_coadds_and_their_labels(shared_data):
    folder = shared_data / "real/desi"
    stream = read_many([p for p in find_files(folder) if "coadd" in p.name], progress=False)
    (spectra,) = list(stream)
    assert spectra.frame == "barycentric"
    assert len(spectra) + len(stream.rejects) == 5 + 1 + 5
    sky = [r["reason"] for r in stream.rejects if r["id"].startswith("-")]
    assert len(sky) == 3 and all("no target" in reason for reason in sky)
    np.testing.assert_allclose(spectra.wavelength, 3600 + 0.8 * np.arange(7781))
    with fits.open(next(folder.glob("redrock-*"))) as hdus:
        row = hdus[1].data[0]
        at = list(spectra.ids).index(str(row["TARGETID"]))
        assert spectra.meta["class"][at] == row["SPECTYPE"].strip()
        assert spectra.meta["z"][at] == row["Z"]
    with fits.open(next(folder.glob("QSO_cat*"))) as hdus:
        redshift = dict(zip(hdus[1].data["TARGETID"].tolist(), hdus[1].data["Z"], strict=True))
    quasars = spectra[(spectra.meta["class"] == "QSO").to_numpy()]
    assert len(quasars) == 5
    assert quasars.meta["z"].tolist() == [redshift[int(target)] for target in quasars.ids]


def test_joined_flux_is_each_arms_own_outside_the_overlaps(shared_data):
    path = next((shared_data / "real/desi").glob("coadd-4-*"))
    spectra = read(path)
    with fits.open(path) as hdus:
        for arm, low, high in (("B", 3600, 5700), ("R", 5850, 7500), ("Z", 7700, 9800)):
            wave = hdus[f"{arm}_WAVELENGTH"].data
            inside = (wave > low) & (wave < high)
            at = np.searchsorted(spectra.wavelength, wave[inside] - 0.1)
            good = spectra.ivar[0][at] > 0
            flux = hdus[f"{arm}_FLUX"].data[0][inside]
            np.testing.assert_allclose(spectra.flux[0][at][good], flux[good], rtol=1e-6)


def test_overlaps_are_weighted_means(tmp_path):
    hdus = coadd_hdus(level=(1.0, 3.0, 5.0))
    hdus["B_IVAR"].data[:] = 3.0
    hdus.writeto(tmp_path / "coadd-0.fits")
    with pytest.warns(UserWarning, match="1 of 3 spectra left out"):
        spectra = read(tmp_path / "coadd-0.fits")
    assert list(spectra.ids) == ["11", "12"]
    wave, flux, ivar = spectra.wavelength, spectra.flux[0], spectra.ivar[0]
    both = (wave > 5760.5) & (wave < 5799.5)
    np.testing.assert_allclose(flux[both], (3 * 1 + 1 * 3) / 4)
    np.testing.assert_allclose(ivar[both], 4)
    np.testing.assert_allclose(flux[wave < 5759], 1)
    np.testing.assert_allclose(flux[wave > 7625], 5)
    assert np.all(np.diff(wave) > 0.7)


@settings(max_examples=30)
@given(start=st.integers(0, 12), bad=st.integers(0, 9), values=st.tuples(*[st.floats(-9, 9)] * 2))
def test_bad_pixels_have_no_weight(start, bad, values):
    waves = [4000 + 0.8 * np.arange(10), 4000 + 0.8 * (start + np.arange(10))]
    masks = [np.zeros((1, 10), bool), np.zeros((1, 10), bool)]
    masks[0][0, bad] = True
    fluxes = [np.full((1, 10), v, np.float32) for v in values]
    fluxes[0][0, bad] = np.nan
    wave, flux, ivar, mask = join_arms(
        waves=waves, fluxes=fluxes, ivars=[np.ones((1, 10))] * 2, masks=masks
    )
    assert len(wave) == len(np.unique(np.round(np.concatenate(waves), 3)))
    shared = start <= bad
    assert mask[0, bad] != shared and ivar[0, bad] == shared
    if shared:
        assert flux[0, bad] == np.float32(values[1])


def test_labels_are_joined_by_target(tmp_path):
    coadd_hdus().writeto(tmp_path / "coadd-1-2-thru3.fits.gz")
    write_labels(tmp_path / "redrock-1-2-thru3.fits", [12], SPECTYPE=["GALAXY"], SUBTYPE=[""],
                 Z=[0.5], ZERR=[1e-4], ZWARN=[4])  # fmt: skip
    write_labels(tmp_path / "QSO_cat_x.fits", [12, 11], Z=[2.0, 3.0])
    stream = read_many(tmp_path, progress=False, labels=True)
    (spectra,) = list(stream)
    meta = spectra.meta.set_index(spectra.ids)
    assert meta.loc["12", ["class", "z", "z_err", "zwarn"]].tolist() == ["GALAXY", 0.5, 1e-4, 4]
    assert meta.loc["11", ["class", "z"]].tolist() == ["QSO", 3.0]
    assert [r["reason"] for r in stream.rejects] == ["no target: OBJTYPE SKY"]


def test_sky_is_told_by_its_number_and_other_grids_are_refused(tmp_path):
    coadd_hdus(objtype=None).writeto(tmp_path / "coadd-0.fits")
    stream = read_many(tmp_path, progress=False)
    assert [len(s) for s in stream] == [2]
    assert [r["id"] for r in stream.rejects] == ["-13"]
    hdus = coadd_hdus()
    hdus["R_WAVELENGTH"].data[:] += 0.3
    hdus.writeto(tmp_path / "coadd-1.fits")
    with pytest.raises(ReadError, match=r"arm R .* multiples of 0\.8"):
        read(tmp_path / "coadd-1.fits")


def test_lines_of_the_normalised_table_are_where_they_should_be(shared_data):
    """The grid of the table is documented, not written in it: stacked emission lines tell."""
    spectra = read(shared_data / "real/desi/edr_normalised.fits")
    assert len(spectra) == 50 and spectra.ivar is None
    assert spectra.wavelength[[0, -1]] == pytest.approx([3600, 9800])
    np.testing.assert_array_equal(np.isnan(spectra.flux), spectra.mask)
    assert np.isfinite(spectra.meta["z"]).all()
    for line in (3729.0, 4862.7, 6564.6):  # vacuum, Å
        rest = np.arange(line - 40, line + 40, 0.4)
        stack = []
        for flux, z in zip(spectra.flux, spectra.meta["z"], strict=True):
            if rest[0] * (1 + z) > 3700 and rest[-1] * (1 + z) < 9700:
                values = np.interp(rest * (1 + z), spectra.wavelength, flux)
                stack.append(values - np.nanmedian(values))
        assert len(stack) > 20
        assert abs(rest[np.argmax(np.nanmean(stack, axis=0))] - line) < 2


def test_exposures_of_a_target_are_averaged_by_inverse_variance(tmp_path):
    hdus = coadd_hdus(target=(11, 12, 11), objtype=("TGT",) * 3)
    hdus[1] = fits.BinTableHDU.from_columns(
        hdus[1].columns + fits.ColDefs([fits.Column("EXPID", "J", array=[1, 1, 2])]),
        name="FIBERMAP",
    )
    for arm in ARMS:
        hdus[f"{arm}_FLUX"].data[2], hdus[f"{arm}_IVAR"].data[2] = 4.0, 3.0
        hdus[f"{arm}_MASK"].data[2, 7] = 1
        hdus[f"{arm}_MASK"].data[:, 9] = 1
    hdus.writeto(tmp_path / "spectra-main-dark-3.fits")
    write_labels(tmp_path / "redrock-main-dark-3.fits", [12], SPECTYPE=["QSO"], SUBTYPE=[""],
                 Z=[1.5], ZERR=[1e-4], ZWARN=[0])  # fmt: skip
    whole = read(tmp_path / "spectra-main-dark-3.fits")
    assert whole.ids.tolist() == ["11", "12"] and whole.meta["exposures"].tolist() == [2, 1]
    assert whole.meta["z"][1] == 1.5 and whole.meta["class"][1] == "QSO"
    assert (whole.flux[0, 20], whole.ivar[0, 20]) == ((1 + 3 * 4) / 4, 4)
    assert (whole.flux[0, 7], whole.ivar[0, 7], whole.ivar[1, 7]) == (1, 1, 1)
    assert whole.mask[:, 9].all() and not whole.ivar[:, 9].any()
    rows = list(read_many(tmp_path / "spectra-main-dark-3.fits", chunk=1, progress=False))
    assert [str(part.ids[0]) for part in rows] == ["11", "12"]
    np.testing.assert_array_equal(rows[1].flux[0], whole.flux[1])


def test_tables_of_redshifts(tmp_path, shared_data):
    real = read_redshifts(shared_data / "real/desi/redrock-4-80613-thru20210324.fits.gz")
    assert real["targetid"].tolist() == ["39633345008634465"] and real["class"][0] == "GALAXY"
    assert real["z"][0] == pytest.approx(0.3687, abs=1e-4) and real["zwarn"][0] == 0
    quasars = read_redshifts(shared_data / "real/desi/QSO_cat_fuji_dark_tile.fits.gz")
    assert len(quasars) == 10 and set(quasars["class"]) == {"QSO"} and quasars["zwarn"].isna().all()
    columns = [fits.Column("TARGETID", "K", array=[5, 5, -7]), fits.Column("Z", "D", array=[1] * 3),
               fits.Column("SURVEY", "4A", array=["sv1", "main", "main"]),
               fits.Column("ZCAT_PRIMARY", "L", array=[False, True, True])]  # fmt: skip
    other = fits.BinTableHDU.from_columns(columns[:2], name="EXTRA")
    table = fits.BinTableHDU.from_columns(columns, name="ZCATALOG")
    fits.HDUList([fits.PrimaryHDU(), other, table]).writeto(tmp_path / "zall-pix.fits")
    zall = read_redshifts(tmp_path / "zall-pix.fits")
    assert zall["targetid"].tolist() == ["5", "5", "-7"] and zall["survey"][1] == "main"
    assert zall["primary"].tolist() == [False, True, True]


@pytest.mark.parametrize("name", ["TARGETID", "Z"])
def test_a_table_of_redshifts_with_arrays_in_its_cells_is_refused(tmp_path, name):
    forms = {"TARGETID": "K", "Z": "D"}
    forms[name] = "2" + forms[name]
    values = {k: np.ones((3, 2) if k == name else 3) for k in forms}
    columns = [fits.Column(k, form, array=values[k]) for k, form in forms.items()]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "zall-pix.fits")
    with pytest.raises(ReadError, match=f"column {name} with arrays"):
        read_redshifts(tmp_path / "zall-pix.fits")
