"""Cannon models in the thedoppler archive: spectra as polynomials in Teff, log g, [Fe/H]."""

from __future__ import annotations

import numpy as np

from common import assets
from common.air import air_to_vacuum

NAMES = ("coolstars", "hotdwarfs")  # 3500-8000 K of all log g, and dwarfs above


class Cannon:
    """A Cannon model as it is stored (Ness et al. 2015; Casey et al. 2016).

    Parameters
    ----------
    name : str
        One of `NAMES`.
    offline : bool
        Never touch the network.

    Attributes
    ----------
    wavelength, theta : ndarrays of shape (n_pixels,) and (n_pixels, n_terms)
        Å, vacuum; a continuum-normalised spectrum is ``vector(labels) @ theta.T``.
    continuum_wavelength, continuum_theta : ndarrays
        The same for log10 of the continuum.
    low, high : ndarrays of shape (3,)
        Limits of the labels Teff (K), log g (dex), [Fe/H] (dex).

    Raises
    ------
    MissingDataError
        If the archive is neither cached nor fetchable.
    """

    def __init__(self, name, *, offline=False):
        folder = assets.fetch("thedoppler", offline=offline)
        file = f"doppler/data/cannongrid_3000_18000_{name}_norm_cubic_model.pkl"
        known = assets.get("thedoppler").hashes[file]
        model = assets.load_pickle(folder / file, sha256=known)
        terms = model["vectorizer"][1]["terms"]
        self.terms = [[(int(label), float(power)) for label, power in term] for term in terms]
        labels = np.asarray(model["training_set_labels"], dtype=float)
        # The Cannon scales its labels by these two (Casey et al. 2016, Sect. 2).
        self.zero = np.percentile(labels, 50, axis=0)
        self.scale = np.ptp(np.percentile(labels, [2.5, 97.5], axis=0), axis=0)
        self.low, self.high = labels.min(axis=0), labels.max(axis=0)
        self.wavelength, self.theta = air_to_vacuum(model["dispersion"]), model["theta"]
        smooth = model["continuum"]
        self.continuum_wavelength = air_to_vacuum(smooth["dispersion"])
        self.continuum_theta = smooth["theta"]

    def vector(self, labels):
        """Return the polynomial terms (n, n_terms) of labels (n, 3), clipped to the limits."""
        x = (np.clip(labels, self.low, self.high) - self.zero) / self.scale
        vector = [np.ones(len(x))]
        for term in self.terms:
            vector.append(np.prod([x[:, label] ** power for label, power in term], axis=0))
        return np.stack(vector, axis=1)

    def outside(self, labels):
        """Return a mask (n,) of the labels that are clipped, or missing (NaN)."""
        return ~((labels >= self.low) & (labels <= self.high)).all(axis=1)
