"""Quasars: principal components of real ones, and parametric ones, before any absorption."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d

from common import assets
from common.mocks.instrument import REST_PIXELS, STEP, pixel_of, rest_grid
from common.mocks.lines import VACUUM, add_gaussian, peak_of_flux, width_in_pixels

# Broad lines: median equivalent width at rest (Å), median FWHM (km/s), median shift (km/s).
# Composite of Vanden Berk et al. 2001, Table 2; shifts after Shen et al. 2016. H alpha is stronger
# and wider than there: the median of real SDSS quasars at z < 0.4 asks for it.
BROAD = {
    "OVI": (9.0, 5000, -300), "Lya": (65.0, 4500, 0), "NV": (14.0, 5500, -100),
    "OI1305": (2.0, 3500, 0), "CII1335": (0.8, 3500, 0), "SiIV": (8.0, 5500, -200),
    "CIV": (28.0, 5000, -600), "HeII1640": (6.0, 9000, -500), "OIII1664": (1.5, 4500, 0),
    "AlIII": (2.0, 5000, -100), "SiIII": (2.5, 4500, -100), "CIII": (17.0, 6000, -300),
    "CII2326": (2.0, 5000, 0), "MgII": (30.0, 4500, 0), "Hd": (6.0, 4500, 0),
    "Hg": (13.0, 4500, 0), "Hb": (48.0, 4800, 0), "HeI5876": (6.0, 4500, 0),
    "Ha": (280.0, 5200, 0),
}  # fmt: skip
NARROW = {  # flux relative to [OIII] 5007
    "OIII": 1.0, "OIII4959": 0.336, "Hb": 0.10, "Ha": 0.32, "NII": 0.25, "NII6548": 0.08,
    "OII3727": 0.07, "OII3729": 0.08, "NeIII": 0.09, "NeIII3968": 0.03, "NeV": 0.05,
    "NeV3347": 0.02, "Hg": 0.045, "OIII4363": 0.02, "SII6716": 0.07, "SII6731": 0.06,
    "OI6300": 0.04, "OI6364": 0.013, "OII7320": 0.01, "OII7330": 0.01,
}  # fmt: skip
# Fe II humps: centre, width (Å), share; after the shape in Vestergaard & Wilkes 2001 (ultraviolet)
# and Boroson & Green 1992 (optical), and on to 3500 Å (Wills, Netzer & Wills 1985); shares of the
# ultraviolet ones adjusted to the median of real SDSS quasars beside the Balmer continuum.
IRON = (
    (2080, 45, 0.20), (2300, 90, 0.40), (2480, 75, 0.62), (2600, 40, 0.28), (2750, 50, 0.34),
    (2950, 60, 0.34), (3200, 120, 0.38), (4180, 50, 0.10), (4300, 40, 0.07), (4490, 40, 0.16),
    (4570, 45, 0.26), (4650, 35, 0.14), (5190, 40, 0.16), (5270, 35, 0.20), (5330, 35, 0.17),
)  # fmt: skip
# Widths of core and wings over the line's: real lines lie between Gaussians and Lorentzians
# (Kollatschny & Zetzl 2013, A&A 549, A100). With these the median profile of H beta is that of 85
# real SDSS quasars; of the flux of Mg II and H alpha 0.14 and 0.15 lie beyond 45 and 90 Å, of real
# ones 0.18 and 0.16.
CORE, WING = 0.75, (1.6, 3.0)
BALMER_EDGE = 3647.05  # Å, vacuum: four times the Lyman limit of hydrogen
# Balmer continuum over the power law at its edge, median. Fits that cannot tell it from Fe II fix
# it at 0.3 (De Rosa et al. 2014, Mazzucchelli et al. 2017); SDSS's median quasar asks for less.
BALMER_STRENGTH = 0.28


def balmer_continuum(wave, *, temperature=15000.0, depth=1.0, kms=1900.0):
    """Return the Balmer continuum and the lines that run into its edge, 1 at the edge.

    A cloud of one temperature, partly thick: Planck's function times 1 - exp(-tau), tau growing
    as wavelength cubed (Grandi 1982, ApJ 255, 25). Redward of the edge the lines from level 7 up,
    smeared into each other, go on at its height, as a series does at its limit, and fall towards
    the strength that recombination gives them beside H delta (Wills, Netzer & Wills 1985,
    ApJ 288, 94; Storey & Hummer 1995).

    Parameters
    ----------
    wave : ndarray of shape (n_pixels,)
        Å, vacuum, at equal steps in log wavelength.
    temperature : float
        Of the electrons, K.
    depth : float
        Optical depth at the edge.
    kms : float
        Dispersion that smears edge and lines, km/s.

    Returns
    -------
    ndarray of shape (n_pixels,)
    """
    step = np.log(wave[1] / wave[0])

    def emitted(at):
        planck = at**-5.0 / np.expm1(1.43878e8 / (temperature * at))
        return planck * -np.expm1(-depth * (at / BALMER_EDGE) ** 3)

    out = np.where(wave < BALMER_EDGE, emitted(wave) / emitted(BALMER_EDGE), 0.0)
    level = np.arange(7, 60)
    at, blue, red = (BALMER_EDGE / (1 - 4 / n**2) for n in (level, level + 0.5, level - 0.5))
    area = (red - blue) * -np.expm1(-((level / 12.0) ** 2))
    out[(wave >= BALMER_EDGE) & (wave < blue[-1])] = 1.0  # higher levels
    k = np.searchsorted(wave, at)
    out[k] += area / (wave[k] * step)
    return gaussian_filter1d(out, kms / 299792.458 / step)


class Quasars:
    """Rest-frame quasar spectra, normalised to order one, free of intervening absorption.

    `offline` and its errors are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False):
        folder = assets.fetch("pypeit", offline=offline) / "pypeit/data/telluric/models"
        self.wave = rest_grid()
        self.blue, blue_draws = _components(folder / "qso_pca_1200_3100.fits", self.wave)
        self.red, red_draws = _components(folder / "qso_pca_2200_5100.fits", self.wave)
        self.blue_draws, self.red_draws = blue_draws, red_draws
        overlap = np.flatnonzero((self.wave > 2250) & (self.wave < 3050))[::25]
        a = blue_draws @ self.blue[:, overlap]
        b = red_draws @ self.red[:, overlap]
        a = a - a.mean(axis=1, keepdims=True)
        b = b - b.mean(axis=1, keepdims=True)
        distance = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
        # Each blue half is joined to one of the red halves that look alike where both exist.
        self.partners = np.argsort(distance, axis=1)[:, :30]
        self.cuts = [int(np.searchsorted(self.wave, w)) for w in (1203, 2450, 2750, 5080)]
        self.iron_blue = self._iron(lambda centre: centre < 3400)
        self.iron_red = self._iron(lambda centre: centre > 4000)
        self.iron_far = self._iron(lambda centre: centre > 5100)  # where the components end
        self.balmer = balmer_continuum(self.wave).astype(np.float32)
        self.edge = int(np.searchsorted(self.wave, BALMER_EDGE))

    def _iron(self, chosen):
        """Return the sum of the Fe II humps whose centre (Å) is chosen, shape (REST_PIXELS,)."""
        humps = [s * np.exp(-0.5 * ((self.wave - c) / w) ** 2) for c, w, s in IRON if chosen(c)]
        return gaussian_filter1d(sum(humps), 15).astype(np.float32)

    def real(self, n, rng):
        """Return n spectra (n, REST_PIXELS) drawn from the components of real quasars."""
        first, second = rng.integers(len(self.blue_draws), size=(2, n))
        share = np.where(rng.random(n) < 0.5, 1.0, rng.uniform(0.3, 1.0, n))[:, None]
        mate = self.partners[first, rng.integers(self.partners.shape[1], size=n)]
        other = self.partners[second, rng.integers(self.partners.shape[1], size=n)]
        blue = share * self.blue_draws[first] + (1 - share) * self.blue_draws[second]
        red = share * self.red_draws[mate] + (1 - share) * self.red_draws[other]
        start, low, high, end = self.cuts
        log = np.zeros((n, REST_PIXELS), dtype=np.float32)
        log[:, start:high] = blue.astype(np.float32) @ self.blue[:, start:high].astype(np.float32)
        tail = red.astype(np.float32) @ self.red[:, low:end].astype(np.float32)
        tail += (log[:, low:high].mean(1) - tail[:, : high - low].mean(1))[:, None]
        ramp = np.linspace(0, 1, high - low, dtype=np.float32)
        log[:, low:high] = (1 - ramp) * log[:, low:high] + ramp * tail[:, : high - low]
        log[:, high:end] = tail[:, high - low :]
        # Redward of the components: power law through 4200 and 5080 Å, flatter as observed.
        x = np.log(self.wave / self.wave[end])
        anchor = log[:, end - 60 : end].mean(axis=1)
        k = int(np.searchsorted(self.wave, 4200))
        slope = (anchor - log[:, k - 50 : k + 50].mean(axis=1)) / -x[k]
        slope = np.clip(rng.uniform(0.55, 1.2, n) * slope + rng.normal(0, 0.3, n), -2.4, 0.8)
        log[:, end:] = anchor[:, None] + slope[:, None] * x[end:]
        # Blueward: continuum from 1285 Å and the wing of Lyman alpha as it was at the edge.
        k = int(np.searchsorted(self.wave, 1285))
        level = log[:, k - 40 : k + 40].mean(axis=1)
        tilt = rng.normal(-0.9, 0.5, n)[:, None]
        power = level[:, None] + tilt * np.log(self.wave[:start] / self.wave[k])
        excess = np.exp(log[:, start] - power[:, -1]) - 1
        wing = np.exp(-0.5 * ((self.wave[:start] - self.wave[start]) / 9.0) ** 2)
        log[:, :start] = power + np.log(np.maximum(1 + excess[:, None] * wing, 0.2))
        out = np.exp(np.clip(log, -12, 12))
        out /= np.median(out[:, self.cuts[0] : end : 20], axis=1)[:, None]
        out *= 1 + _lognormal(0.45, 0.4, n, rng) * self.iron_far
        missing = ("HeI5876", "Ha"), ("OVI",)
        ew, fwhm = _family(n, rng)
        for names in missing:
            self._broad(out, names=names, ew=ew, fwhm=fwhm, rng=rng)
        # Every line may also be stronger than in the components.
        self._broad(out, names=BROAD, ew=ew * rng.choice([0, 0, 0.4], n), fwhm=fwhm, rng=rng)
        return out

    def parametric(self, n, rng, *, strength=1.0):
        """Return n spectra (n, REST_PIXELS): power laws, iron, Balmer continuum, broad lines.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator
        strength : float or ndarray of shape (n,)
            Factor on the broad lines and Fe II: below 0.4 a quasar is weak-lined.
        """
        x = np.log(self.wave / 3000.0).astype(np.float32)
        blue = rng.normal(-1.5, 0.45, n)[:, None].astype(np.float32)
        red = (blue + np.abs(rng.normal(0.35, 0.45, n))[:, None]).astype(np.float32)
        bend = np.log(rng.uniform(4200, 5600, n) / 3000.0)[:, None].astype(np.float32)
        log = blue * np.minimum(x, bend) + red * np.maximum(x - bend, 0)
        far = np.log(1216.0 / 3000.0)
        log -= (rng.normal(0.5, 0.4, n)[:, None].astype(np.float32) + blue * 0.3) * np.minimum(
            x - far, 0
        )
        out = np.exp(log)
        edge = _lognormal(BALMER_STRENGTH, 0.18, n, rng) * out[:, self.edge, None]
        ew, fwhm = _family(n, rng)
        ew = ew * strength
        iron = _lognormal(0.45, 0.35, n, rng) * np.reshape(strength, (-1, 1)).astype(np.float32)
        out *= 1 + iron * self.iron_blue + iron * _lognormal(1.0, 0.3, n, rng) * self.iron_red
        out += edge * self.balmer
        self._broad(out, names=BROAD, ew=ew, fwhm=fwhm, rng=rng)
        return out

    def _broad(self, out, *, names, ew, fwhm, rng):
        """Add broad lines in place: core and wings, own strength, width and shift.

        Each is a Gaussian, `CORE` and `WING` times as wide as the line: beyond the full width at
        half maximum lies far more of the flux than of one Gaussian's.
        """
        n = len(out)
        for name in names:
            median, width, shift = BROAD[name]
            rest = VACUUM[name]
            k = int(np.searchsorted(self.wave, rest))
            level = np.median(out[:, k - 400 : k + 400 : 40], axis=1)
            area = ew * median * 10 ** rng.normal(0, 0.13, n) * level
            sigma = fwhm * width / 2.355 * 10 ** rng.normal(0, 0.09, n)
            speed = shift * rng.gamma(2.0, 0.5, n) + rng.normal(0, 120, n)
            centre = k + (np.log10(rest / self.wave[k]) + speed / 299792.458 / np.log(10)) / STEP
            core = rng.uniform(0.3, 0.8, n)
            for share, factor in ((core, CORE), (1 - core, rng.uniform(*WING, n))):
                wide = width_in_pixels(kms=factor * sigma, step=STEP)
                peak = peak_of_flux(area=share * area, rest=rest, sigma_pixels=wide, step=STEP)
                add_gaussian(out, centre=centre, sigma=wide, peak=peak, reach=4.0)

    def narrow(self, flux, *, z, ew, continuum, rng):
        """Add narrow lines on the model's grid in place.

        Parameters
        ----------
        flux : ndarray of shape (n, MODEL_PIXELS)
        z, ew, continuum : ndarray of shape (n,)
            Redshift, equivalent width of [OIII] 5007 at rest (Å), continuum level there.
        rng : numpy.random.Generator
        """
        n = len(z)
        sigma = width_in_pixels(kms=rng.lognormal(np.log(190), 0.35, n), step=STEP)
        mood = 10 ** rng.normal(0, 0.25, n)
        for name, ratio in NARROW.items():
            rest = VACUUM[name]
            own = ratio if name.startswith("OIII") else ratio * mood * 10 ** rng.normal(0, 0.2, n)
            area = ew * continuum * own
            peak = peak_of_flux(area=area, rest=rest, sigma_pixels=sigma, step=STEP)
            add_gaussian(flux, centre=pixel_of(rest=rest, z=z), sigma=sigma, peak=peak)


