"""LAMOST's files of every release: layouts, masks, header quantities, marks of missing values."""

import numpy as np
import pandas as pd
import pytest

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys import read, read_many
from common.surveys.lamost_catalogue import observation_key, read_star_catalogue
from tests.solarlike_distance import toy

DR1 = "Flux Inverse Subcontinuum Andmask Ormask"


@pytest.fixture(scope="module")
def about():
    return toy.stars(3)


def test_every_real_file_agrees_with_the_index_and_has_both_masks(shared_data):
    stream = read_many(shared_data / "real/lamost/spec", progress=False, duplicates="keep")
    tables = []
    for batch in stream:
        for own, other in zip(batch.mask, batch.or_mask, strict=True):
            assert not np.any(own & ~other)  # what all exposures flag, one of them flags
        some = [int(mask.sum()) for mask in batch.or_mask]
        first = [batch.wavelength_of(i)[0] for i in range(len(batch))]
        tables.append(batch.meta.assign(id=batch.ids, or_masked=some, first=first))
    table = pd.concat(tables, ignore_index=True)
    index = pd.read_csv(shared_data / "real/lamost/index.csv")
    assert len(table) == len(index) == 256 and stream.rejects == []
    table.index = "spec/" + table["file"].str.rsplit("/", n=1).str[1]
    index = index.set_index("file").loc[table.index]
    assert (table["or_masked"] > 100).any()
    grid = index["w0"] > 0  # the index took one DR1 file's third row, a continuum, for wavelengths
    assert grid.sum() >= 255
    np.testing.assert_allclose(table["first"][grid], index["w0"][grid], rtol=1e-4)
    assert ((table["class"] == index["cls"]) | index["cls"].isna()).all()
    for name in ("lmjd", "spid", "fiberid"):
        known = table[name].notna()
        assert known.sum() >= 255 and (table[name] == index[name])[known].all()
    assert (table["planid"] == index["planid"]).all()
    known = index["z"] > -1
    np.testing.assert_allclose(table["z"][known], index["z"][known])
    assert table["z"][~known].isna().all()
    np.testing.assert_allclose(table["helio_rv"], index["hdr_rv"])
    has_obsid = index["obsid"].notna()
    assert (table["id"][has_obsid] == index["obsid"][has_obsid].astype(int).astype(str)).all()
    assert (table["release"] == index["release"].fillna("")).all()
    # The files of DR1 to DR3 are found in a catalogue by night, plan, spectrograph and fibre.
    catalogue = read_star_catalogue(shared_data / "real/lamost/index.csv")
    keys = observation_key(*(table[n] for n in ("lmjd", "planid", "spid", "fiberid")))
    labelled = catalogue[catalogue["teff"].notna()]
    assert len(labelled) == 67 and set(labelled["key"]) <= set(keys)


def test_medium_resolution_and_an_image_without_a_grid_are_refused(shared_data, tmp_path, about):
    path = next((shared_data / "real/lamost_mrs").iterdir())
    with pytest.raises(ReadError, match=f"{path.name}.*medium-resolution.*low-resolution"):
        read(path)
    path = toy.write_image(tmp_path / "a.fits", about, 0, third=np.ones(toy.PIXELS), exten0=DR1,
                           COEFF0=None)  # fmt: skip
    with pytest.raises(ReadError, match="COEFF0"):
        read(path)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"third": np.full(toy.PIXELS, 200.0), "exten0": DR1},
        {"third": np.full(toy.PIXELS, 200.0)},  # a header that does not say what the rows are
        {"third": np.full(toy.PIXELS, 200.0), "exten0": DR1, "COEFF0": None,
         "CRVAL1": toy.COEFF0, "CD1_1": 1e-4, "CRPIX1": 1},
    ],
    ids=["DR5", "DR1", "unsaid", "CRVAL1"],
)  # fmt: skip
def test_images_of_every_kind_have_the_same_grid(tmp_path, about, changes):
    flags = np.zeros(toy.PIXELS)
    flags[10:20] = 4
    one = read(toy.write_image(tmp_path / "a.fits", about, 1, or_mask=flags, **changes))
    np.testing.assert_allclose(one.wavelength_of(0), toy.WAVE, rtol=1e-6)
    assert one.medium == "vacuum" and one.frame == "heliocentric"
    assert one.or_mask[0].sum() == 10 and one.mask[0].sum() == 0
    row = one.meta.iloc[0]
    assert (one.ids[0], row["planid"], row["lmjd"], row["fiberid"]) == ("1001", "F1", 57000, 2)
    assert row["fibermask"] == 0 and row["z_from"] == "LASP" and np.isnan(row["lasp_teff"])


