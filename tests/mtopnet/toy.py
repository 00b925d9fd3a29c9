"""Made-up predictions of known quality: narrow peaks, catastrophic double peaks, flat PDFs."""

import numpy as np
import pandas as pd

from mtopnet import pdf as pdfs

EDGES = np.linspace(0.6, 3.0, 801)
RIGHT = {2.0: 0.77, 4.0: 0.84, 8.0: 0.90}  # fraction right at each exposure time, as planted
MU, SIGMA = {"lgm": 0.02, "sfr": -0.005}, {"lgm": 0.15, "sfr": 0.22}
FAINT = 25.0  # mag: beyond it most fail


def galaxies(n, seed=0):
    """Return what the galaxies are, DataFrame of n rows."""
    rng = np.random.default_rng(seed)
    mass = 8.5 + rng.gamma(3.0, 0.35, n)
    passive = rng.random(n) < np.clip(0.5 * (mass - 9.5), 0, 0.7)
    sfr = 0.8 * (mass - 9.5) + 0.4 + 0.3 * rng.normal(size=n) - 1.8 * passive
    z = 0.7 + np.minimum(rng.gamma(2.0, 0.45, n), 2.25)
    m_h = 23.4 - 1.7 * (mass - 9.5) + 1.2 * (z - 1) + 0.5 * rng.normal(size=n)
    f_ha = 10 ** (-17 + sfr - 0.4 - 1.1 * (z - 1) + 0.2 * rng.normal(size=n))
    return pd.DataFrame({
        "galaxy": [f"G{i:05d}" for i in range(n)], "z_true": z, "lgm_true": mass, "sfr_true": sfr,
        "m_h": m_h, "f_ha": f_ha, "f_oiii": f_ha * 10 ** (0.3 * rng.normal(size=n)),
        "kind": np.where(passive, "quiescent", "star-forming"),
        "sersic_n": np.where(passive, 4.0, 1.0),
    })  # fmt: skip


def predictions(n=700, *, seed=0, split="test", finer=1, right=None):
    """Return predictions of n galaxies at 2, 4 and 8 h, and their PDFs.

    Returns
    -------
    DataFrame of 3 n rows
        As predictions.parquet; `planted` says which PDFs were made right.
    ndarray of shape (3 n, 800 * finer), float32
    """
    rng = np.random.default_rng(seed + 1000)
    what = galaxies(n, seed)
    parts = [what.assign(exposure=h, id=what["galaxy"] + f"-{h:g}h") for h in RIGHT]
    df = pd.concat(parts, ignore_index=True).assign(split=split)
    edges = np.linspace(0.6, 3.0, 800 * finer + 1)
    faint = 2.0 * (FAINT - df["m_h"]) + np.log10(df["f_ha"]) + 17
    order = faint.groupby(df["exposure"]).rank(pct=True).to_numpy() + 0.25 * rng.normal(size=3 * n)
    share = df["exposure"].map(right or RIGHT).to_numpy()
    rank = pd.Series(order).groupby(df["exposure"]).rank(pct=True).to_numpy()
    df["planted"] = rank > 1 - share + 1e-9
    pdf = _pdfs(df, edges, rng)
    df = df.assign(**pdfs.summary(pdf, edges))
    mc = pdfs.summary(_averaged(df, pdf, edges, rng), edges)
    for name in ("z_peak", "entropy", "skewness", "p_near"):
        df[f"{name}_mc"] = mc[name]
    for name in ("lgm", "sfr"):
        df[f"{name}_pred"] = df[f"{name}_true"] + MU[name] + SIGMA[name] * rng.normal(size=3 * n)
        df[f"{name}_sigma"] = SIGMA[name]
    df["dataset"] = "moons-mock"
    return df, pdf.astype("float32")


def _pdfs(df, edges, rng):
    n, z = len(df), df["z_true"].to_numpy()
    middle = pdfs.centres(edges)
    wrong = 0.6 + 2.4 * rng.random(n)
    wrong = np.where(np.abs(wrong - z) < 0.02, np.where(z > 1.8, z - 0.6, z + 0.6), wrong)
    sure = rng.random(n)
    first = np.where(df["planted"], z, wrong)
    # Confidence is not perfect: a few wrong peaks are narrow, a few right ones broad.
    narrow = np.where(df["planted"], sure < 0.93, sure < 0.08)
    width = np.where(narrow, 0.0012, 0.012)
    weight = np.where(narrow, 1 - 0.12 * rng.random(n), 0.1 + 0.35 * rng.random(n))
    pdf = weight[:, None] * _bells(first, width, middle)
    second = np.where(df["planted"], wrong, np.where(rng.random(n) < 0.4, z, 4.0))
    pdf += (0.4 * (1 - weight))[:, None] * _bells(second, width, middle)
    flat = rng.gamma(0.3, size=(n, len(middle)))
    pdf += (0.6 * (1 - weight))[:, None] * flat / flat.sum(axis=1, keepdims=True)
    # The highest bin is the planted one, whatever the noise of the flat part.
    rows, at = np.arange(n), np.clip(np.searchsorted(edges, first, side="right") - 1, 0, None)
    pdf[rows, at] = np.maximum(pdf[rows, at], 1.05 * pdf.max(axis=1))
    return pdf / pdf.sum(axis=1, keepdims=True)


def _averaged(df, pdf, edges, rng):
    """MC dropout's averages: a little flatter; a tenth of the broad ones turn to the truth."""
    turned = (df["entropy"].to_numpy() > 2) & (rng.random(len(df)) < 0.1)
    truth = _bells(df["z_true"].to_numpy(), np.full(len(df), 0.003), pdfs.centres(edges))
    mixed = 0.95 * pdf + 0.05 / pdf.shape[1] + turned[:, None] * 0.5 * truth
    return mixed / mixed.sum(axis=1, keepdims=True)


def _bells(z, width, middle):
    value = np.exp(-0.5 * ((middle[None] - z[:, None]) / width[:, None]) ** 2)
    total = value.sum(axis=1, keepdims=True)
    return value / np.where(total > 0, total, 1)
