"""The template network of a run: loaded, calibrated, and what it says of prepared spectra."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from common import fitting, runs
from common.calibration import Calibration
from common.cli import progress
from gasnet2.config import SDSS_CLASSES
from gasnet2.templates.solutions import Solutions, probabilities, solve

BATCH = 256
LEAST = 1e-6  # probabilities are kept this far from 0 and 1
# Of ln p / (1 - p), where the slope of a calibration may change.
KNOTS = np.array([-14.0, *(np.log(p / (1 - p)) for p in (0.2, 0.5, 0.8, 0.95, 0.995)), 14.0])


@dataclass
class TemplateNetwork:
    """The network of one run, with its calibration.

    Attributes
    ----------
    config : gasnet2.config.Config
    model : keras.Model
    temperature : float
        That logits are divided by.
    right : dict of str to list of float
        Coarse class, or "all" -> coefficients of `fraction_right`.
    errors : common.calibration.Calibration or None
        Of z_err / (1 + z), by coarse class.
    """

    config: object
    model: object
    temperature: float = 1.0
    right: dict = field(default_factory=dict)
    errors: Calibration | None = None

    def logits(self, x):
        """Return the logits of prepared spectra, ndarray of shape (n, n_logits), float32."""
        from common.inference import compiled

        return compiled(self.model)(x)

    def probabilities(self, x):
        """Return the probabilities of all classes and redshifts, ndarray like the logits."""
        return probabilities(self.logits(x), self.temperature)

    def solutions(self, x, *, calibrate=True, each=False):
        """Return the `Solutions` of prepared spectra.

        Parameters
        ----------
        x : ndarray of shape (n, n_input)
        calibrate : bool
            Whether p and z_err are calibrated.
        each : bool
            As of `solve`.
        """
        p = self.probabilities(x)
        return self.calibrate(solve(p, self.config.classes, each=each), calibrate)

    def calibrate(self, found, calibrate=True):
        """Return solutions with calibrated probability and error."""
        if not calibrate or not self.right:
            return found
        found = replace(found, p=found.p.copy())
        for kind in np.unique(found.coarse.astype(str)):
            here = found.coarse == kind
            found.p[here] = fraction_right(found.p[here], self.right.get(kind, self.right["all"]))
        found.p_second = np.minimum(found.p_second, 1 - found.p)
        if self.errors is not None:
            relative = found.z_err / (1 + found.z)
            group = found.coarse.astype(str)
            found.z_err = self.errors.apply(sigma=relative, group=group) * (1 + found.z)
        return found

    def table(self, rows_of, labels, *, split):
        """Return `prediction_table` of labelled spectra."""
        return prediction_table(self, rows_of, labels, split=split)

    def about(self):
        """Return what config.json keeps of the calibration."""
        errors = None if self.errors is None else self.errors.to_dict()
        return {"temperature": self.temperature, "right": self.right, "errors": errors}


def ramps(p):
    """Return how far ln p / (1 - p) has come between each two of `KNOTS`, (n, len(KNOTS) - 1)."""
    p = np.clip(np.asarray(p, dtype=float), LEAST, 1 - LEAST)
    at = np.log(p / (1 - p))[:, None]
    low, high = KNOTS[:-1], KNOTS[1:]
    return np.clip(at, low, high) - np.clip(0.0, low, high)


def fraction_right(p, coefficients):
    """Return 1 / (1 + exp(-c - sum of s_k ramp_k)), ndarray of shape (n,).

    Parameters
    ----------
    p : ndarray of shape (n,)
        As the network says it.
    coefficients : list of float
        c, and the slope in ln p / (1 - p) between each two of `KNOTS`; 0, 1 ... 1 change nothing.
    """
    c, *slopes = coefficients
    return 1 / (1 + np.exp(-c - ramps(p) @ np.array(slopes)))


def load_model(path, config):
    """Load the network of a run for the precision of now."""
    from gasnet2.templates.model import build_templates

    return fitting.load_model(path, config, lambda: build_templates(config))


def load_network(run_dir, config, about):
    """Load the template network of a run folder.

    Raises
    ------
    ReadError
        If training has not come to its end.
    """
    path = Path(run_dir) / "models" / "templates.keras"
    runs.check_finished(run_dir, config, [] if path.exists() else [path.name])
    kept = about.get("calibration") or {}
    errors = kept.get("errors")
    return TemplateNetwork(
        config,
        load_model(path, config),
        kept.get("temperature", 1.0),
        kept.get("right", {}),
        Calibration.from_dict(errors) if errors else None,
    )


def solved(trained, rows_of, n, *, calibrate=True, each=False):
    """Return the `Solutions` of n spectra, in batches.

    Parameters
    ----------
    trained : TemplateNetwork
    rows_of : callable
        Row numbers -> network input.
    n : int
    calibrate, each : bool
        As of `TemplateNetwork.solutions`.
    """
    parts = []
    for start in progress(range(0, n, BATCH), desc="predict", unit="batch"):
        rows = np.arange(start, min(start + BATCH, n))
        parts.append(trained.solutions(rows_of(rows), calibrate=calibrate, each=each))
    return Solutions(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Solutions))
    )


def prediction_table(trained, rows_of, labels, *, split):
    """Predict labelled spectra: the table that `evaluate` reads.

    Parameters
    ----------
    trained : TemplateNetwork
    rows_of : callable
        Row numbers (ndarray of int) -> network input.
    labels : DataFrame
        As from `gasnet2.data.label_table`, n rows.
    split : ndarray of str, shape (n,)

    Returns
    -------
    DataFrame
        As `gasnet2.networks.prediction_table`, and p_right, coarse_pred; z_pred is the best
        redshift within the true class, z_routed_pred that of the best solution. z_err is of the
        best solution, where its coarse class is the true one.
    """
    if not len(labels):
        return pd.DataFrame()
    found = solved(trained, rows_of, len(labels), each=True)
    classes = np.array(trained.config.classes)
    code = {name: k for k, name in enumerate(classes)}
    true = labels["class"].map(code).fillna(-1).to_numpy(int)
    i, inside = np.arange(len(labels)), np.maximum(true, 0)
    table = pd.DataFrame({"id": labels["id"].to_numpy(), "split": split})
    for name in ("file", "snr", "vdisp"):
        table[name] = labels[name].to_numpy()
    table["class_true"], table["class_pred"] = labels["class"].to_numpy(), classes[found.best]
    table["class_err"] = 1.0 - found.p_class[i, found.best]
    table["coarse_true"], table["coarse_pred"] = labels["coarse"].to_numpy(), found.coarse
    table["p_right"] = found.p
    thirteen = [k for k, name in enumerate(classes) if name in SDSS_CLASSES]
    if thirteen:
        table["class_13_pred"] = classes[thirteen][found.p_class[:, thirteen].argmax(axis=1)]
    for k, name in enumerate(classes):
        table[f"p_{name}"] = found.p_class[:, k]
    coarse = labels["coarse"].to_numpy()
    star = np.isin(coarse, ("STAR", "NONE"))
    table["z_true"] = np.where(star, np.nan, labels["z"].to_numpy(float))
    table["v_true"] = np.where(coarse == "STAR", labels["z"].to_numpy(float), np.nan)
    same = found.coarse == coarse
    table["z_pred"] = np.where(true >= 0, found.z_class[i, inside], np.nan)
    table["z_err"] = np.where(same, found.z_err, np.nan)
    table["z_routed_pred"] = np.where(found.coarse == "NONE", np.nan, found.z)
    table["z_routed_err"] = found.z_err
    table["coarse_second"], table["z_second"] = found.coarse_second, found.z_second
    table["p_second"] = found.p_second
    return table
