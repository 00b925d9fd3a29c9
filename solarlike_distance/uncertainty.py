"""Errors of single stars: fitted and calibrated on predictions that training has not seen.

The paper's network gives no errors and is left as it is. How large the residuals of a label are
is described as a function of S/N_g and of the predicted labels, from the reference stars, each
predicted by the one network that was not trained on it; then it is made to cover what it says
(`common.calibration`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from common.calibration import Calibration, fit_calibration
from solarlike_distance.config import TARGETS

SNR_EDGES = (20.0, 50.0, 100.0)  # default: S/N_g between the groups that errors are calibrated in
FLOOR = 0.05  # default: residuals below this share of their median count as that
RIDGE = 1e-2  # default


@dataclass
class ErrorModel:
    """How large the error of one label is.

    Attributes
    ----------
    middle, spread, low, high : lists of 4
        Of log10 S/N_g, Teff, log g, [Fe/H]: what standardises them, and the range (of standardised
        values) that the model was fitted in; beyond it the nearest value there counts.
    weights : list
        Of the features (see `_features`), for the natural logarithm of the raw error.
    calibration : Calibration
        From raw errors to half-widths.
    shrink : float
        What the mean of the run's networks is better by than one of them, see `shrinkage`.
    """

    middle: list
    spread: list
    low: list
    high: list
    weights: list
    calibration: Calibration
    shrink: float = 1.0

    def raw(self, predicted, snr_g):
        """Return errors before calibration, ndarray of shape (n,)."""
        inputs = _inputs(predicted, snr_g)
        z = (inputs - np.array(self.middle)) / np.array(self.spread)
        z = np.clip(z, self.low, self.high)
        return np.exp(_features(np.where(np.isfinite(z), z, 0.0)) @ np.array(self.weights))

    def half_width(self, predicted, snr_g, level=0.68, *, single=False):
        """Return half-widths of intervals about the prediction, in the label's unit.

        Parameters
        ----------
        predicted : dict or DataFrame
            teff_pred, logg_pred, feh_pred of n stars.
        snr_g : array-like of shape (n,)
            NaN where unknown: then as a star of middling S/N has, calibrated on all.
        level : {0.38, 0.68, 0.86, 0.95}
        single : bool
            The prediction is one network's, not the mean of all: nothing is shrunk.

        Returns
        -------
        ndarray of shape (n,)
        """
        raw = self.raw(predicted, snr_g)
        group = snr_group(snr_g)
        shrink = 1.0 if single else self.shrink
        return shrink * self.calibration.interval(sigma=raw, group=group, level=level)

    def to_dict(self):
        """Return what JSON can hold; `from_dict` reads it back."""
        return asdict(self) | {"calibration": self.calibration.to_dict()}

    @classmethod
    def from_dict(cls, value):
        """Return the model that `to_dict` gave."""
        return cls(**value | {"calibration": Calibration.from_dict(value["calibration"])})


def snr_group(snr_g):
    """Return the group of S/N_g that an error is calibrated in, ndarray of str."""
    low, middle, high = SNR_EDGES
    names = np.array([f"below {low:g}", f"{low:g}-{middle:g}", f"{middle:g}-{high:g}",
                      f"{high:g} and above", "unknown"])  # fmt: skip
    snr_g = np.atleast_1d(np.asarray(snr_g, dtype=float))
    return names[np.where(np.isnan(snr_g), 4, np.digitize(snr_g, SNR_EDGES))]


def _inputs(predicted, snr_g):
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.log10(np.asarray(snr_g, float))
    labels = [np.asarray(predicted[f"{name}_pred"], float) for name in TARGETS[:3]]
    return np.stack([np.broadcast_to(snr, labels[0].shape), *labels], axis=1)


def _features(z):
    """Return (n, 8): 1, S/N and its square, Teff and its square, log g, [Fe/H] and its square."""
    snr, teff, logg, feh = z.T
    return np.stack([np.ones(len(z)), snr, snr**2, teff, teff**2, logg, feh, feh**2], axis=1)


def fit_errors(*, residual, predicted, snr_g):
    """Fit the error model of one label.

    Parameters
    ----------
    residual : ndarray of shape (n,)
        Predicted minus true of stars that the network was not trained on; NaN counts for nothing.
    predicted : dict or DataFrame
        teff_pred, logg_pred, feh_pred of the same stars.
    snr_g : ndarray of shape (n,)

    Returns
    -------
    ErrorModel

    Raises
    ------
    SuiteError
        If fewer than 40 stars have a residual.
    """
    residual = np.asarray(residual, float)
    inputs = _inputs(predicted, snr_g)
    inputs = np.where(np.isfinite(inputs), inputs, np.nan)
    use = np.isfinite(residual)
    middle, spread, low, high = np.zeros(4), np.ones(4), np.zeros(4), np.zeros(4)
    for k in range(4):
        known = inputs[use, k][np.isfinite(inputs[use, k])]
        if len(known):
            middle[k], spread[k] = np.median(known), max(known.std(), 1e-6)
            low[k], high[k] = (np.quantile(known, (0.01, 0.99)) - middle[k]) / spread[k]
    model = ErrorModel(*(v.tolist() for v in (middle, spread, low, high)), [0.0] * 8, None)
    size = np.abs(residual[use])
    if len(size):
        z = np.clip((inputs[use] - middle) / spread, low, high)
        features = _features(np.where(np.isfinite(z), z, 0.0))
        # Logarithms: one binary with a residual of ten errors must not shape the fit.
        y = np.log(size + FLOOR * np.median(size) + np.finfo(float).tiny)
        penalty = RIDGE * len(y) * np.diag([0.0] + [1.0] * 7)
        gram = features.T @ features + penalty
        model.weights = np.linalg.lstsq(gram, features.T @ y, rcond=None)[0].tolist()
    raw = model.raw(predicted, snr_g)
    model.calibration = fit_calibration(residual=residual, sigma=raw, group=snr_group(snr_g))
    return model


def shrinkage(members, residual):
    """Return how much smaller the errors of a mean are than those of one member.

    Parameters
    ----------
    members : ndarray of shape (n_members, n)
        One label, predicted by every member for spectra that none of them has seen. No true
        values are used.
    residual : ndarray
        Residuals of single members, predicted minus true.

    Returns
    -------
    float
        At most 1, and 1 for a single member.

    Notes
    -----
    The squared error of a mean is the members' mean squared error less their variance about the
    mean (Krogh & Vedelsby 1995, NIPS 7, Eq. 6), which needs no labels.
    """
    residual = np.asarray(residual, float)
    mean_square = np.mean(residual[np.isfinite(residual)] ** 2)
    if len(members) < 2 or not members.shape[1] or not mean_square > 0:
        return 1.0
    return float(np.sqrt(max(1 - np.var(members, axis=0).mean() / mean_square, 0.25)))
