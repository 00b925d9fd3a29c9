"""Predictions of solar-like stars of known quality: a made-up Galaxy, network and Gaia."""

import numpy as np
import pandas as pd

from solarlike_distance.tables import gradients

SIGMA = {"teff": 90.0, "logg": 0.08, "feh": 0.07, "mg": 0.2, "bprp": 0.03}  # of the network
SHRINK = 0.9  # of predicted [Fe/H] about its middle
BINARIES = 0.2
RADIAL, VERTICAL = -0.05, -0.18  # dex/kpc


def made_up(n=1500, seed=0, split="test"):
    """Return a table as predictions.parquet of a mock run."""
    rng = np.random.default_rng(seed)
    d = np.clip(rng.gamma(2.2, 380.0, n), 60, 4000)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-0.15, 0.9, n)))
    where = gradients.positions(ra=ra, dec=dec, distance=d)
    feh = RADIAL * (where["R"] - 8.1) + VERTICAL * where["Z"].abs() + rng.normal(0, 0.18, n)
    feh = np.clip(feh, -0.99, 0.6).to_numpy()
    teff = np.clip(rng.normal(5650, 380, n), 4810, 6790)
    logg = np.clip(4.45 - 0.35 * ((teff - 4800) / 2000) - rng.exponential(0.1, n), 3.6, 4.8)
    bprp = 0.82 - (teff - 5772) / 3600 + 0.03 * feh
    single = 4.66 + 6.2 * (bprp - 0.82) - 0.6 * feh - 1.8 * (4.44 - logg)
    binary = rng.random(n) < BINARIES
    mg = single - 0.55 * binary * rng.random(n)
    ag = rng.exponential(0.15, n)
    snr = 10 + rng.exponential(45, n)
    first = rng.normal(size=n)
    noise = {k: rng.normal(size=n) for k in SIGMA}
    noise["mg"] = 0.5 * first + np.sqrt(0.75) * noise["mg"]
    noise["feh"] = 0.5 * first + np.sqrt(0.75) * noise["feh"]
    true = {"teff": teff, "logg": logg, "feh": feh, "mg": mg, "bprp": bprp}
    pred = {k: true[k] + SIGMA[k] * noise[k] * np.sqrt(60 / (snr + 20)) for k in true}
    pred["mg"] = single - 0.08 + SIGMA["mg"] * noise["mg"]  # a network knows of no companions
    pred["feh"] = -0.05 + SHRINK * (pred["feh"] + 0.05)
    g = mg + ag + 5 * np.log10(d) - 5
    mode = 10 ** ((g - ag - pred["mg"] + 5) / 5)
    width = 0.255 * np.log(10) / 5
    error = 0.02 + 0.02 * rng.exponential(1, n)
    df = pd.DataFrame({
        "id": [f"{seed + 1}{i:06d}" for i in range(n)],
        "object": [f"{split}-{i}" for i in range(n)],
        "split": split, "fold": -1 if split == "test" else np.arange(n) % 5, "mock": True,
        "dataset": "lamost-mock", "survey": "lamost", "ra": ra, "dec": dec, "snr_g": snr,
        "snr_r": 1.3 * snr, "z": 1e-4, "flag": 0,
        "source_id": [str(10**17 + 10**6 * seed + i) for i in range(n)],
        "APOGEE_ID": [f"2M{seed:03d}{i:06d}" for i in range(n)],
        **{f"{k}_true": v for k, v in true.items()}, **{f"{k}_planted": v for k, v in true.items()},
        **{f"{k}_pred": v for k, v in pred.items()},
        **{f"{k}_sigma": s * np.sqrt(60 / (snr + 20)) for k, s in SIGMA.items()},
        "distance_true": d * (1 + 0.01 * rng.normal(size=n)), "distance_planted": d,
        "distance_pred": mode, "distance_p50": mode * np.exp(width**2),
        "distance_p16": mode * np.exp(width**2 - width),
        "distance_p84": mode * np.exp(width**2 + width), "binary": binary,
        "lasp_teff": teff + rng.normal(0, 100, n), "lasp_logg": logg + rng.normal(0, 0.15, n),
        "lasp_feh": feh + rng.normal(0, 0.1, n), "phot_g_mean_mag": g,
        "bp_rp": bprp + 0.53 * ag, "ag_gspphot": ag, "parallax_error": error,
        "parallax": 1000 / d - 0.04 + rng.normal(0, error), "parallax_zeropoint": -0.04,
        "r_med_geo": d, "distance_gspphot": d * (0.98 - 0.08 * (d / 1500)) * (
            1 + 0.03 * rng.normal(size=n)),
    })  # fmt: skip
    df["mg_sigma"] = 0.27
    df["parallax_over_error"] = df["parallax"] / df["parallax_error"]
    df["r_med_geo"] = df["distance_true"]
    gone = rng.random(n) < 0.04
    df.loc[gone, ["parallax", "parallax_error", "parallax_over_error"]] = np.nan
    df.loc[rng.random(n) < 0.1 + 0.5 * gone, "distance_gspphot"] = np.nan
    return df
