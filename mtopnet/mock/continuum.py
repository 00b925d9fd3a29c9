"""Stellar continua of the mock: Bruzual & Charlot populations summed over star formation histories.

The paper's templates are a BC03 library over UVJ; here the history follows from a galaxy's own mass
and star formation rate, so that age, colour and magnitude hang together. The populations
(asset "sdss-mangadap") cover 3326-9294 Å at 2.3 Å; beyond, they are carried on by the templates of
kcorrect (made of BC03 as well, sampled at 257 km/s).
"""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.optimize import nnls

from common import assets
from common.mocks.cannon import air_to_vacuum
from common.mocks.dust import calzetti
from mtopnet.mock.population import COSMOLOGY

LOG0, STEP, PIXELS = 3.12, 1e-4, 10250  # 1318 to 13960 Å at rest, 69 km/s a pixel
Z_STEP = 0.02  # of the redshifts that magnitudes are tabulated at
SUN = 3.828e33  # erg/s (IAU 2015)
MPC = 3.0857e24
DISPERSIONS = (60.0, 130.0, 200.0, 280.0)  # km/s of the stars; the nearest is taken
BC03_KMS = 59.0  # the populations' own dispersion at 5000 Å
RETURNED = 0.4  # share of the formed mass that a Chabrier population gives back in some Gyr
# Bands: centre and width of a rectangle in Å (like LSST's rizy and VISTA's J, H, Ks): default.
BANDS = {
    "r": (6190, 1330), "i": (7550, 1270), "z": (8690, 1030), "y": (9720, 830), "j": (12520, 1720),
    "h": (16450, 2910), "ks": (21470, 3090),
}  # fmt: skip
# Interstellar absorption of star-forming galaxies: rest wavelength (NIST) and equivalent width in Å
# at 10^10 solar masses, default after Erb et al. 2012, ApJ 759, 26 and Shapley et al. 2003.
WIND_KMS = 150.0  # dispersion of that gas: default
DEEPEST = 0.85  # share of the continuum that a line takes at its centre at most: default
ABSORPTION = {
    "AlII1671": (1670.787, 1.0), "FeII2344": (2344.214, 1.4), "FeII2374": (2374.461, 1.1),
    "FeII2383": (2382.765, 1.6), "FeII2587": (2586.650, 1.4), "FeII2600": (2600.173, 1.7),
    "MgII2796": (2796.352, 2.0), "MgII2804": (2803.531, 1.7), "MgI2853": (2852.964, 0.4),
}  # fmt: skip


def rest_grid():
    """Return the templates' rest wavelengths, ndarray of shape (PIXELS,), Å, vacuum."""
    return 10 ** (LOG0 + STEP * np.arange(PIXELS))


def history(*, log_mass, log_sfr, age):
    """Return tau and age of delayed histories, SFR ~ t exp(-t / tau), that end as they should.

    Parameters
    ----------
    log_mass, log_sfr : ndarray of shape (n,)
        What is in stars now, and the present rate.
    age : ndarray of shape (n,)
        Gyr since the first stars; shortened where the present rate would have made more stars.

    Returns
    -------
    tau, age : ndarray of shape (n,)
        Gyr.
    """
    rate = 10 ** (log_sfr - log_mass + 9) * (1 - RETURNED)  # per Gyr of the mass ever formed
    age = np.minimum(age, 1.8 / rate)
    x = np.concatenate([np.geomspace(1e-3, 1, 60), np.linspace(1.02, 30, 400)])  # age / tau
    # SFR age / mass of a delayed history falls with age / tau from 2 on.
    shape = x**2 * np.exp(-x) / -np.expm1(-x + np.log1p(x))
    ratio = np.interp(-np.log(rate * age), -np.log(shape), x)
    return age / ratio, age


def age_weights(*, tau, age, edges):
    """Return the share of all mass formed in bins of age, (n, bins).

    Parameters
    ----------
    tau, age : ndarray of shape (n,)
        From `history`, Gyr.
    edges : ndarray of shape (bins + 1,)
        Gyr before the present, ascending from 0; what is older falls in the last bin.
    """

    def formed(t):
        x = np.clip(t, 0, None) / tau[:, None]
        return 1 - np.exp(-x) * (1 + x)

    whole = formed(age[:, None])
    return np.diff(whole - formed(age[:, None] - edges[None]), axis=1) / whole


