"""Gaia XP spectra: 55 + 55 coefficients of BP and RP, and flux sampled in wavelength.

GaiaXPy (extra ``gaia``) turns coefficients into flux: in every band a spectrum is a sum of basis
functions (De Angeli et al. 2023, A&A 674, A2), which it calibrates and joins between 635 and 643 nm
(Montegriffo et al. 2023, A&A 674, A3). The way back is a fit on the same functions.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from common.errors import SuiteError, UsageError
from common.surveys.gaia_tables import read_gaia_table

N_COEFFICIENTS = 55  # of each band
N_CORRELATIONS = N_COEFFICIENTS * (N_COEFFICIENTS - 1) // 2
BANDS = ("bp", "rp")
SAMPLING = np.arange(336.0, 1021.0, 2.0)  # nm, GaiaXPy's default
UNIT = "W / (m2 nm)"
PRECISION = 1e-5  # of the mean flux: assumed error of a flux that comes without one
TRIANGLE = np.tril_indices(N_COEFFICIENTS, -1)  # the archive's order of correlations


@dataclass
class XPCoefficients:
    """Coefficients of XP continuous spectra.

    Attributes
    ----------
    source_id : ndarray of int64, shape (n,)
    bp, rp : ndarray of shape (n, 55)
        Rows of NaN where a band is missing.
    bp_error, rp_error : ndarray of shape (n, 55)
    bp_correlations, rp_correlations : ndarray of shape (n, 1485), or None
        Lower triangles of the correlation matrices, by rows; None where a file has none, and then
        coefficients count as uncorrelated.
    """

    source_id: np.ndarray
    bp: np.ndarray
    rp: np.ndarray
    bp_error: np.ndarray
    rp_error: np.ndarray
    bp_correlations: np.ndarray | None = None
    rp_correlations: np.ndarray | None = None

    def __len__(self):
        return len(self.source_id)

    def __getitem__(self, rows):
        """Return the chosen rows (slice, mask or index array)."""
        index = np.atleast_1d(np.arange(len(self))[rows])
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return XPCoefficients(**{k: None if v is None else v[index] for k, v in values.items()})

    @classmethod
    def concatenate(cls, parts):
        """Join coefficients; where only some have correlations, the others count as without."""
        parts = list(parts)

        def join(name):
            values = [getattr(part, name) for part in parts]
            if all(v is None for v in values):
                return None
            none = [np.zeros((len(part), N_CORRELATIONS), np.float32) for part in parts]
            return np.concatenate(
                [n if v is None else v for v, n in zip(values, none, strict=True)]
            )

        return cls(**{f.name: join(f.name) for f in fields(cls)})

    @property
    def has_bp(self):
        """True where BP is there, ndarray of bool, shape (n,)."""
        return np.isfinite(self.bp).all(axis=1)

    @property
    def has_rp(self):
        """True where RP is there, ndarray of bool, shape (n,)."""
        return np.isfinite(self.rp).all(axis=1)


def read_xp(path, *, rejects=None):
    """Read XP coefficients of one or many sources.

    Parameters
    ----------
    path : path-like
        csv, ecsv, FITS or VOTable, plain or gzipped: XP_CONTINUOUS of DataLink or the bulk download
        (bp_coefficients, ... as arrays), or a flat table (bp_coeff_0, ..., e_bp_coeff_0, ...).
    rejects : list of dict, optional
        Gets the rows without a source_id; without it a warning counts them.

    Returns
    -------
    XPCoefficients
        A source without BP or RP has NaN there.

    Raises
    ------
    ReadError
        If the file is damaged, has no coefficients, another number of them, or a source twice.
    """
    arrays = [f"{b}_coefficient{end}" for b in BANDS for end in ("s", "_errors", "_correlations")]
    flat = [f"{e}{b}_coeff_{i}" for e in ("", "e_") for b in BANDS for i in range(N_COEFFICIENTS)]
    table = read_gaia_table(path, want=[*arrays, *flat], rejects=rejects)
    if any(f"{band}_coefficients" in table for band in BANDS):

        def get(band, what):
            length = N_CORRELATIONS if what == "_correlations" else N_COEFFICIENTS
            return table.vectors(f"{band}_coefficient{what}", length)

    elif "bp_coeff_0" in table and "rp_coeff_0" in table:

        def get(band, what):
            start = f"e_{band}" if what == "_errors" else band
            return np.stack([table.numbers(f"{start}_coeff_{i}") for i in range(55)], axis=1)

    else:
        raise table.error(
            "no XP coefficients",
            "columns bp_coefficients and rp_coefficients, or bp_coeff_0 ... and rp_coeff_0 ...",
            "Fetch the product XP_CONTINUOUS; sampled spectra (XP_SAMPLED) are another one.",
        )
    values = {}
    for band in BANDS:
        values[band], values[f"{band}_error"] = get(band, "s"), get(band, "_errors")
        if f"{band}_coefficient_correlations" in table:
            values[f"{band}_correlations"] = get(band, "_correlations")
    out = XPCoefficients(source_id=table.ids(), **values)
    if not np.any(out.has_bp | out.has_rp):
        raise table.error("no source has a complete BP or RP spectrum", "55 coefficients of a band")
    return out


def _calibrate(frame):
    """Return (flux, flux_error) of shape (n, 343) from GaiaXPy."""
    import matplotlib

    try:
        # The public function is this one with a progress bar that cannot be turned off. Its import
        # switches on LaTeX for all figures of the process, which few machines have.
        with matplotlib.rc_context():
            from gaiaxpy.calibrator.calibrator import _calibrate as calibrate
    except ImportError:
        raise UsageError(
            "GaiaXPy, which turns XP coefficients into flux, is not installed. "
            'Install it: pip install -e ".[gaia]"'
        ) from None
    # Small products of matrices, for which several threads only wait for each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        spectra, wavelength = calibrate(frame, save_file=False, disable_info=True)
    if not np.array_equal(wavelength, SAMPLING):
        raise SuiteError(
            "This version of GaiaXPy samples other wavelengths than 336, 338 ... 1020 nm. "
            'Install the tested one: pip install -e ".[gaia]"'
        )
    return np.stack(spectra["flux"]), np.stack(spectra["flux_error"])


def _frame(part, bands):
    """Return coefficients as GaiaXPy takes them; bands that are not named are missing."""
    frame = {"source_id": part.source_id}
    for band in BANDS:
        have = band in bands
        correlations = getattr(part, f"{band}_correlations")
        if have and correlations is None:
            correlations = [np.eye(N_COEFFICIENTS)] * len(part)
        # The covariance is scaled down and up again by the standard deviation of the fit, so that
        # any value gives the same errors.
        frame |= {
            f"{band}_n_parameters": N_COEFFICIENTS if have else np.nan,
            f"{band}_standard_deviation": 1.0 if have else np.nan,
            f"{band}_coefficients": list(getattr(part, band)) if have else np.nan,
            f"{band}_coefficient_errors": list(getattr(part, f"{band}_error")) if have else np.nan,
            f"{band}_coefficient_correlations": list(correlations) if have else np.nan,
        }
    return pd.DataFrame(frame)


def to_sampled(coefficients, *, chunk=5000):
    """Return flux at 336, 338 ... 1020 nm from coefficients, by GaiaXPy.

    Parameters
    ----------
    coefficients : XPCoefficients
    chunk : int
        Sources given to GaiaXPy at a time; bounds the memory.

    Returns
    -------
    flux, flux_error : ndarray of shape (n, 343), float64
        W m-2 nm-1. A source without RP has NaN from 643 nm on, one without BP up to 635 nm, as
        GaiaXPy leaves them; these are no full spectra and `normalised` makes them rows of NaN.

    Raises
    ------
    UsageError
        If GaiaXPy is not installed.
    """
    flux = np.full((len(coefficients), len(SAMPLING)), np.nan)
    error = flux.copy()
    bp, rp = coefficients.has_bp, coefficients.has_rp
    for bands, rows in ((BANDS, bp & rp), (("bp",), bp & ~rp), (("rp",), rp & ~bp)):
        rows = np.flatnonzero(rows)
        for start in range(0, len(rows), chunk):
            at = rows[start : start + chunk]
            flux[at], error[at] = _calibrate(_frame(coefficients[at], bands))
    return flux, error


@lru_cache(maxsize=1)
def design_matrix():
    """Return the flux of each coefficient of value 1, for sources with both bands.

    ``flux = coefficients @ design_matrix()`` with BP's coefficients before RP's; hence the gradient
    of a label with respect to the coefficients is ``design_matrix() @ gradient_by_flux``.

    Returns
    -------
    ndarray of shape (110, 343), float64, read-only
        W m-2 nm-1 for each unit of a coefficient, what GaiaXPy makes of unit vectors.
    """
    units, ones = np.eye(2 * N_COEFFICIENTS), np.ones((2 * N_COEFFICIENTS, N_COEFFICIENTS))
    matrix, _ = to_sampled(
        XPCoefficients(
            source_id=np.arange(2 * N_COEFFICIENTS),
            bp=units[:, :N_COEFFICIENTS],
            rp=units[:, N_COEFFICIENTS:],
            bp_error=ones,
            rp_error=ones,
        )
    )
    matrix.flags.writeable = False
    return matrix


def from_sampled(flux, flux_error=None, *, source_id=None):
    """Return the coefficients that give a sampled flux: weighted least squares with a prior.

    The 343 samples fix about 90 of the 110 directions in the space of coefficients; along the
    others no sample changes by more than 1e-5 of what it does along the best one: what lies outside
    336-1020 nm, what BP and RP lose to each other in their overlap, and what is finer than 2 nm.
    There the prior decides: a normal distribution about 0, of width A for c_0 and A k^-1.5 / 2 for
    c_k, with A from the mean flux; real sources lie several times closer to 0. So the flux comes
    back (to 1e-5 of its median for nearly all real sources), but not each coefficient for itself.
    Correlations between BP and RP are not kept.

    Parameters
    ----------
    flux : ndarray of shape (n, 343)
        On the grid of `to_sampled`, in W m-2 nm-1; NaN where missing.
    flux_error : ndarray of shape (n, 343), optional
        Taken as uncorrelated. By default 1e-5 of the mean flux, and no errors are returned.
    source_id : array-like of int, shape (n,), optional
        By default 0 to n - 1.

    Returns
    -------
    XPCoefficients
        NaN for rows without flux.

    Raises
    ------
    SuiteError
        If shapes are wrong.
    """
    flux = np.atleast_2d(np.asarray(flux, dtype=float))
    error = None if flux_error is None else np.atleast_2d(np.asarray(flux_error, dtype=float))
    if flux.shape[1] != len(SAMPLING) or (error is not None and error.shape != flux.shape):
        raise SuiteError(
            f"Flux and error must have the shape (n, {len(SAMPLING)}). Received {flux.shape}"
            + ("." if error is None else f" and {error.shape}.")
        )
    n, size = len(flux), 2 * N_COEFFICIENTS
    order = np.tile(np.arange(N_COEFFICIENTS, dtype=float), 2)
    width = np.where(order > 0, 0.5 * np.maximum(order, 1) ** -1.5, 1.0)
    unit = np.mean(np.abs(design_matrix()[0] + design_matrix()[N_COEFFICIENTS]))
    basis = design_matrix() * (width / unit)[:, None]  # for coefficients in units of A x width
    good = np.isfinite(flux)
    if error is not None:
        good &= np.isfinite(error) & (error > 0)
    count = good.sum(axis=1)
    level = np.sum(np.abs(flux), axis=1, where=good) / np.maximum(count, 1)
    values, errors = np.full((2, n, size), np.nan)
    correlations = None if error is None else np.full((2, n, N_CORRELATIONS), np.nan, np.float32)
    common = basis @ basis.T / PRECISION**2 + np.eye(size)
    with threadpool_limits(1):
        for row in np.flatnonzero(level > 0):
            target = np.where(good[row], flux[row], 0.0) / level[row]
            weight = np.full(len(SAMPLING), PRECISION**-2.0)
            if error is not None:
                weight = (level[row] / np.where(good[row], error[row], 1.0)) ** 2
            weight = np.where(good[row], weight, 0.0)
            same = error is None and good[row].all()
            normal = common if same else (basis * weight) @ basis.T + np.eye(size)
            scale = width * level[row] / unit
            values[row] = np.linalg.solve(normal, basis @ (weight * target)) * scale
            if error is not None:
                covariance = np.linalg.inv(normal)
                root = np.sqrt(np.diag(covariance))
                errors[row] = root * scale
                covariance /= np.outer(root, root)
                for band, at in enumerate((slice(N_COEFFICIENTS), slice(N_COEFFICIENTS, None))):
                    correlations[band, row] = covariance[at, at][TRIANGLE]
    source_id = np.arange(n) if source_id is None else np.asarray(source_id, dtype=np.int64)
    half = N_COEFFICIENTS
    return XPCoefficients(
        source_id=source_id,
        bp=values[:, :half],
        rp=values[:, half:],
        bp_error=errors[:, :half],
        rp_error=errors[:, half:],
        bp_correlations=None if correlations is None else correlations[0],
        rp_correlations=None if correlations is None else correlations[1],
    )


def normalised(flux, flux_error):
    """Return flux and error over the median flux, and the median.

    Parameters
    ----------
    flux, flux_error : ndarray of shape (n, 343)

    Returns
    -------
    flux, flux_error : ndarray of shape (n, 343), float32
        Of median 1. A row with a missing pixel (a source without BP or RP), or whose median is not
        positive, is NaN as a whole.
    medflux : ndarray of shape (n,), float64
        In the unit of the input; NaN for such rows.
    """
    flux, flux_error = np.asarray(flux, dtype=float), np.asarray(flux_error, dtype=float)
    median = np.median(flux, axis=1)  # NaN where a pixel is
    median = np.where(median > 0, median, np.nan)
    with np.errstate(invalid="ignore"):
        out, error = flux / median[:, None], flux_error / median[:, None]
    return out.astype(np.float32), error.astype(np.float32), median
