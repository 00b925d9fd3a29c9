"""Is a distribution of [alpha/M] two sequences or one? Mixtures, their BIC, and the valley."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

FEWEST = 100  # stars that a measurement needs
SLICE = (-0.6, -0.1)  # dex in metallicity: where the two sequences of the disc are apart
BIC_LIMIT = 10.0  # "very strong" evidence (Kass & Raftery 1995)
LEAST_WEIGHT = 0.05  # a component of fewer stars is a tail or outliers
RESAMPLES = 20
GRID = 600
COLUMNS = (
    "n", "bic_difference", "valley", "valley_error", "p_valley", "valley_counted", "mean_low",
    "mean_high", "sigma_low", "sigma_high", "weight_high", "bimodal",
)  # fmt: skip


def bimodality(values, *, n_resamples=RESAMPLES, seed=1):
    """Fit one and two Gaussians to a sample and look for a valley between two peaks.

    Parameters
    ----------
    values : array-like of shape (n,)
        [alpha/M] in dex; NaN left out.
    n_resamples : int
        Bootstrap samples for the valley's error.
    seed : int

    Returns
    -------
    dict
        n; bic_difference: BIC of one component minus that of two, positive where two are better;
        valley: density of the two-component mixture at its lowest point between its peaks over
        the density of the lower peak, 1 where there is a single peak; valley_error: its bootstrap
        standard deviation; p_valley: fraction of the bootstrap samples with two peaks (both NaN
        where the sample itself has one);
        valley_counted: the same ratio as valley, of stars counted in a running window, without a
        model; means, standard deviations and the weight of the component of
        higher mean; bimodal. With fewer than 100 stars all but n are NaN and bimodal is None.

    Notes
    -----
    A skewed or long-tailed single population is also fitted better by two Gaussians: the BIC alone
    would call it bimodal. It has no valley. Bimodal here therefore means all of: BIC difference
    above 10, two peaks in the fitted density and in 95 % of the bootstrap samples, fewer stars
    counted in the valley than in the lower peak by three standard deviations (two Gaussians fitted
    to a flat distribution have a valley that the stars have not), and at least 5 % of the stars in
    either component.
    """
    x = np.asarray(values, float)
    x = x[np.isfinite(x)]
    out = dict.fromkeys(COLUMNS, np.nan) | {"n": int(x.size), "bimodal": None}
    if x.size < FEWEST or np.ptp(x) == 0:
        return out
    middle, scale = np.median(x), max(x.std(), 1e-12)
    z = (x - middle) / scale
    one, two = _fit(z, 1), _fit(z, 2)
    order = np.argsort(two.means_.ravel())
    mean = two.means_.ravel()[order] * scale + middle
    sigma = np.sqrt(two.covariances_.ravel()[order]) * scale
    valley = _valley(two)
    rng = np.random.default_rng(seed)
    if valley == 1:  # a single peak stays one: nothing to resample
        n_resamples = 0
    draws = [_valley(_fit(z[rng.integers(0, z.size, z.size)], 2, start=two))
             for _ in range(n_resamples)]  # fmt: skip
    counted, significance = _counted(z, two)
    delta = float(one.bic(z[:, None]) - two.bic(z[:, None]))
    p_valley = float(np.mean(np.array(draws) < 1)) if draws else np.nan
    out |= {
        "bic_difference": delta,
        "valley": valley,
        "valley_error": float(np.std(draws, ddof=1)) if len(draws) > 1 else np.nan,
        "p_valley": p_valley,
        "valley_counted": counted,
        "mean_low": float(mean[0]),
        "mean_high": float(mean[1]),
        "sigma_low": float(sigma[0]),
        "sigma_high": float(sigma[1]),
        "weight_high": float(two.weights_[order[1]]),
        "bimodal": bool(
            delta > BIC_LIMIT
            and valley < 1
            and not p_valley < 0.95
            and significance > 3
            and two.weights_.min() >= LEAST_WEIGHT
        ),
    }
    return out


def _fit(z, k, start=None):
    """Return a fitted mixture of k Gaussians; `start`: begin at this one's values."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    options = dict(tol=1e-4, max_iter=500, random_state=0, reg_covar=1e-5)
    if start is not None:
        options |= dict(
            init_params="random",  # the default would run k-means although every start is given
            weights_init=start.weights_,
            means_init=start.means_,
            precisions_init=start.precisions_,
        )
    with warnings.catch_warnings():  # the last step of a slow fit is as good as any
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(k, **options).fit(z[:, None])


def _valley(mixture):
    """Return the density at the valley over that of the lower peak; 1 with a single peak."""
    mean = mixture.means_.ravel()
    x = np.linspace(mean.min(), mean.max(), GRID)  # both peaks lie between the two means
    p = np.exp(mixture.score_samples(x[:, None]))
    low = int(np.argmin(p))
    return float(p[low] / min(p[: low + 1].max(), p[low:].max()))


def _counted(z, mixture):
    """Return the deepest valley in running counts over the lower peak, and its significance.

    The window is a quarter of the distance between the components wide; it runs from one standard
    deviation below the lower mean to one above the higher. Significance is the difference of the
    two counts over its Poisson error.
    """
    order = np.argsort(mixture.means_.ravel())
    mean, sigma = mixture.means_.ravel()[order], np.sqrt(mixture.covariances_.ravel()[order])
    half, z = (mean[1] - mean[0]) / 8, np.sort(z)
    x = np.linspace(mean[0] - sigma[0], mean[1] + sigma[1], GRID)
    n = np.searchsorted(z, x + half, side="right") - np.searchsorted(z, x - half)
    peak = np.minimum(np.maximum.accumulate(n), np.maximum.accumulate(n[::-1])[::-1])
    significance = (peak - n) / np.sqrt(np.maximum(peak + n, 1))
    best = int(np.argmax(significance))
    return float(n[best] / max(peak[best], 1)), float(significance[best])


def bimodality_table(samples, *, bins, slices=(None, SLICE), **options):
    """Measure samples of ([M/H] or [Fe/H], [alpha/M]) in bins of R and |Z|.

    Parameters
    ----------
    samples : dict of str to (metallicity, alpha)
        Name, such as "APOGEE labels" → two ndarrays of shape (n,), in dex.
    bins : dict of str to ndarray of bool, shape (n,)
        Name of a bin → its stars.
    slices : sequence of None or (low, high)
        Metallicities to restrict to; None: all.
    **options
        To `bimodality`.

    Returns
    -------
    DataFrame
        bin, metallicity, values (the sample's name) and the results of `bimodality`; bins in which
        no sample has 100 stars are left out.
    """
    rows = []
    for name, here in bins.items():
        for part in slices:
            found = []
            for sample, (metal, alpha) in samples.items():
                metal = np.asarray(metal, float)
                keep = here if part is None else here & (metal > part[0]) & (metal < part[1])
                text = "all" if part is None else f"{part[0]:g} to {part[1]:g}"
                found.append({"bin": name, "metallicity": text, "values": sample,
                              **bimodality(np.asarray(alpha, float)[keep], **options)})  # fmt: skip
            if any(r["n"] >= FEWEST for r in found):
                rows += found
    return pd.DataFrame(rows, columns=["bin", "metallicity", "values", *COLUMNS])
