"""Stars: synthetic spectra from the Cannon models in the thedoppler archive."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from common import assets
from common.mocks.instrument import REST_LOG0, REST_PIXELS, STEP

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


def air_to_vacuum(wavelength):
    """Return vacuum wavelengths of air wavelengths in Å (Ciddor 1996, as given by VALD)."""
    s = 1e4 / np.asarray(wavelength, dtype=float)
    n = (
        1
        + 8.336624212083e-5
        + 2.408926869968e-2 / (130.1065924522 - s**2)
        + 1.599740894897e-4 / (38.92568793293 - s**2)
    )
    return wavelength * n


class _Cannon:
    """One Cannon model with its coefficients binned to the templates' grid."""

    def __init__(self, file):
        model = assets.load_pickle(file)
        terms = model["vectorizer"][1]["terms"]
        self.terms = [[(int(label), float(power)) for label, power in term] for term in terms]
        labels = np.asarray(model["training_set_labels"], dtype=float)
        # The Cannon scales its labels by these two (Casey et al. 2016, Sect. 2).
        self.zero = np.percentile(labels, 50, axis=0)
        self.scale = np.ptp(np.percentile(labels, [2.5, 97.5], axis=0), axis=0)
        self.low, self.high = labels.min(axis=0), labels.max(axis=0)
        self.theta = _bin(model["dispersion"], model["theta"])
        smooth = model["continuum"]
        rest = 10 ** (REST_LOG0 + STEP * np.arange(REST_PIXELS))
        wave = air_to_vacuum(smooth["dispersion"])
        self.smooth = np.stack([np.interp(rest, wave, column) for column in smooth["theta"].T])

    def __call__(self, labels):
        labels = np.clip(labels, self.low, self.high)
        x = (labels - self.zero) / self.scale
        vector = [np.ones(len(x))]
        for term in self.terms:
            vector.append(np.prod([x[:, label] ** power for label, power in term], axis=0))
        vector = np.stack(vector, axis=1)
        log_continuum = vector @ self.smooth
        log_continuum -= log_continuum.max(axis=1, keepdims=True)
        # The continuum is modelled in log10; above it the model only has spikes.
        return (np.clip(vector @ self.theta, 0.0, 1.0) * 10**log_continuum).astype(np.float32)


def _bin(wavelength, theta):
    """Average coefficients (air, 0.1 Å) in the pixels of the templates' grid, R about 2000."""
    wave = air_to_vacuum(wavelength)
    total = np.concatenate([np.zeros((1, theta.shape[1])), np.cumsum(theta, axis=0)])
    edges = 10 ** (REST_LOG0 + STEP * (np.arange(REST_PIXELS + 1) - 0.5))
    position = np.interp(edges, wave, np.arange(len(wave)) + 0.5)
    summed = np.stack([np.interp(position, np.arange(len(total)), c) for c in total.T])
    covered = np.diff(position)
    binned = np.diff(summed, axis=1) / np.where(covered > 0, covered, 1)
    return gaussian_filter1d(binned, 0.9, axis=1, mode="nearest")


class Stars:
    """Stellar spectra at rest by effective temperature, gravity and metallicity.

    Parameters
    ----------
    offline : bool
        Never touch the network.

    Raises
    ------
    MissingDataError
        If the archive is neither cached nor fetchable.
    """

    def __init__(self, *, offline=False):
        folder = assets.fetch("thedoppler", offline=offline) / "doppler" / "data"
        name = "cannongrid_3000_18000_{}_norm_cubic_model.pkl"
        self.cool = _Cannon(folder / name.format("coolstars"))
        self.hot = _Cannon(folder / name.format("hotdwarfs"))

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
