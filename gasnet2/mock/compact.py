"""White dwarfs and cataclysmic variables, noiseless, on the model's grid."""

from __future__ import annotations

import numpy as np

from common.mocks import libraries
from common.mocks.instrument import MODEL_PIXELS, STEP, model_grid, pixel_of
from common.mocks.lines import C_KMS, VACUUM, add_gaussian, peak_of_flux, width_in_pixels
from gasnet2.mock.plates import waves

BALMER = ("Ha", "Hb", "Hg", "Hd", "Heps", "H8")
# Depth and half-width (Å) of the lines at the temperature where they are strongest, after the
# spectral atlas of Wesemael et al. 1993, PASP 105, 761.
DA = {"Ha": (0.45, 22), "Hb": (0.62, 28), "Hg": (0.66, 27), "Hd": (0.6, 23), "Heps": (0.45, 17),
      "H8": (0.3, 12)}  # fmt: skip
HELIUM = {3889.7: (0.3, 10), 4027.3: (0.32, 14), 4122.0: (0.12, 9), 4389.2: (0.22, 13),
          4472.7: (0.42, 16), 4714.5: (0.14, 8), 4923.3: (0.26, 12), 5017.1: (0.18, 9),
          5877.3: (0.36, 14), 6680.0: (0.24, 12), 7067.7: (0.16, 9)}  # fmt: skip
METALS = {3734.0: (0.3, 30), 3934.8: (0.75, 22), 3969.6: (0.65, 18), 4227.9: (0.3, 7),
          5176.0: (0.25, 12), 5894.0: (0.2, 10), 8545.0: (0.12, 10)}  # fmt: skip
SWAN = {4670.0: (0.25, 60), 5110.0: (0.35, 65), 5560.0: (0.18, 70)}  # blended bands of DQ stars
WD_SHARES = {"DA": 0.6, "DB": 0.14, "DC": 0.1, "DZ": 0.07, "DQ": 0.05, "DAH": 0.04}
# Lines of cataclysmic variables: flux relative to H beta (Williams 1983, ApJS 53, 523; Szkody et
# al. 2002-2011 for SDSS's).
CV_LINES = {"Ha": 1.2, "Hb": 1.0, "Hg": 0.8, "Hd": 0.65, "Heps": 0.45, "H8": 0.4, "HeI4472": 0.2,
            "HeI5876": 0.25, "HeI6678": 0.13, "HeI7065": 0.1}  # fmt: skip
HE2, BOWEN, FE2 = 4687.02, 4643.0, 5170.5


