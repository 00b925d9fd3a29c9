"""The trained networks of a run, and what they say of prepared spectra."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common import runs
from common.errors import ReadError
from common.fitting import load_model
from solarlike_distance import distance
from solarlike_distance.config import TARGETS, Config
from solarlike_distance.uncertainty import ErrorModel


@dataclass
class Networks:
    """The networks of one run.

    Attributes
    ----------
    config : Config
    models : list of keras.Model
        One for each trained fold: prepared flux -> the five labels in physical units. A
        prediction is their mean.
    folds : list of int
        The fold that each was validated on.
    scaler : dict
        "mean" and "std" of the reference set's labels, lists of 5: what z-scores were made with.
    scatter : dict of str to float
        Standard deviation of the residuals of each label on the test set; "mg" is sigma_M of the
        paper's distances (Eq. 3).
    correlation : float
        Between the residuals of M_G and of (BP-RP)_0.
    errors : dict of str to ErrorModel
        Per label; empty where there are too few stars to calibrate on.
    training_range : dict of str to (low, high)
        0.1 and 99.9 % of each label in the reference set.
    """

    config: Config
    models: list
    folds: list
    scaler: dict
    scatter: dict = field(default_factory=dict)
    correlation: float = 0.0
    errors: dict = field(default_factory=dict)
    training_range: dict = field(default_factory=dict)

    def sigmas(self, table, snr_g):
        """Return L_sigma of every label L: half-widths of calibrated 68 % intervals.

        The scatter on the test set for all stars alike where nothing could be calibrated.

        Parameters
        ----------
        table : DataFrame of n rows
            The columns L_pred.
        snr_g : array-like of shape (n,)

        Returns
        -------
        dict of str to ndarray of shape (n,)
        """
        return {
            f"{name}_sigma": self.errors[name].half_width(table, snr_g)
            if name in self.errors
            else np.full(len(table), self.scatter.get(name, np.nan))
            for name in TARGETS
        }


def model_path(run_dir, fold):
    """Return where the network validated on a fold is kept."""
    return Path(run_dir) / "models" / f"fold_{fold}.keras"


def load_networks(run_dir):
    """Load the trained networks of a run folder.

    Raises
    ------
    ReadError
        If the folder holds no run, or its training is not finished.
    """
    config, about = runs.read_config(run_dir, Config)
    missing = [k for k in ("folds", "scaling", "scatter", "errors") if k not in about]
    folds = about.get("folds", [])
    missing += [p.name for p in (model_path(run_dir, k) for k in folds) if not p.exists()]
    if missing and config.tuned_from:
        raise ReadError(
            run_dir, f"no {', '.join(missing)}", "a run whose tuning is finished",
            f"Finish it: python -m solarlike_distance.tune --from {config.tuned_from} --run-dir "
            f"{run_dir} --resume, with the same options.",
        )  # fmt: skip
    runs.check_finished(run_dir, config, missing)
    return Networks(
        config=config,
        models=[load_network(model_path(run_dir, k), config) for k in folds],
        folds=folds,
        scaler=about["scaling"],
        scatter=about["scatter"],
        correlation=about.get("correlation", 0.0),
        errors={k: ErrorModel.from_dict(v) for k, v in about["errors"].items()},
        training_range=about.get("training_range", {}),
    )


def load_network(path, config):
    """Load one network: `common.fitting.load_model`."""
    from solarlike_distance.model import build_model

    return load_model(path, config, lambda: build_model(config))


def members_predict(networks, x):
    """Return what every network says, ndarray of shape (n_members, n, 5), float64."""
    from common.inference import predict

    return np.stack([predict(model, x) for model in networks.models]).astype(float)


def predicted(networks, x, snr_g=None):
    """Run the networks on prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels)
        From `preprocess`.
    snr_g : ndarray of shape (n,), optional
        S/N_g, which the errors depend on; unknown by default.

    Returns
    -------
    DataFrame of n rows
        L_pred and L_sigma of the five labels L (teff in K, logg and feh in dex, mg and bprp in
        mag), and, with more than one network, L_spread: their standard deviation, no error.
    """
    return described(networks, members_predict(networks, x), snr_g)


def described(networks, members, snr_g=None):
    """Return the columns of `predicted` from what the networks said (`members_predict`)."""
    mean = members.mean(axis=0)
    table = pd.DataFrame({f"{name}_pred": mean[:, k] for k, name in enumerate(TARGETS)})
    if snr_g is None:
        snr_g = np.full(len(table), np.nan)
    table = table.assign(**networks.sigmas(table, np.asarray(snr_g, float)))
    if len(members) > 1:
        spread = members.std(axis=0)
        table = table.assign(**{f"{n}_spread": spread[:, k] for k, n in enumerate(TARGETS)})
    return table


def with_distances(networks, table, **options):
    """Return predictions with their distances; see `solarlike_distance.distance.columns`.

    Parameters
    ----------
    networks : Networks
    table : DataFrame
        Columns of `predicted` and Gaia's magnitudes.
    **options
        ag and ag_error.
    """
    columns = distance.columns(
        table, sigma_m=networks.scatter["mg"], correlation=networks.correlation, **options
    )
    return table.assign(**{name: columns[name].to_numpy() for name in columns})