def _lognormal(median, dex, n, rng):
    """Draw a column (n, 1) of positive factors, float32."""
    return (median * 10 ** rng.normal(0, dex, (n, 1))).astype(np.float32)


def _family(n, rng):
    """Strength and width factors that all lines of a quasar share."""
    return 10 ** rng.normal(0, 0.22, n), 10 ** np.clip(rng.normal(0, 0.18, n), -0.5, 0.4)


def _components(file, wave):
    """Return components (k, REST_PIXELS; zero outside) and the draws (m, k) of real quasars."""
    with fits.open(file) as hdus:
        row = hdus[1].data
        own = np.asarray(row["WAVE_PCA"], dtype=float).reshape(-1)
        vectors = np.asarray(row["PCA_COMP"], dtype=float).reshape(-1, len(own))
        draws = np.asarray(row["PCA_COEFFS"], dtype=float).reshape(-1, len(vectors))
    return np.stack([np.interp(wave, own, v, left=0, right=0) for v in vectors]), draws


def wander(rest, rng, *, strength=0.09):
    """Multiply rest-frame spectra by smooth random curves in place: continua are not alike.

    Parameters
    ----------
    rest : ndarray of shape (n, REST_PIXELS)
    rng : numpy.random.Generator
    strength : float
        Standard deviation of each knot in ln flux; 14 knots over the templates' range.
    """
    n_knots = 14
    knots = (strength * rng.standard_normal((len(rest), n_knots))).astype(np.float32)
    at = np.linspace(0, n_knots - 1, rest.shape[1])
    k = np.minimum(at.astype(int), n_knots - 2)
    f = at - k
    f = (f * f * (3 - 2 * f)).astype(np.float32)  # no corners at the knots
    rest *= np.exp(knots[:, k] * (1 - f) + knots[:, k + 1] * f)
