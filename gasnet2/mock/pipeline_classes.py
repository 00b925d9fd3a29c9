"""SDSS's subclasses, given as SDSS's pipeline gives them: by lines measured on the noisy spectrum.

Lines are fitted as the pipeline fits them (Bolton et al. 2012, AJ 144, 144, and the line list of
its public code): Gaussians at the known redshift, one width for the Balmer lines and one for all
others, doublets with fixed ratios, over stellar templates for galaxies and over straight lines
for quasars. The widths hold the instrument's, as the pipeline's do.

The rules: where [O III] 5007, H beta, [N II] 6583 and H alpha are all detected at 3 sigma, AGN or
star-forming by `common.mocks.galaxies.demarcation`, and STARBURST instead of STARFORMING where the
equivalent width of H alpha is above 50 Å (observed, as the pipeline measures it) at 3 sigma.
BROADLINE is added where any line is detected at 10 sigma with a dispersion that is above 200 km/s
by 5 sigma. A spectrum with none of these has no subclass: "".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.mocks.galaxies import demarcation
from common.mocks.instrument import REST_LOG0, REST_PIXELS, SDSS_COEFF0, STEP, rest_grid
from common.mocks.lines import C_KMS, LN10, VACUUM

BALMER, OTHER = 0, 1  # groups of lines that share a width
KMS_PER_PIXEL = C_KMS * STEP * LN10
# Windows that are fitted on their own: ends at rest for galaxies and for quasars (Å), and lines:
# name, group, members with the ratios that the pipeline fixes. Lyman alpha and N V are left out:
# the pipeline lets the first not count for BROADLINE, and the second sits on its wing.
WINDOWS = (
    (None, (1490, 1700), (("CIV", OTHER, (("CIV", 1.0),)),
                          ("HeII1640", OTHER, (("HeII1640", 1.0),)))),
    (None, (1830, 1985), (("CIII", OTHER, (("CIII", 1.0),)),)),
    (None, (2690, 2910), (("MgII", OTHER, (("MgII", 1.0),)),)),
    ((3695, 3765), (3640, 3820), (("OII3727", OTHER, (("OII3727", 1.0),)),
                                  ("OII3729", OTHER, (("OII3729", 1.0),)))),
    ((4825, 5040), (4700, 5130), (("Hb", BALMER, (("Hb", 1.0),)),
                                  ("OIII", OTHER, (("OIII", 1.0), ("OIII4959", 1 / 3))))),
    ((6505, 6775), (6390, 6800), (("Ha", BALMER, (("Ha", 1.0),)),
                                  ("NII", OTHER, (("NII", 1.0), ("NII6548", 1 / 3))),
                                  ("SII6716", OTHER, (("SII6716", 1.0),)),
                                  ("SII6731", OTHER, (("SII6731", 1.0),)))),
)  # fmt: skip
STELLAR = (3800.0, 7100.0)  # Å at rest: where stellar templates are the background of galaxies
N_TEMPLATES = 20
START = {"GALAXY": 105.0, "QSO": 2000.0}  # km/s: the pipeline's first guess of the dispersion
LIMITS = {"GALAXY": (60.0, 1200.0), "QSO": (100.0, 8000.0)}  # km/s
STEPS = 6  # of the widths towards the least chi2


@dataclass(frozen=True)
class Lines:
    """Measured lines: arrays of shape (n,) by the name of the line.

    Attributes
    ----------
    area, area_err : dict of str to ndarray
        Flux, in the spectrum's unit times Å, and its error; -1 where the line is not covered.
    sigma, sigma_err : dict of str to ndarray
        Dispersion with the instrument's, and its error, km/s.
    ew, ew_err : dict of str to ndarray
        Equivalent width, Å as observed, and its error; 0 and -1 without a continuum.
    """

    area: dict
    area_err: dict
    sigma: dict
    sigma_err: dict
    ew: dict
    ew_err: dict

    def detected(self, name, level):
        """Return where a line is covered and above this many errors, ndarray of bool (n,)."""
        return (self.area_err[name] > 0) & (self.area[name] > level * self.area_err[name])


def subclasses(lines):
    """Return SDSS's subclass of each spectrum by its measured lines.

    Parameters
    ----------
    lines : Lines

    Returns
    -------
    ndarray of str, shape (n,)
        "", "AGN", "STARFORMING", "STARBURST", "BROADLINE", or "AGN BROADLINE" and so on.
    """
    good = np.logical_and.reduce([lines.detected(k, 3) for k in ("OIII", "Hb", "Ha", "NII")])
    area = {k: np.where(good, lines.area[k], 1.0) for k in ("OIII", "Hb", "Ha", "NII")}
    n2, o3 = np.log10(area["NII"] / area["Ha"]), np.log10(area["OIII"] / area["Hb"])
    agn = o3 > demarcation(n2)
    strong = (lines.ew_err["Ha"] > 0) & (lines.ew["Ha"] > np.maximum(50, 3 * lines.ew_err["Ha"]))
    kind = np.where(agn, "AGN", np.where(strong, "STARBURST", "STARFORMING"))
    kind = np.where(good, kind, "")
    return np.strings.strip(np.strings.add(kind, np.where(is_broad(lines), " BROADLINE", "")))


def is_broad(lines):
    """Return where the pipeline adds BROADLINE to the subclass, ndarray of bool (n,)."""
    wide = [
        lines.detected(name, 10) & (lines.sigma[name] - 5 * lines.sigma_err[name] > 200)
        for name in lines.area
    ]
    return np.logical_or.reduce(wide)


class Pipeline:
    """Measures lines as SDSS's pipeline does, many spectra at a time.

    Parameters
    ----------
    galaxies : common.mocks.galaxies.Galaxies
        Whose populations are the stellar background of galaxies.
    """

    def __init__(self, galaxies):
        first, last = np.searchsorted(rest_grid(), STELLAR)
        self._stellar = slice(first, last)
        library = np.concatenate([part[:, self._stellar] for part in galaxies.library])
        components = np.linalg.svd(library.astype(float), full_matrices=False)[2][:N_TEMPLATES]
        columns = np.concatenate([components * np.sqrt(last - first), np.ones((1, last - first))])
        self._templates = columns.T.astype(np.float32)
        self._pairs = np.triu_indices(len(columns))
        self._products = (columns[self._pairs[0]] * columns[self._pairs[1]]).T.astype(np.float32)
        wave = rest_grid()[self._stellar]
        names = [m for *_, parts in WINDOWS for _, _, members in parts for m, _ in members]
        near = [np.abs(np.log(wave / VACUUM[name])) < 700 / C_KMS for name in (*names, "Hg", "Hd")]
        self._free = ~np.logical_or.reduce(near)

    def measure(self, flux, ivar, *, z, kind, log0=SDSS_COEFF0):
        """Fit the lines of spectra on SDSS's grid of wavelengths.

        Parameters
        ----------
        flux, ivar : ndarray of shape (n, n_pixels)
            Noisy flux and inverse variance (0 where bad), steps of 1e-4 in log10 wavelength.
        z : ndarray of shape (n,)
        kind : {"GALAXY", "QSO"}
            As the pipeline's CLASS: says what the background is.
        log0 : float
            log10 of the first wavelength, Å, vacuum.

        Returns
        -------
        Lines
        """
        start = (log0 - np.log10(1 + np.asarray(z)) - REST_LOG0) / STEP
        offset = np.round(start).astype(int)
        stars = self._background(flux, ivar, offset) if kind == "GALAXY" else None
        windows = []
        for galaxy, quasar, parts in WINDOWS:
            ends = galaxy if kind == "GALAXY" else quasar
            if ends is not None:
                windows.append(_Window(ends, parts, flux, ivar, start, offset, stars))
        log_sigma, covariance = _tied_widths(windows, len(flux), kind)
        found = [{} for _ in range(6)]
        absent = np.zeros(len(flux)), np.full(len(flux), -1.0)
        for *_, parts in WINDOWS:
            for name, *_ in parts:
                for out, value in zip(found, (*absent, *absent, *absent), strict=True):
                    out[name] = value
        for window in windows:
            window.report(found, log_sigma, covariance, z)
        return Lines(*found)

    def _background(self, flux, ivar, offset):
        """Return the stellar background on the templates' grid (n, REST_PIXELS), 0 outside."""
        y, weight = _at_rest(flux, ivar, offset, self._stellar)
        weight = weight * self._free
        size = self._templates.shape[1]
        gram = np.empty((len(y), size, size))
        gram[:, self._pairs[0], self._pairs[1]] = weight @ self._products
        gram[:, self._pairs[1], self._pairs[0]] = gram[:, self._pairs[0], self._pairs[1]]
        scale = np.einsum("nii->n", gram) / size
        gram += 1e-6 * (scale + 1e-30)[:, None, None] * np.eye(size)
        right = (weight * y) @ self._templates
        weights = np.linalg.solve(gram, right[..., None].astype(float))[..., 0]
        out = np.zeros((len(y), REST_PIXELS), dtype=np.float32)
        out[:, self._stellar] = weights.astype(np.float32) @ self._templates.T
        return out


