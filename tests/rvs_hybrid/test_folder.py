"""A folder of the user's own training stars."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common.errors import MissingDataError
from common.surveys.gaia_rvs import N_PIXELS, write_rvs
from rvs_hybrid.stars import sample
from rvs_hybrid.stars.folder import read_folder

IDS = np.array([5853418002145112705, 508436480459671680, 2131314401800665344, 77], dtype="int64")
RA, DEC = np.array([10.0, 20.0, 30.0, 40.0]), np.array([-5.0, 5.0, 85.0, 0.0])

needs_gaiaxpy = pytest.mark.skipif(
    importlib.util.find_spec("gaiaxpy") is None, reason="GaiaXPy (extra gaia) is not installed"
)


def allstar(path, ids=IDS[[2, 0, 1]], release="GAIAEDR3", ra=None, dec=None):
    """Three stars; of the third no [Fe/H]."""
    rows = [int(np.flatnonzero(i == IDS)[0]) if i in IDS else 0 for i in ids]
    Table({
        "APOGEE_ID": [f"2M{k:08d}+{k:07d}" for k in range(len(ids))],
        f"{release}_SOURCE_ID": ids,
        "RA": RA[rows] if ra is None else ra, "DEC": DEC[rows] if dec is None else dec,
        "TEFF": np.float32(4000.0) + 100 * np.array(rows, "f4"), "TEFF_ERR": np.full(len(ids), 9.0),
        "LOGG": np.full(len(ids), 2.0), "LOGG_ERR": np.full(len(ids), 0.1),
        "M_H": np.full(len(ids), -0.1), "M_H_ERR": np.full(len(ids), 0.01),
        "ALPHA_M": np.full(len(ids), 0.1), "ALPHA_M_ERR": np.full(len(ids), 0.01),
        "FE_H": [-0.1, -0.2, -9999.99], "FE_H_ERR": [0.01, 0.01, -9999.99],
        "SNR": [100.0, 200.0, 300.0], "J": [9.0, 10.0, 99.99], "H": [9.0, 10.0, 9.5],
        "K": [9.0, 10.0, 9.4], "AK_TARG": [0.1, -85.0, 0.2],
    }).write(path)  # fmt: skip


def gaia_source(path, rows=(0, 1, 2, 3), **change):
    rows = list(rows)
    columns = dict(
        source_id=IDS[rows], ra=RA[rows], dec=DEC[rows], parallax=[1.0, -0.2, 3.0, 4.0],
        phot_g_mean_mag=12.0, phot_bp_mean_mag=12.5, phot_rp_mean_mag=11.5,
        parallax_error=0.05, ruwe=1.1, pmra=0.0, pmdec=0.0, ref_epoch=2016.0,
    )  # fmt: skip
    pd.DataFrame(columns | change).to_csv(path, index=False)


def xp(path, rows=(0, 1, 2, 3)):
    from common.surveys.gaia_xp import N_COEFFICIENTS

    rng = np.random.default_rng(0)
    columns = {"source_id": IDS[list(rows)]}
    for band in ("bp", "rp"):
        for i in range(N_COEFFICIENTS):
            size = 500.0 if i == 0 else 100.0 / (i + 1) ** 2
            noise = rng.normal(size=len(rows))
            columns[f"{band}_coeff_{i}"] = size * (1 + 0.1 * noise)
            columns[f"e_{band}_coeff_{i}"] = np.full(len(rows), 0.1)
    pd.DataFrame(columns).to_csv(path, index=False)


@needs_gaiaxpy
def test_everything_is_joined_by_source_id(tmp_path, capsys):
    allstar(tmp_path / "allStar-dr17.fits")
    gaia_source(tmp_path / "gaia_source.csv")
    xp(tmp_path / "xp.csv", rows=(0, 2, 3))
    flux = np.full((1, N_PIXELS), 0.9)
    write_rvs(tmp_path / "rvs.fits", source_id=IDS[:1], flux=flux, flux_error=flux / 50)
    found = read_folder(tmp_path)
    stars = found.stars.set_index("source_id")
    assert list(found.stars.columns) == list(sample.COLUMNS)
    assert set(stars.index) == set(IDS[:3].tolist())  # the fourth has no labels
    for i in range(3):
        assert stars.loc[IDS[i], "teff"] == 4000 + 100 * i
    assert stars.loc[IDS[0], "m_h"] == -0.1 and stars.loc[IDS[1], "parallax"] == -0.2
    assert np.isnan(stars.loc[IDS[1], "fe_h"]) and np.isnan(stars.loc[IDS[0], "a_k"])
    assert np.isnan(stars.loc[IDS[1], "j"]) and stars.loc[IDS[1], "k"] == pytest.approx(9.4)
    place = {int(s): i for i, s in enumerate(found.stars["source_id"])}
    assert np.isfinite(found.xp[place[int(IDS[2])]]).all()
    assert np.isnan(found.xp[place[int(IDS[1])]]).all()
    np.testing.assert_allclose(found.rvs[place[int(IDS[0])]], 0.9, rtol=1e-6)
    assert np.isnan(found.rvs[place[int(IDS[2])]]).all()
    counts = dict(found.counts.itertuples(index=False))
    assert counts["stars in both (by source_id)"] == 3
    assert counts["of them with XP spectrum"] == 2 and counts["of them with RVS spectrum"] == 1
    assert "stars in both" in capsys.readouterr().out
    usable, _ = sample.quality(found.stars, found.xp, labels=("teff", "logg", "m_h"))
    assert usable.sum() == 2


@needs_gaiaxpy
def test_older_releases_are_joined_by_position_with_proper_motion(tmp_path):
    # DR2's identifiers mean nothing here; one star has moved by 3.2 arcsec since 2MASS saw it
    moved = DEC[[2, 0, 1]] - np.array([3.2, 0.0, 0.0]) / 3600
    allstar(tmp_path / "allStar.fits", ids=np.array([1, 2, 77]), release="GAIA",
            ra=RA[[2, 0, 1]], dec=moved)  # fmt: skip
    gaia_source(tmp_path / "source.csv", pmdec=[0.0, 0.0, 200.0, 0.0])
    xp(tmp_path / "xp.csv")
    found = read_folder(tmp_path)
    stars = found.stars.set_index("source_id")
    assert set(stars.index) == set(IDS[:3].tolist())
    np.testing.assert_allclose(stars.loc[IDS[:3], "snr"], [200, 300, 100])
    counts = dict(found.counts.itertuples(index=False))
    assert counts["stars in both (by position)"] == 3


def test_a_folder_that_lacks_something_says_what(tmp_path):
    gaia_source(tmp_path / "source.csv")
    with pytest.raises(MissingDataError, match=r"allStar.* are missing; found .*gaia_source"):
        read_folder(tmp_path)
    allstar(tmp_path / "allStar.fits")
    with pytest.raises(MissingDataError, match=r"XP continuous coefficients"):
        read_folder(tmp_path)


@needs_gaiaxpy
def test_stars_without_a_common_source_are_told(tmp_path):
    allstar(tmp_path / "allStar.fits", ids=np.array([1, 2, 3]))
    xp(tmp_path / "xp.csv")
    with pytest.raises(MissingDataError, match="none of the 3 stars"):
        read_folder(tmp_path)