class Continua:
    """Stellar spectra by star formation history, metallicity and dust.

    `offline` and its errors are those of `common.assets.fetch`; `redshifts` are the first and last
    that magnitudes are made for.
    """

    def __init__(self, *, offline=False, redshifts=(0.6, 3.1)):
        age, metal, wave, flux = _populations(offline)
        self.ages, self.metals = np.unique(age), np.unique(metal)
        grid = rest_grid()
        templates = _templates(grid, offline)
        library = np.stack([_extended(grid, np.interp(grid, wave, f), templates) for f in flux])
        order = np.lexsort((age, metal))
        library = library[order]
        centres = np.sqrt(self.ages[1:] * self.ages[:-1])
        self.edges = np.concatenate([[0.0], centres, [np.inf]])
        self.library = []
        for kms in DISPERSIONS:
            wide = np.sqrt(max(kms**2 - BC03_KMS**2, 0)) / 299792.458 / (STEP * np.log(10))
            smooth = gaussian_filter1d(library, wide, axis=1) if wide > 0.2 else library
            self.library.append(smooth.astype(np.float32))
        self._k = calzetti(np.clip(grid, 1200, 22000)).astype(np.float32)
        self._z = np.linspace(*redshifts, round((redshifts[1] - redshifts[0]) / Z_STEP) + 1)
        self._bands = self._band_table(library)

    def weights(self, galaxies):
        """Return solar masses ever formed in each population, (n, metals x ages).

        Parameters
        ----------
        galaxies : dict of str to ndarray of shape (n,)
            log_mass, log_sfr, z, onset, stellar_z.
        """
        universe = COSMOLOGY.age(galaxies["z"]).value
        tau, age = history(
            log_mass=galaxies["log_mass"],
            log_sfr=galaxies["log_sfr"],
            age=galaxies["onset"] * universe,
        )
        ages = age_weights(tau=tau, age=age, edges=self.edges)
        wanted = np.clip(0.02 * 10 ** galaxies["stellar_z"], self.metals[0], self.metals[-1])
        at = np.interp(np.log(wanted), np.log(self.metals), np.arange(len(self.metals)))
        metals = np.clip(1 - np.abs(at[:, None] - np.arange(len(self.metals))), 0, 1)
        total = 10 ** galaxies["log_mass"] / (1 - RETURNED)
        return (total[:, None, None] * metals[:, :, None] * ages[:, None, :]).reshape(len(at), -1)

    def _band_table(self, library):
        """Return the mean F_nu of each population, (band, redshift, population)."""
        grid, table = rest_grid(), np.zeros((len(BANDS), len(self._z), len(library)))
        for b, (centre, width) in enumerate(BANDS.values()):
            for i, z in enumerate(self._z):
                low, high = (centre - width / 2) / (1 + z), (centre + width / 2) / (1 + z)
                inside = slice(*np.searchsorted(grid, (low, high)))
                if inside.stop - inside.start > 10:
                    # Photon-counting mean of F_nu in steps of log wavelength: mean of F_lambda l^2.
                    weight = grid[inside]
                    table[b, i] = (library[:, inside] * weight**2).mean(axis=1)
        return table

    def magnitudes(self, galaxies, weights=None, bands=tuple(BANDS)):
        """Return AB magnitudes of the stars, {band: (n,)}; NaN where a band leaves the templates.

        Dust is taken at the band's centre; emission lines are not counted.
        """
        weights = self.weights(galaxies) if weights is None else weights
        z = galaxies["z"]
        i = np.clip(np.searchsorted(self._z, z) - 1, 0, len(self._z) - 2)
        part = (z - self._z[i]) / (self._z[1] - self._z[0])
        out = {}
        for name in bands:
            table = self._bands[list(BANDS).index(name)]
            low, high = (np.einsum("np,np->n", weights, table[i + k]) for k in (0, 1))
            lum = low * (1 - part) + high * part  # L_lambda l^2, solar luminosities Å a pixel mean
            rest = BANDS[name][0] / (1 + z)
            dust = calzetti(np.clip(rest, 1200, 22000)) * galaxies["ebv_stars"]
            nu = (
                lum
                * SUN
                / 2.99792458e18
                * (1 + z)
                / (4 * np.pi * (galaxies["distance"] * MPC) ** 2)
            )
            with np.errstate(divide="ignore"):
                magnitude = -2.5 * np.log10(nu) - 48.6 + dust
            out[name] = np.where((low > 0) & (high > 0), magnitude, np.nan)
        return out

    def observed(self, galaxies, wavelength, weights=None):
        """Return stellar spectra as they arrive, before air and fibre.

        Parameters
        ----------
        galaxies : dict of str to ndarray of shape (n,)
            From `mock_population.draw`.
        wavelength : ndarray of shape (p,)
            Observed, Å, vacuum.
        weights : ndarray, optional
            From `weights`.

        Returns
        -------
        ndarray of shape (n, p), float32
            erg / (s cm2 Å) times 1e19 (float32 would lose faint galaxies).
        """
        weights = self.weights(galaxies) if weights is None else weights
        z = galaxies["z"]
        scale = SUN / (4 * np.pi * (galaxies["distance"] * MPC) ** 2) / (1 + z) * 1e19
        kms = _stellar_dispersion(galaxies)
        nearest = np.abs(kms[:, None] - np.array(DISPERSIONS)).argmin(axis=1)
        out = np.empty((len(z), len(wavelength)), dtype=np.float32)
        position = (np.log10(wavelength) - LOG0) / STEP
        for k, library in enumerate(self.library):
            rows = np.flatnonzero(nearest == k)
            if not len(rows):
                continue
            rest = (weights[rows] * scale[rows, None]).astype(np.float32) @ library
            dust = (-0.4 * np.log(10) * galaxies["ebv_stars"][rows]).astype(np.float32)
            rest *= np.exp(dust[:, None] * self._k)
            for row, spectrum in zip(rows, rest, strict=True):
                at = position - np.log10(1 + z[row]) / STEP
                first = np.clip(at.astype(np.int32), 0, PIXELS - 2)
                part = (at - first).astype(np.float32)
                left = spectrum[first]
                out[row] = left + part * (spectrum[first + 1] - left)
        return out


