"""Absolute magnitudes, colours and extinction of the mock's stars, from real dwarfs.

The relations are fitted when the mock is made, on the stars of `common.surveys.apogee_xp`: APOGEE
labels, Gaia magnitudes and parallaxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.metrics import mad_sigma
from common.surveys import apogee_xp

# Extinction in units of A(V) (PARSEC's for R(V) = 3.1; the released code has the same numbers).
A_G, A_BP, A_RP = 0.83627, 1.08337, 0.63439
PER_COLOUR = A_G / (A_BP - A_RP)  # A_G / E(BP-RP)
E_BV = 1 / (3.1 * (A_BP - A_RP))  # E(B-V) / E(BP-RP)
NEAR = 0.5  # kpc: stars that the relations are fitted on; their dust grows with distance
PARALLAX_SNR = 20.0
DWARFS = (4100.0, 7100.0)  # K
FIT_ROUNDS = 12
GIANT = 3.6  # log g below which the relations are not used
LEAST_SIGMA = 0.03  # mag: colours are not known better, given errors of Teff


def read_stars(*, offline=False, progress=False):
    """Return real stars with APOGEE labels, magnitudes and, where there is one, a parallax.

    Parameters
    ----------
    offline, progress : bool
        Never touch the network; say what is fetched.

    Returns
    -------
    DataFrame
        source_id, g, bp, rp (mag), teff (K), logg, fe_h (dex), parallax, parallax_error,
        parallax_zp (mas); NaN where missing.

    Raises
    ------
    MissingDataError
        If an archive is neither cached nor fetchable.
    """
    library, catalogue = apogee_xp.paths(offline=offline, progress=progress)
    stars, _, _ = apogee_xp.read_library(library)
    stars, _ = apogee_xp.possible(stars)
    stars = stars.loc[apogee_xp.best_rows(stars)].reset_index(drop=True)
    stars["ra"], stars["dec"] = apogee_xp.position_of(stars["apogee_id"])
    stars, _ = apogee_xp.join_parallaxes(stars, apogee_xp.read_parallaxes(catalogue))
    known = stars[["teff", "logg", "fe_h", "g", "bp", "rp"]].notna().all(axis=1)
    names = ["source_id", "g", "bp", "rp", "teff", "logg", "fe_h"]
    names += ["parallax", "parallax_error", "parallax_zp"]
    return stars.loc[known, names].reset_index(drop=True)


def is_dwarf(*, teff, logg):
    """Return a mask of dwarfs and subgiants (Table 1's border, 0.1 dex wider)."""
    return logg > 5.88 - 0.00035 * teff


def _terms(*, teff, logg, feh):
    t, g, m = 5040 / teff - 0.87, logg - 4.3, feh
    return np.stack([t**0, t, g, m, t * t, t * g, t * m, g * g, g * m, m * m, t**3], axis=1)


def _colour_terms(*, colour, logg, feh):
    c, g, m = colour - 0.85, logg - 4.3, feh
    return np.stack([c**0, c, g, m, c * c, c * g, c * m, g * g, g * m, m * m, c**3], axis=1)


def _robust(terms, values, *, above=2.5, below=2.5):
    """Fit values by terms, dropping outliers; return coefficients, sigma and what was kept.

    Stars `above` or `below` the fit by as many robust sigma are dropped: dust only reddens, and
    companions only brighten.
    """
    keep = np.ones(len(values), dtype=bool)
    for _ in range(FIT_ROUNDS):
        fitted = np.linalg.lstsq(terms[keep], values[keep], rcond=None)[0]
        away = values - terms @ fitted
        sigma = max(mad_sigma(away[keep]), LEAST_SIGMA)
        keep = (away < above * sigma) & (away > -below * sigma)
    return fitted, float(sigma), keep


@dataclass(frozen=True)
class Relations:
    """(BP-RP)_0 of (Teff, log g, [Fe/H]) and M_G of ((BP-RP)_0, log g, [Fe/H]).

    Attributes
    ----------
    colour_fit, magnitude_fit : ndarrays of shape (11,)
    bands : ndarray of shape (4,)
        G - RP as a cubic of BP - RP, highest power first.
    colour_sigma, magnitude_sigma : float
        Robust scatter in mag of the stars kept, errors of labels and parallaxes included.
    dust : float
        E(BP-RP) in mag a kpc near the Sun.
    sequence : ndarray of shape (n, 2)
        Teff and log g of unevolved dwarfs.
    n_stars : int
        Stars that M_G was fitted on.
    """

    colour_fit: np.ndarray
    magnitude_fit: np.ndarray
    bands: np.ndarray
    colour_sigma: float
    magnitude_sigma: float
    dust: float
    sequence: np.ndarray
    n_stars: int

    def colour(self, *, teff, logg, feh):
        """Return (BP-RP)_0 in mag, ndarray of shape (n,)."""
        return _terms(teff=teff, logg=logg, feh=np.clip(feh, -1.5, 0.5)) @ self.colour_fit

    def magnitude(self, *, colour, logg, feh):
        """Return M_G in mag, ndarray of shape (n,)."""
        terms = _colour_terms(colour=colour, logg=logg, feh=np.clip(feh, -1.5, 0.5))
        return terms @ self.magnitude_fit

    def magnitudes(self, *, teff, logg, feh):
        """Return M_G and (BP-RP)_0 of single stars in mag, two ndarrays of shape (n,).

        The relations hold for dwarfs and subgiants. Giants, which Table 1 cuts out, get the
        magnitude of 1.2 solar masses of their gravity.
        """
        near = np.maximum(logg, GIANT)
        colour = self.colour(teff=teff, logg=near, feh=feh)
        magnitude = self.magnitude(colour=colour, logg=near, feh=feh)
        giant = 4.6 + 2.5 * (logg - 4.44) - 10 * np.log10(teff / 5772) - 2.5 * np.log10(1.2)
        return np.where(logg < GIANT, giant, magnitude), colour

    def bp_rp_of(self, *, g, colour):
        """Return BP and RP of G and BP - RP, two ndarrays of shape (n,)."""
        rp = g - np.polyval(self.bands, colour)
        return rp + colour, rp

    def companions(self, *, magnitude, feh):
        """Return labels of unevolved dwarfs of given M_G.

        Parameters
        ----------
        magnitude, feh : ndarray of shape (n,)
            M_G in mag, down to the faintest that the relation knows; [Fe/H].

        Returns
        -------
        dict of str to ndarray of shape (n,)
            teff (K), logg, feh (dex).
        """
        teff, logg = self.sequence.T
        steps = np.round(np.clip(feh, -1.2, 0.4), 1)
        out = np.empty(len(magnitude))
        for step in np.unique(steps):
            along, _ = self.magnitudes(teff=teff, logg=logg, feh=np.full(len(teff), step))
            along = np.minimum.accumulate(along)  # brighter with Teff
            rows = steps == step
            out[rows] = np.interp(magnitude[rows], along[::-1], teff[::-1])
        return {"teff": out, "logg": np.interp(out, teff, logg), "feh": np.asarray(feh)}


def fit_relations(stars):
    """Fit the relations on real dwarfs and subgiants.

    Parameters
    ----------
    stars : DataFrame
        From `read_stars`.

    Returns
    -------
    Relations
    """
    dwarf = is_dwarf(teff=stars["teff"], logg=stars["logg"]) & stars["teff"].between(*DWARFS)
    dwarf &= stars["fe_h"].between(-1.5, 0.6)
    bands = stars[dwarf]
    bands = np.polyfit(bands["bp"] - bands["rp"], bands["g"] - bands["rp"], 3)
    parallax = stars["parallax"] - stars["parallax_zp"]
    good = dwarf & (stars["parallax"] > PARALLAX_SNR * stars["parallax_error"])
    near = good & (parallax > 1 / NEAR)
    labels = {"teff": "teff", "logg": "logg", "feh": "fe_h"}
    near, parallax = stars[near], parallax[near].to_numpy()
    x = {ours: near[theirs].to_numpy() for ours, theirs in labels.items()}
    colour = (near["bp"] - near["rp"]).to_numpy()
    # Extrapolated to no distance, where there is no dust.
    terms = np.column_stack([_terms(**x), 1 / parallax])
    # Many of APOGEE's near dwarfs are in dusty young clusters, and far above any mean dust.
    fitted, colour_sigma, clean = _robust(terms, colour, above=1.5)
    colour_fit, dust = fitted[:-1], float(fitted[-1])
    intrinsic = _terms(**x) @ colour_fit
    absolute = near["g"].to_numpy() + 5 * np.log10(parallax / 100) - PER_COLOUR * dust / parallax
    terms = _colour_terms(colour=intrinsic, logg=x["logg"], feh=x["feh"])
    # Binaries, and stars that have not reached the main sequence, lie above the single ones.
    magnitude_fit, sigma, kept = _robust(terms[clean], absolute[clean], below=1.5)
    teff = np.arange(DWARFS[0], 6900.0, 100.0)
    of_teff = [stars.loc[dwarf & (abs(stars["teff"] - t) < 150), "logg"] for t in teff]
    logg = np.array([values.quantile(0.8) for values in of_teff])
    return Relations(
        colour_fit=colour_fit,
        magnitude_fit=magnitude_fit,
        bands=bands,
        colour_sigma=colour_sigma,
        magnitude_sigma=sigma,
        dust=dust,
        sequence=np.column_stack([teff, logg]),
        n_stars=int(kept.sum()),
    )


def combined(*, first, second):
    """Return the magnitude of two sources together; NaN of the second is none."""
    flux = 10 ** (-0.4 * np.asarray(first)) + np.nan_to_num(10 ** (-0.4 * np.asarray(second)))
    return -2.5 * np.log10(flux)