def test_tables_of_one_and_of_many(tmp_path, about):
    one = read(toy.write_table(tmp_path / "one.fits", {k: v[:1] for k, v in about.items()},
                               many=False, TEFF=5777.0, TEFF_ERR=30.0, RV=-9999.0))  # fmt: skip
    assert one.ids[0] == "1000" and one.meta["lasp_teff"][0] == 5777 and one.or_mask is not None
    assert one.meta["lasp_teff_err"][0] == 30 and np.isnan(one.meta["lasp_rv"][0])
    many = read(toy.write_table(tmp_path / "many.fits", about))
    assert list(many.ids) == ["1000", "1001", "1002"]
    np.testing.assert_allclose(many.meta["snr_g"], about["snr"])
    assert many.or_mask.shape == many.flux.shape
    bare = read(toy.write_table(tmp_path / "bare.fits", about, ormask=False))
    assert bare.or_mask is None


def test_what_else_a_header_says(tmp_path, about):
    def one(name, **cards):
        return read(toy.write_image(tmp_path / name, about, 0, **cards))

    assert one("a.fits", VACUUM=False).medium == "air"
    plain = one("b.fits", HELIO=True, HELIO_RV=25.0)
    moved = one("c.fits", HELIO=False, HELIO_RV=25.0)
    assert plain.frame == moved.frame == "heliocentric"
    ratio = moved.wavelength_of(0) / plain.wavelength_of(0)
    np.testing.assert_allclose((ratio - 1) * 299_792.458, 25.0, atol=1e-6)
    for velocity in (None, -9999.0, 99.0):
        with pytest.raises(ReadError, match=r"telescope \(HELIO = F\) and no HELIO_RV"):
            one(f"d{velocity}.fits", HELIO=False, HELIO_RV=velocity)
    for i, z in enumerate((-9999.0, 999.0, None)):  # marks of a missing redshift
        assert np.isnan(one(f"{i}.fits", Z=z).meta["z"][0])


def test_or_mask_goes_along(tmp_path, about):
    flags = np.zeros(toy.PIXELS)
    flags[:7] = 1
    first = read(toy.write_image(tmp_path / "a.fits", about, 0, or_mask=flags))
    second = read(toy.write_image(tmp_path / "b.fits", about, 1))
    both = Spectra.concatenate([first, second])
    assert [int(m.sum()) for m in both.or_mask] == [7, 0]
    assert int(both[np.array([1, 0])].or_mask[1].sum()) == 7
    # One with and one without cannot stand in one batch: no mask may be lost.
    toy.write_table(tmp_path / "c.fits", {k: v[2:] for k, v in about.items()}, ormask=False)
    batches = list(read_many(sorted(tmp_path.glob("*.fits")), progress=False))
    assert [b.or_mask is None for b in batches] == [False, True]


@pytest.mark.parametrize(
    ("names", "separator"),
    [
        ("obsid ra_obs dec_obs z snrg class teff teff_err logg logg_err feh feh_err rv rv_err",
         "|"),
        ("ObsID RAJ2000 DEJ2000 z snrg Class Teff e_Teff logg e_logg [Fe/H] e_[Fe/H] HRV e_HRV",
         ","),
    ],
    ids=["DR5", "VizieR"],
)  # fmt: skip
def test_star_catalogues_of_several_releases(tmp_path, names, separator):
    values = ["101", "10.5", "41.2", "1e-4", "33", "STAR", "5800", "40", "4.4", "0.05", "-0.1",
              "0.04", "12.5", "-9999"]  # fmt: skip
    path = tmp_path / "dr5_stellar.csv"
    path.write_text(f"{names.replace(' ', separator)}\n{separator.join(values)}\n")
    row = read_star_catalogue(path).iloc[0]
    assert (row["id"], row["ra"], row["teff"], row["teff_err"]) == ("101", 10.5, 5800, 40)
    assert (row["feh"], row["feh_err"], row["rv"], row["snr_g"]) == (-0.1, 0.04, 12.5, 33)
    assert np.isnan(row["rv_err"]) and row["key"] == "" and row["gaia_source_id"] is pd.NA


def test_star_catalogues_with_ids_of_gaia_and_without_parameters(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("obsid,teff,logg,feh,gaia_source_id\n1,5800,4.4,0,604907352411136769\n"
                    "2,5800,4.4,0,-9999\n3,5800,4.4,0,\n")  # fmt: skip
    found = read_star_catalogue(path)["gaia_source_id"]  # they keep their digits
    assert found[0] == 604907352411136769 and found[1:].isna().all()
    for text, lacks in (("obsid,ra,dec\n1,2,3\n", "teff"), ("teff,logg,feh\n1,2,3\n", "obsid")):
        path.write_text(text)
        with pytest.raises(ReadError, match=lacks):
            read_star_catalogue(path)
