"""Made-up stars, files of them, a tiny network trained on them; a made-up table of predictions."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common.accelerator import choose
from rvs_hybrid import data
from rvs_hybrid.config import make_config
from rvs_hybrid.evaluate import calibrations
from rvs_hybrid.stars.sample import COLUMNS, Sample, split_of
from rvs_hybrid.tables import star_group
from rvs_hybrid.train import train

TINY = dict(members=2, epochs=2, xp_units=(32,), fusion=(32,), xp_components=20, batch_size=32)
LABELS = ("teff", "logg", "fe_h", "alpha_m")
SCATTER = {"teff": 60.0, "logg": 0.12, "fe_h": 0.08, "alpha_m": 0.02}
ZERO_POINT = -0.04


def tiny_config(**changes):
    """Return a configuration that trains in seconds."""
    return make_config(**{"scale": "smoke", "most_stars": 0} | TINY | changes)


def make_sample(n=700, seed=0, with_m_h=False):
    """Return stars whose XP spectra, colours and parallaxes follow from their labels."""
    rng = np.random.default_rng(seed)
    wave = np.linspace(-1, 1, 343)
    hot, gravity, metal, alpha = rng.normal(size=(4, n))
    xp = 1 + 0.3 * np.outer(hot, wave) + 0.1 * np.outer(metal, np.sin(9 * wave))
    xp += 0.1 * np.outer(gravity, np.cos(5 * wave)) + 0.05 * np.outer(alpha, np.sin(25 * wave))
    error = np.full_like(xp, 0.01)
    xp = xp + rng.normal(size=xp.shape) * error
    median = np.median(xp, axis=1, keepdims=True)
    g = rng.uniform(9, 14, n)
    stars = pd.DataFrame(index=range(n), columns=list(COLUMNS), dtype=float).assign(
        source_id=rng.choice(10**15, n, replace=False) + 10**17,
        apogee_id=[f"2M{i:016d}" for i in range(n)],
        ra=rng.uniform(0, 360, n), dec=rng.uniform(-80, 80, n),
        g=g, bp=g + 0.5 - 0.2 * hot, rp=g - 0.5 + 0.2 * hot, j=g - 1, h=g - 1.5, k=g - 1.6,
        a_k=0.05, snr=rng.uniform(50, 300, n), medflux=1e-16, teff=5000 + 400 * hot,
        logg=3 + 0.8 * gravity, fe_h=-0.2 + 0.2 * metal, alpha_m=0.05 + 0.05 * alpha,
        **{f"{name}_err": 0.01 for name in LABELS},
    )  # fmt: skip
    if with_m_h:
        stars = stars.assign(m_h=stars["fe_h"] + 0.01, m_h_err=0.01)
    near = rng.random(n) < 0.5
    stars["parallax"] = np.where(near, 10 ** (0.2 * (2 * gravity + 6 - g) + 1), np.nan)
    stars["parallax_error"] = np.where(near, 0.04, np.nan)
    stars["parallax_zp"] = np.where(near, -0.05, np.nan)
    stars["split"] = split_of(stars["source_id"])
    spectra = dict(xp=(xp / median).astype("f4"), xp_error=(error / median).astype("f4"))
    return Sample(stars=stars, counts=pd.DataFrame({"step": ["made"], "rows": [n]}), **spectra)


def source_table(path, stars, rows=slice(None), **changes):
    """Write a gaia_source table of some stars."""
    part = stars.iloc[rows]
    table = part[["source_id", "ra", "dec", "parallax", "parallax_error"]].assign(ruwe=1.0)
    magnitudes = {f"phot_{band}_mean_mag": part[band] for band in ("g", "bp", "rp")}
    table.assign(**magnitudes | changes).to_csv(path, index=False)
    return path


def allstar(path, stars, release="GAIAEDR3", gaia=False):
    """Write APOGEE's table of some stars with [M/H], and with Gaia's magnitudes and parallaxes."""
    labels = [k for name in (*LABELS, "m_h") for k in (name, f"{name}_err")]
    names = ("apogee_id", "ra", "dec", "snr", "j", "h", "k", *labels)
    columns = {name.upper(): stars[name].to_list() for name in names}
    columns |= {f"{release}_SOURCE_ID": stars["source_id"].to_numpy("int64"),
                "AK_TARG": stars["a_k"].to_list()}  # fmt: skip
    if gaia:
        own = {f"phot_{band}_mean_mag": band for band in ("g", "bp", "rp")}
        own |= {name: name for name in ("parallax", "parallax_error")}
        columns |= {f"{release}_{name.upper()}": stars[old].to_list() for name, old in own.items()}
    Table(columns).write(path)


def write_files(folder, n=60, seed=0):
    """Write Gaia's and APOGEE's tables of test stars of `make_sample`."""
    stars = make_sample(seed=seed, with_m_h=True).stars
    stars = stars[stars["split"] == "test"].head(n)
    source_table(folder / "sources.csv", stars)
    allstar(folder / "allStar.fits", stars)


def replace_stars(patch, sample=None):
    """Let trainings take made-up stars in the place of the registry's."""
    patch.setattr(data, "load_sample", lambda *_, **__: sample or make_sample())