def _stellar_dispersion(galaxies):
    """Return the stars' velocity dispersion in km/s: 200 at 10^11, slope 0.3: default."""
    return np.clip(200.0 * 10 ** (0.3 * (galaxies["log_mass"] - 11)), 60, 300)


def absorption(galaxies, flux_at, rng):
    """Return (negative) fluxes of interstellar absorption lines, {line: (n,)}.

    Parameters
    ----------
    galaxies : dict of str to ndarray of shape (n,)
    flux_at : callable
        Rest wavelength → continuum there, (n,).
    rng : numpy.random.Generator
    """
    strength = 10 ** (
        0.25 * (galaxies["log_mass"] - 10) + 0.15 * rng.standard_normal(len(galaxies["z"]))
    )
    strength = np.clip(strength, 0, 2.0) * (galaxies["kind"] != "quiescent")
    out = {}
    for name, (rest, width) in ABSORPTION.items():
        # A Gaussian of this width and depth: more would take more light than there is.
        most = DEEPEST * np.sqrt(2 * np.pi) * rest * WIND_KMS / 299792.458
        equivalent = np.minimum(width * strength, most)
        out[name] = -equivalent * (1 + galaxies["z"]) * np.maximum(flux_at(rest), 0)
    return out


def _populations(offline):
    """Return age (Gyr), Z, vacuum wavelengths and spectra (L_sun / Å for each solar mass)."""
    folder = assets.fetch("sdss-mangadap", offline=offline)
    folder = folder / "mangadap/data/spectral_templates/bc03_mpajhu"
    age, metal, flux = [], [], []
    for file in sorted(folder.glob("*.fits")):
        with fits.open(file) as hdus:
            header, values = hdus[0].header, np.asarray(hdus[0].data, dtype=float)
        age.append(header["AGE"])
        metal.append(header["Z"])
        flux.append(values)
        wave = header["CRVAL1"] + header["CDELT1"] * np.arange(len(values))
    return np.array(age), np.array(metal), air_to_vacuum(wave), np.array(flux)


def _templates(grid, offline):
    """Return kcorrect's templates on the grid without their emission lines, (5, PIXELS)."""
    folder = assets.fetch("kcorrect", offline=offline) / "kcorrect/data/templates"
    with fits.open(folder / "kcorrect-default-v4.fits") as hdus:
        wave, flux = (np.asarray(hdus[1].data[k][0], dtype=float) for k in ("wave", "flux"))
    near = (wave > 1250) & (wave < 15000)
    wave, flux = wave[near], flux[:, near]
    smooth = median_filter(flux, size=(1, 41), mode="nearest")
    # Emission lines stand out of a running median over 10 000 km/s by more than 6 %.
    peak = flux > 1.06 * smooth
    peak |= np.roll(peak, 1, axis=1) | np.roll(peak, -1, axis=1)
    flux = np.where(peak, smooth, flux)
    return np.stack([np.interp(grid, wave, f) for f in flux])


def _extended(grid, flux, templates):
    """Carry a population (3326-9294 Å) to the ends of the grid with fitted templates."""
    first, last = 3345.0, 9250.0
    scale = templates[:, (grid > 4000) & (grid < 5000)].mean(axis=1)[:, None]
    shapes = templates / scale

    def fitted(low, high):
        fit = (grid > low) & (grid < high)
        level = flux[fit].mean()
        dust = np.exp(-0.4 * np.log(10) * np.array([0.0, 0.1, 0.3])[:, None] * calzetti(grid))
        basis = np.concatenate([shapes * d / d[5000] for d in dust])
        weights, _ = nnls(basis[:, fit].T, flux[fit] / level)
        return level * (weights @ basis)

    out = flux.copy()
    blue, red = fitted(3345, 4300), fitted(7500, 9250)
    join = (grid > first) & (grid < first + 120)
    out[grid < first] = (blue * flux[join].mean() / blue[join].mean())[grid < first]
    join = (grid < last) & (grid > last - 300)
    out[grid > last] = (red * flux[join].mean() / red[join].mean())[grid > last]
    return out