def _at_rest(flux, ivar, offset, pixels):
    """Return flux and ivar at pixels of the templates' grid; ivar 0 beyond the spectrum."""
    index = np.arange(pixels.start, pixels.stop) - offset[:, None]
    inside = (index >= 0) & (index < flux.shape[1])
    index = np.clip(index, 0, flux.shape[1] - 1)
    weight = np.where(inside, np.take_along_axis(ivar, index, axis=1), 0)
    return np.where(weight > 0, np.take_along_axis(flux, index, axis=1), 0), weight


class _Window:
    """A stretch of spectra with its lines over a straight line: linear but for the widths."""

    def __init__(self, ends, parts, flux, ivar, start, offset, stars):
        first, last = np.searchsorted(rest_grid(), ends)
        pixels = slice(first, last)
        y, weight = _at_rest(flux, ivar, offset, pixels)
        self.rows = np.flatnonzero((weight > 0).mean(axis=1) > 0.3)
        y, self.weight = y[self.rows], weight[self.rows]
        self.stars = None if stars is None else stars[self.rows, pixels]
        self.y = y if stars is None else y - self.stars
        self.pixel = np.arange(first, last) - (offset - start)[self.rows, None]
        self.names, self.groups, self.members = zip(*parts, strict=True)
        self.groups = np.array(self.groups)
        x = np.linspace(-1, 1, last - first, dtype=np.float32)
        level = np.ones_like(x)
        self.straight = np.broadcast_to(np.stack([level, x]), (len(y), 2, len(x)))

    def normal(self, log_sigma):
        """Return what least squares need at these widths: solution, and terms of the widths.

        Parameters
        ----------
        log_sigma : ndarray of shape (n, 2)
            ln of the dispersions in pixels, of all spectra.
        """
        sigma = np.exp(log_sigma[self.rows])
        profiles, slopes = [], []
        for group, members in zip(self.groups, self.members, strict=True):
            own = sigma[:, group, None]
            profile = slope = 0.0
            for name, ratio in members:
                centre = (np.log10(VACUUM[name]) - REST_LOG0) / STEP
                u = ((self.pixel - centre) / own).astype(np.float32) ** 2
                shape = np.exp(-0.5 * u) * (ratio / (np.sqrt(2 * np.pi) * own)).astype(np.float32)
                profile, slope = profile + shape, slope + shape * (u - 1)
            profiles.append(profile)
            slopes.append(slope)
        size = len(profiles)
        columns = np.concatenate(
            [np.stack(profiles, axis=1), self.straight, np.stack(slopes, axis=1)], axis=1
        )
        weighted = columns * self.weight[:, None, :]
        gram = (weighted @ columns.transpose(0, 2, 1)).astype(float)
        right = (weighted @ self.y[..., None])[..., 0].astype(float)
        n = size + 2
        diagonal = np.arange(n)
        ridge = 1e-6 * gram[:, diagonal, diagonal] + 1e-20
        gram[:, diagonal, diagonal] += ridge
        inverse = np.linalg.inv(gram[:, :n, :n])
        value = (inverse @ right[:, :n, None])[..., 0]
        # Columns of the widths: each line's slope times its area, summed by group.
        mix = np.zeros((len(value), size, 2))
        mix[:, np.arange(size), self.groups] = value[:, :size]
        cross = gram[:, :n, n:] @ mix
        own = mix.transpose(0, 2, 1) @ gram[:, n:, n:] @ mix
        pull = (mix.transpose(0, 2, 1) @ right[:, n:, None])[..., 0]
        pull -= (cross.transpose(0, 2, 1) @ value[..., None])[..., 0]
        lever = inverse @ cross
        return value, inverse, lever, own - cross.transpose(0, 2, 1) @ lever, pull

    def report(self, found, log_sigma, covariance, z):
        """Put the measured lines of this window into the six dictionaries of `Lines`."""
        value, inverse, lever, *_ = self.normal(log_sigma)
        spread = inverse + lever @ covariance[self.rows] @ lever.transpose(0, 2, 1)
        kms = np.exp(log_sigma[self.rows]) * KMS_PER_PIXEL
        kms_err = kms * np.sqrt(np.einsum("nii->ni", covariance[self.rows]))
        size = len(self.names)
        for k, (name, group) in enumerate(zip(self.names, self.groups, strict=True)):
            centre = (np.log10(VACUUM[name]) - REST_LOG0) / STEP
            away = np.abs(self.pixel - centre)
            near = away < 5 * np.exp(log_sigma[self.rows, group])[:, None]
            seen = ((self.weight > 0) & near).sum(axis=1) >= 4
            angstrom = VACUUM[name] * (1 + np.asarray(z)[self.rows]) * LN10 * STEP
            area, area_err = value[:, k] * angstrom, np.sqrt(spread[:, k, k]) * angstrom
            at = np.argmin(away, axis=1)
            x = 2 * at / (self.y.shape[1] - 1) - 1
            level = value[:, size] + x * value[:, size + 1]
            error = np.sqrt(spread[:, size, size] + x**2 * spread[:, size + 1, size + 1])
            if self.stars is not None:
                level = level + self.stars[np.arange(len(at)), at]
            lit = seen & (level > 0)
            safe = np.where(lit, level, 1.0)
            width_err = area_err / safe + np.abs(area) * error / safe**2
            values = (
                (area, area_err, seen), (kms[:, group], kms_err[:, group], seen),
                (area / safe, width_err, lit),
            )  # fmt: skip
            for i, (measured, error, good) in enumerate(values):
                for j, (number, default) in enumerate(((measured, 0.0), (error, -1.0))):
                    out = np.full(len(log_sigma), default)
                    out[self.rows] = np.where(good, number, default)
                    found[2 * i + j][name] = out


def _tied_widths(windows, n, kind):
    """Return ln of both groups' dispersions in pixels (n, 2) and its covariance (n, 2, 2)."""
    low, high = np.log(np.array(LIMITS[kind]) / KMS_PER_PIXEL)
    log_sigma = np.full((n, 2), np.log(START[kind] / KMS_PER_PIXEL))
    for step in range(STEPS + 1):
        curvature = np.zeros((n, 2, 2)) + np.eye(2)  # a width that nothing shows stays as it is
        pull = np.zeros((n, 2))
        for window in windows:
            *_, own, towards = window.normal(log_sigma)
            curvature[window.rows] += own
            pull[window.rows] += towards
        covariance = np.linalg.inv(curvature)
        if step < STEPS:
            move = (covariance @ pull[..., None])[..., 0]
            log_sigma = np.clip(log_sigma + np.clip(move, -0.5, 0.5), low, high)
    return log_sigma, covariance
