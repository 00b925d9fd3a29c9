"""Made-up stars whose XP spectra, colours and parallaxes follow from their labels."""

import numpy as np
import pandas as pd
from astropy.table import Table

from rvs_hybrid.stars.sample import COLUMNS, Sample, split_of


def make_sample(n=700, seed=0, with_m_h=False):
    rng = np.random.default_rng(seed)
    wave = np.linspace(-1, 1, 343)
    hot, gravity, metal, alpha = rng.normal(size=(4, n))
    xp = 1 + 0.3 * np.outer(hot, wave) + 0.1 * np.outer(metal, np.sin(9 * wave))
    xp += 0.1 * np.outer(gravity, np.cos(5 * wave)) + 0.05 * np.outer(alpha, np.sin(25 * wave))
    error = np.full_like(xp, 0.01)
    xp = xp + rng.normal(size=xp.shape) * error
    median = np.median(xp, axis=1, keepdims=True)
    g = rng.uniform(9, 14, n)
    stars = pd.DataFrame(index=range(n), columns=list(COLUMNS), dtype=float)
    stars["source_id"] = rng.choice(10**15, n, replace=False) + 10**17
    stars["apogee_id"] = [f"2M{i:016d}" for i in range(n)]
    stars["ra"], stars["dec"] = rng.uniform(0, 360, n), rng.uniform(-80, 80, n)
    stars["g"], stars["bp"], stars["rp"] = g, g + 0.5 - 0.2 * hot, g - 0.5 + 0.2 * hot
    stars["j"], stars["h"], stars["k"], stars["a_k"] = g - 1, g - 1.5, g - 1.6, 0.05
    stars["snr"] = rng.uniform(50, 300, n)
    near = rng.random(n) < 0.5
    stars["parallax"] = np.where(near, 10 ** (0.2 * (2 * gravity + 6 - g) + 1), np.nan)
    stars["parallax_error"] = np.where(near, 0.04, np.nan)
    stars["parallax_zp"] = np.where(near, -0.05, np.nan)
    values = {
        "teff": 5000 + 400 * hot, "logg": 3 + 0.8 * gravity, "fe_h": -0.2 + 0.2 * metal,
        "alpha_m": 0.05 + 0.05 * alpha,
    }  # fmt: skip
    if with_m_h:
        values["m_h"] = values["fe_h"] + 0.01
    for name, value in values.items():
        stars[name], stars[f"{name}_err"] = value, 0.01
    stars["medflux"] = 1e-16
    stars["split"] = split_of(stars["source_id"])
    return Sample(
        stars=stars,
        xp=(xp / median).astype("float32"),
        xp_error=(error / median).astype("float32"),
        counts=pd.DataFrame({"step": ["made"], "rows": [n]}),
    )


def source_table(path, stars, rows, **changes):
    """Write a gaia_source table of some stars."""
    part = stars.iloc[rows]
    table = pd.DataFrame(
        {"source_id": part["source_id"], "ra": part["ra"], "dec": part["dec"],
         "phot_g_mean_mag": part["g"], "phot_bp_mean_mag": part["bp"],
         "phot_rp_mean_mag": part["rp"], "parallax": part["parallax"],
         "parallax_error": part["parallax_error"], "ruwe": 1.0}
    ).assign(**changes)  # fmt: skip
    table.to_csv(path, index=False)
    return path


def write_labelled(folder, n=60):
    """Write Gaia's table and APOGEE's labels of test stars of `make_sample`."""
    stars = make_sample().stars
    stars = stars[stars["split"] == "test"].head(n).reset_index(drop=True)
    source_table(folder / "sources.csv", stars, range(len(stars)))
    labels = {k.upper(): stars[k] for label in ("teff", "logg", "fe_h", "alpha_m")
              for k in (label, f"{label}_err")}  # fmt: skip
    Table(
        {"APOGEE_ID": stars["apogee_id"].astype(str).to_list(),
         "GAIAEDR3_SOURCE_ID": stars["source_id"].to_numpy("int64"), "RA": stars["ra"],
         "DEC": stars["dec"], **labels, "M_H": labels["FE_H"], "M_H_ERR": labels["FE_H_ERR"],
         "SNR": stars["snr"], "J": stars["j"], "H": stars["h"], "K": stars["k"],
         "AK_TARG": stars["a_k"]}
    ).write(folder / "allStar.fits")  # fmt: skip