def trained(folder, sample=None, *, resume=False, **changes):
    """Train a tiny network on made-up stars; return its predictions."""
    with pytest.MonkeyPatch.context() as patch:
        replace_stars(patch, sample)
        config = tiny_config(**changes)
        return train(config, folder, accelerator=choose("float32"), resume=resume)


def true_m_k(teff, logg, fe_h):
    """The toy's absolute Ks magnitude: what distances are planted with."""
    return 2.5 * logg - 8.2 + 3.0 * (np.log10(teff) - 3.7) - 0.2 * fe_h


def predictions(n=1500, seed=0, dataset="gaia-apogee", offset=0.0, scale=1.0):
    """Return predictions of calib and test stars; true scatter is 1 to 3 times SCATTER x scale.

    Giants are two sequences of [alpha/M] (0.03 and 0.27), a third of them in the upper one. The
    raw errors are half the true scatter and the ensemble's std a quarter of it.
    """
    rng = np.random.default_rng(seed)
    giant = rng.random(n) < 0.7
    logg = np.where(giant, rng.uniform(0.8, 3.2, n), rng.uniform(3.9, 4.7, n))
    teff = np.where(giant, 3900 + 350 * logg, rng.uniform(4200, 6400, n)) + rng.normal(0, 60, n)
    high = rng.random(n) < 1 / 3
    fe_h = np.where(high, rng.normal(-0.45, 0.2, n), rng.normal(-0.1, 0.2, n))
    truth = {"teff": teff, "logg": logg, "fe_h": fe_h,
             "alpha_m": np.where(high, 0.27, 0.03) + rng.normal(0, 0.025, n)}  # fmt: skip
    distance = np.where(giant, rng.uniform(0.2, 1.2, n), rng.uniform(0.05, 0.6, n))
    a_k = rng.uniform(0, 0.3, n)
    k = true_m_k(teff, logg, fe_h) + 5 * np.log10(distance * 100) + a_k
    g = k + 2.5
    error = np.full(n, 0.03)
    has = rng.random(n) < 0.5
    df = pd.DataFrame({
        "source_id": np.arange(n, dtype="int64") * 1000 + 7,
        "split": np.where(rng.random(n) < 0.5, "calib", "test"),
        "ra": rng.uniform(0, 360, n), "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "g": g, "bp": g + 0.5, "rp": g - 0.6, "k": k, "a_k": a_k,
        "snr": rng.uniform(20, 250, n), "snr_rvs": np.nan,
        "parallax": np.where(has, 1 / distance + ZERO_POINT + error * rng.normal(size=n), np.nan),
        "parallax_error": np.where(has, error, np.nan),
        "parallax_zp": np.where(has, ZERO_POINT, np.nan),
        "has_rvs": False, "has_xp": True, "has_phot": True, "has_parallax": has,
        "limit_distance": 0.1, "outside_limits": rng.random(n) < 0.02, "dataset": dataset,
        "planted_distance": distance,
    })  # fmt: skip
    for label in LABELS:
        width = SCATTER[label] * scale * rng.uniform(1, 3, n)
        df[f"{label}_true"] = truth[label]
        df[f"{label}_true_err"] = 0.2 * SCATTER[label]
        df[f"{label}_pred"] = truth[label] + width * rng.normal(size=n) + offset * SCATTER[label]
        df[f"{label}_ensemble"] = width / 4
        df[f"{label}_aleatoric"] = width * np.sqrt(3) / 4
        df[f"{label}_raw"] = width / 2
        df[f"{label}_pred_precursor"] = df[f"{label}_pred"]
        df[f"{label}_ensemble_precursor"] = width / 5
    group = star_group(df["logg_pred"])
    for label, fitted in calibrations({}, df).items():
        df[f"{label}_sigma"] = fitted.apply(sigma=df[f"{label}_raw"], group=group)
    return df
