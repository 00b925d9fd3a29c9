"""What the paper prints, by the names that tables and figures know it by; kept in claims.toml."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from common.claims import load

CLAIMS = Path(__file__).with_name("claims.toml")
FITS = {"z": "z", "log M": "mass", "log SFR": "sfr"}  # Fig. 4
SUCCESS = {"8 h": "8h", "MOONRISE-like": "moonrise", "F(Hα) > 1e-17": "bright"}  # Fig. 7
SCREENED = ("2 h", "8 h")  # Sect. 5.2
MAGNITUDES = ("mag-2h-21.5", "mag-bright-26", "mag-8h-26")  # Fig. 8: those at one magnitude


@lru_cache(maxsize=1)
def _claims():
    return {claim.id: claim for claim in load(CLAIMS)}


def value(claim):
    """Return the published number of a claim, by its id."""
    return _claims()[claim].published


def fit(quantity):
    """Return mu and sigma of the residuals of "z", "log M" or "log SFR" (Fig. 4)."""
    name = FITS[quantity]
    return value(f"{name}-mu"), value(f"{name}-sigma")


def success(sample):
    """Return the fractions with |dz| < 0.003 and < 0.1 of a sample of Fig. 7, NaN of others."""
    name = SUCCESS.get(sample)
    return (np.nan, np.nan) if name is None else (value(f"{name}-0.003"), value(f"{name}-0.1"))


def screening(sample):
    """Return success before and after the cut on entropy, and what it drops; NaN of others."""
    if sample not in SCREENED:
        return (np.nan,) * 3
    hours = sample.replace(" ", "")
    return tuple(value(f"{name}-{hours}") for name in ("before", "after", "dropped"))


def at_magnitudes():
    """Return (sample, middle of its bin of m_H, fraction) of the numbers of Fig. 8."""
    out = []
    for name in MAGNITUDES:
        claim = _claims()[name]
        how = claim.measure
        out.append((how["sample"], (how["low"] + how["high"]) / 2, claim.published))
    return out
