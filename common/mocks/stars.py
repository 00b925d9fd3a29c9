"""Stars: synthetic spectra from the Cannon models in the thedoppler archive."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from common.mocks.cannon import NAMES, Cannon
from common.mocks.instrument import REST_LOG0, REST_PIXELS, STEP, rest_grid

# Mean and spread of Teff (K), log g, [Fe/H] per type. SDSS gives a star the subclass of its
# nearest single template, so the spreads reach about half-way to the neighbouring type. The labels
# are those at which the models here match 24 real SDSS stars of these subclasses: F5 and F9 are
# the metal-poor turn-off stars that SDSS targeted, A0 is cooler than in the MK system.
TYPES = {
    "A0": ((7950, 600), (4.0, 0.4), (-1.2, 0.5)),
    "F5": ((6320, 150), (3.8, 0.5), (-1.6, 0.4)),
    "F9": ((5880, 130), (4.1, 0.4), (-1.2, 0.4)),
    "G2": ((5720, 120), (4.2, 0.4), (-0.5, 0.4)),
    "K1": ((5160, 110), (4.4, 0.4), (-0.6, 0.4)),
    "K3": ((4820, 100), (4.5, 0.4), (-0.5, 0.35)),
    "K5": ((4410, 110), (4.5, 0.4), (-0.6, 0.35)),
}
COOLEST_HOT = 8000.0  # K; the two models meet here


class _Binned:
    """One Cannon model with its coefficients binned to the templates' grid."""

    def __init__(self, name, *, offline):
        self.cannon = Cannon(name, offline=offline)
        self.theta = _bin(self.cannon.wavelength, self.cannon.theta)
        rest, wave = rest_grid(), self.cannon.continuum_wavelength
        self.smooth = np.stack([np.interp(rest, wave, c) for c in self.cannon.continuum_theta.T])

    def __call__(self, labels):
        vector = self.cannon.vector(labels)
        log_continuum = vector @ self.smooth
        log_continuum -= log_continuum.max(axis=1, keepdims=True)
        # The continuum is modelled in log10; above it the model only has spikes.
        return (np.clip(vector @ self.theta, 0.0, 1.0) * 10**log_continuum).astype(np.float32)


def _bin(wave, theta):
    """Average coefficients (vacuum, 0.1 Å) in the pixels of the templates' grid, R about 2000."""
    total = np.concatenate([np.zeros((1, theta.shape[1])), np.cumsum(theta, axis=0)])
    edges = 10 ** (REST_LOG0 + STEP * (np.arange(REST_PIXELS + 1) - 0.5))
    position = np.interp(edges, wave, np.arange(len(wave)) + 0.5)
    summed = np.stack([np.interp(position, np.arange(len(total)), c) for c in total.T])
    covered = np.diff(position)
    binned = np.diff(summed, axis=1) / np.where(covered > 0, covered, 1)
    return gaussian_filter1d(binned, 0.9, axis=1, mode="nearest")


class Stars:
    """Stellar spectra at rest by effective temperature, gravity and metallicity.

    `offline` and its errors are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False):
        self.cool, self.hot = (_Binned(name, offline=offline) for name in NAMES)

    def spectra(self, *, teff, logg, feh):
        """Return spectra (n, REST_PIXELS), arbitrary scale, R about 2000; 3000 Å and redder.

        Parameters
        ----------
        teff, logg, feh : ndarray of shape (n,)
            K, dex, dex; clipped to the models' range (3500-40000 K).
        """
        labels = np.stack([teff, logg, feh], axis=1)
        out = np.empty((len(labels), REST_PIXELS), dtype=np.float32)
        hot = labels[:, 0] > COOLEST_HOT
        for chosen, model in ((hot, self.hot), (~hot, self.cool)):
            if chosen.any():
                out[chosen] = model(labels[chosen])
        return out

    def of_type(self, kind, n, rng):
        """Return n spectra of a type of `TYPES`, ndarray of shape (n, REST_PIXELS)."""
        (t, dt), (g, dg), (m, dm) = TYPES[kind]
        return self.spectra(
            teff=rng.normal(t, dt, n), logg=rng.normal(g, dg, n), feh=rng.normal(m, dm, n)
        )
