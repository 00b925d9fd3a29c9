"""The trained networks of a run, and what they say of prepared spectra (Fig. 10a)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common import runs
from common.cli import progress
from common.fitting import load_model
from gasnet2.config import COARSE, Config

MIN_PROBABILITY = 0.1  # default: classes less probable than this get no redshift


@dataclass
class Networks:
    """The networks of one run.

    Attributes
    ----------
    config : Config
    classifier : keras.Model
        (n, n_pixels) -> (n, n_classes).
    redshift : dict of str to keras.Model
        For each class with a redshift network: (n, n_pixels) -> (n, members), redshifts.
    validation_mae : dict of str to float
        Validation MAE of each class: the limit of a robust redshift (Sect. 4.2.3).
    """

    config: Config
    classifier: object
    redshift: dict = field(default_factory=dict)
    validation_mae: dict = field(default_factory=dict)

    def table(self, rows_of, labels, *, split):
        """Return `prediction_table` of labelled spectra."""
        return prediction_table(self, rows_of, labels, split=split)


def load_networks(run_dir):
    """Load the trained networks of a run folder.

    Raises
    ------
    ReadError
        If the folder holds no run, or its training has not come to the classifier's end.
    """
    from common.ensemble import combine
    from gasnet2.model import build_classifier, build_redshift

    config, about = runs.read_config(run_dir, Config)
    if config.is_templates:
        from gasnet2.templates.networks import load_network

        return load_network(run_dir, config, about)
    models = Path(run_dir) / "models"
    first = models / "classifier.keras"
    runs.check_finished(run_dir, config, [] if first.exists() else [first.name])

    def ensemble():
        members = [build_redshift(config.n_pixels, 1, config) for _ in range(config.members)]
        return combine(members, scale=1 / config.z_scale)

    classifier = load_model(
        first,
        config,
        lambda: build_classifier(config.n_pixels, len(config.classes), config),
    )
    paths = {name: models / f"redshift_{name}.keras" for name in config.classes}
    redshift = {k: load_model(path, config, ensemble) for k, path in paths.items() if path.exists()}
    return Networks(config, classifier, redshift, about.get("validation_mae", {}))


def routed(networks, x, p, *, min_probability=MIN_PROBABILITY, all_classes=False):
    """Run only the redshift networks that matter for each object.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels)
        Normalised flux.
    p : ndarray of shape (n, n_classes)
        Class probabilities.
    min_probability : float
        A network runs for the objects whose class is at least this probable, and for those whose
        most probable class it is.
    all_classes : bool
        Run every network for every object (Eq. 1: the paper's triples).

    Returns
    -------
    mean, error, point : ndarrays of shape (n, n_classes)
        Ensemble mean, its error (Eq. 7-8) and the first member's value; NaN where not run, and
        0 for stars with `all_classes` (Eq. 1).
    """
    from common.ensemble import mean_and_error
    from common.inference import predict

    classes = networks.config.classes
    top = p.argmax(axis=1)
    shape = (len(x), len(classes))
    mean, error, point = (np.full(shape, np.nan) for _ in range(3))
    for k, name in enumerate(classes):
        if COARSE[name] == "STAR":
            if all_classes:
                mean[:, k] = error[:, k] = point[:, k] = 0.0
            continue
        if name not in networks.redshift:
            continue
        rows = (top == k) | (p[:, k] >= min_probability) | all_classes
        if not rows.any():
            continue
        z = predict(networks.redshift[name], x[rows])
        mean[rows, k], error[rows, k] = mean_and_error(z)
        point[rows, k] = z[:, 0]
    return mean, error, point


def prediction_table(networks, rows_of, labels, *, split, batch=2048):
    """Predict labelled spectra: the table that `evaluate` reads.

    Parameters
    ----------
    networks : Networks
    rows_of : callable
        Row numbers (ndarray of int) -> normalised flux of shape (n, n_pixels).
    labels : DataFrame
        As from `gasnet2.data.label_table`, n rows.
    split : ndarray of str, shape (n,)

    Returns
    -------
    DataFrame
        id, split, file, snr, vdisp; class_true, class_pred, class_err, coarse_true; p_CLASS for
        each class; z_true; z_pred, z_err, z_point_pred from the network of the true class (the
        paper's protocol, Sect. 4.2.2); z_routed_pred, z_routed_err from that of the predicted
        class (what a user gets).
    """
    from common.inference import predict

    classes = np.array(networks.config.classes)
    column = {name: k for k, name in enumerate(classes)}
    parts = []
    for start in progress(range(0, len(labels), batch), desc="predict", unit="batch"):
        here = labels.iloc[start : start + batch]
        x = rows_of(np.arange(start, start + len(here)))
        p = predict(networks.classifier, x)
        true = here["class"].map(column).fillna(-1).to_numpy(dtype=int)
        # One call serves both protocols: the probability of the true class is raised to certain.
        wanted = p.copy()
        wanted[np.flatnonzero(true >= 0), true[true >= 0]] = 1.0
        top = p.argmax(axis=1)
        mean, error, point = _both(networks, x, wanted, top)
        i = np.arange(len(here))
        inside = np.where(true >= 0, true, 0)
        table = pd.DataFrame({"id": here["id"].to_numpy(), "split": split[start : start + batch]})
        for name in ("file", "snr", "vdisp"):
            table[name] = here[name].to_numpy()
        table["class_true"], table["class_pred"] = here["class"].to_numpy(), classes[top]
        table["class_err"] = 1.0 - p[i, top]
        table["coarse_true"] = here["coarse"].to_numpy()
        for k, name in enumerate(classes):
            table[f"p_{name}"] = p[:, k]
        star = (here["coarse"] == "STAR").to_numpy()
        table["z_true"] = np.where(star, np.nan, here["z"].to_numpy(dtype=float))
        for name, values in (("z_pred", mean), ("z_err", error), ("z_point_pred", point)):
            table[name] = np.where(true >= 0, values[i, inside], np.nan)
        table["z_routed_pred"], table["z_routed_err"] = mean[i, top], error[i, top]
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _both(networks, x, wanted, top):
    p = np.where(wanted >= 1.0, 1.0, 0.0)
    p[np.arange(len(top)), top] = 1.0
    return routed(networks, x, p, min_probability=1.0)