class Compact:
    """Makes white dwarfs and cataclysmic variables.

    Parameters
    ----------
    companions : ndarray of shape (k, REST_PIXELS)
        Cool dwarfs.
    offline : bool
        As `common.assets.fetch` takes it, with its errors.
    """

    def __init__(self, companions, *, offline=False):
        self.wave = model_grid()
        self.warp = waves(6, MODEL_PIXELS)
        first = round((np.log10(self.wave[0]) - 2.68) / STEP)
        part = slice(first, first + MODEL_PIXELS)
        self.companions = companions[:, part]
        flux = libraries.read_clusters((74,), offline=offline)[0, part]  # MaStar's DA stars
        good = np.flatnonzero(np.isfinite(flux))
        self.real = np.interp(np.arange(MODEL_PIXELS), good, np.log(flux[good]))

    def planck(self, teff):
        """Return Planck's function (n, MODEL_PIXELS), 1 at 5000 Å; teff of shape (n,) in K."""
        c2 = 1.43878e8
        x = c2 / np.outer(teff, self.wave)
        level = 5000.0**-5 / np.expm1(c2 / (5000.0 * teff))
        out = self.wave**-5.0 / np.expm1(np.minimum(x, 80))
        return (out / level[:, None]).astype(np.float32)

    def absorb(self, flux, lines, *, strength, width, rng, split=None):
        """Multiply by pressure-broadened lines in place.

        Parameters
        ----------
        flux : ndarray of shape (n, MODEL_PIXELS)
        lines : dict of wavelength (Å, vacuum) to (depth, half-width in Å)
        strength, width : ndarray of shape (n,)
            Factors on depth and half-width.
        rng : numpy.random.Generator
        split : ndarray of shape (n,), optional
            Distance of the outer Zeeman components in Å at 5000 Å.
        """
        for at, (depth, half) in lines.items():
            own = strength * np.exp(0.15 * rng.standard_normal(len(flux)))
            near = np.abs(self.wave - at) < 14 * half + 110 * (split is not None)
            wave = (self.wave[near] - at).astype(np.float32)
            scale = (half * width[:, None]).astype(np.float32)
            deep = np.clip(depth * own, 0, 0.92)[:, None]

            def profile(shift, wave=wave, scale=scale):
                return 1 / (1 + ((wave - shift) / scale) ** 2)

            if split is None:
                shape = deep * profile(0.0)
            else:
                apart = (split * (at / 5000.0) ** 2)[:, None].astype(np.float32)
                shape = deep * (profile(0.0) + profile(apart) + profile(-apart)) / 2
            flux[:, near] *= np.clip(1 - shape, 0.03, 1).astype(np.float32)

    def white_dwarfs(self, n, rng):
        """Return n white dwarfs (n, MODEL_PIXELS), their redshifts and types."""
        kind = rng.choice(list(WD_SHARES), n, p=list(WD_SHARES.values()))
        limits = {"DA": (6500, 60000), "DB": (12000, 32000), "DC": (4500, 11000),
                  "DZ": (5200, 9500), "DQ": (5800, 10500), "DAH": (7500, 25000)}  # fmt: skip
        low, high = np.array([limits[k] for k in kind]).T
        teff = np.exp(rng.uniform(np.log(low), np.log(high)))
        flux = self.planck(teff)
        flux *= np.exp((0.04 * rng.standard_normal((n, 6))).astype(np.float32) @ self.warp)
        hydrogen = {VACUUM[k]: v for k, v in DA.items()}
        width = rng.lognormal(0, 0.25, n)
        lines = {"DA": hydrogen, "DAH": hydrogen, "DB": HELIUM, "DZ": METALS, "DQ": SWAN, "DC": {}}
        for name, table in lines.items():
            rows = np.flatnonzero(kind == name)
            if not len(rows):
                continue
            part, t, wide = flux[rows], teff[rows], width[rows]
            strength = np.exp(-0.5 * (np.log(t / 12500) / 0.65) ** 2) + 0.08
            if name == "DB":
                strength = np.clip(np.exp(-0.5 * (np.log(t / 23000) / 0.3) ** 2), 0.25, 1)
            elif name in ("DZ", "DQ"):
                strength = rng.uniform(0.3, 1.4, len(rows))
            jump = np.interp(self.wave, (3600, 3750, 3950), (1.0, 0.8, 0.0))
            if name == "DA":  # lines that run into each other below 3900 Å
                part *= (1 - 0.3 * strength[:, None] * jump).astype(np.float32)
            if name == "DA":  # lines of cool and of very hot ones are narrower
                wide = wide * (0.45 + 0.55 * strength)
            split = rng.uniform(15, 110, len(rows)) if name == "DAH" else None
            self.absorb(part, table, strength=strength, width=wide, rng=rng, split=split)
            flux[rows] = part
        z = rng.normal(30, 60, n) / C_KMS  # with the redshift of their gravity
        flux = _moved(flux, z)
        rows = np.flatnonzero((kind == "DA") & (rng.random(n) < 0.3))
        tilt = np.outer(rng.normal(0, 0.5, len(rows)), np.log(self.wave / 5000))
        power = rng.uniform(0.6, 1.15, (len(rows), 1))
        flux[rows] = _moved(np.exp(power * self.real + tilt).astype(np.float32), z[rows])
        return flux, z, kind

    def cataclysmic(self, n, rng):
        """Return n cataclysmic variables (n, MODEL_PIXELS) and their redshifts."""
        slope = rng.normal(-1.5, 0.8, n)
        flux = np.exp(np.outer(slope, np.log(self.wave / 5000))).astype(np.float32)
        flux *= np.exp((0.06 * rng.standard_normal((n, 6))).astype(np.float32) @ self.warp)
        width = rng.lognormal(0, 0.3, n)
        hydrogen = {VACUUM[k]: v for k, v in DA.items()}
        # A white dwarf that shines through, or a disc in outburst: broad absorption.
        deep = np.where(rng.random(n) < 0.25, rng.uniform(0.2, 0.7, n), 0.0)
        self.absorb(flux, hydrogen, strength=deep, width=width, rng=rng)
        cool = np.where(rng.random(n) < 0.3, rng.lognormal(np.log(0.5), 0.7, n), 0.0)
        flux += (
            cool[:, None].astype(np.float32)
            * self.companions[rng.integers(len(self.companions), size=n)]
        )
        z = rng.normal(0, 100, n) / C_KMS
        polar = rng.random(n) < 0.2
        fwhm = np.exp(rng.uniform(np.log(500), np.log(2500), n))
        twin = ~polar & (rng.random(n) < 0.5)
        ew = rng.lognormal(np.log(40), 0.7, n) * np.where(deep > 0, 0.3, 1.0)
        k = np.searchsorted(self.wave, 4862.7)
        area = ew * flux[:, k - 40 : k + 41].mean(axis=1)
        lines = [(VACUUM[name], ratio, 0.15) for name, ratio in CV_LINES.items()]
        lines += [(HE2, np.where(polar, 0.7, 0.12), 0.5), (FE2, 0.12, 0.5),
                  (BOWEN, np.where(polar, 0.15, 0.08), 0.5)]  # fmt: skip
        steep = rng.normal(0, 0.35, n)  # Balmer decrements are flat or inverted
        for rest, ratio, scatter in lines:
            own = area * ratio * (rest / 4862.7) ** steep * np.exp(scatter * rng.standard_normal(n))
            part = np.where(twin, 0.30, 1.0) * fwhm * np.exp(0.1 * rng.standard_normal(n))
            sigma = width_in_pixels(kms=part / 2.355, step=STEP)
            balance = 0.5 + 0.1 * rng.standard_normal(n) * twin
            for side, share in ((-1, balance), (1, 1 - balance)):
                apart = np.where(twin, side * 0.33 * fwhm / C_KMS, 0.0)
                peak = peak_of_flux(area=own * share, rest=rest, sigma_pixels=sigma, step=STEP)
                add_gaussian(flux, centre=pixel_of(rest=rest, z=z + apart), sigma=sigma, peak=peak)
        return flux, z


def _moved(flux, z):
    """Return spectra displaced by small redshifts, on their own grid."""
    shift = np.log10(1 + z) / STEP
    at = np.arange(flux.shape[1])
    return np.stack([np.interp(at - s, at, f) for s, f in zip(shift, flux, strict=True)]).astype(
        np.float32
    )
