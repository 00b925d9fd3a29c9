"""The trained networks of a run, and what they say of stars, in physical units."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from common import runs
from common.calibration import Calibration
from common.errors import ReadError
from common.fitting import load_model
from common.inference import predict
from rvs_hybrid.config import DATASETS, GIANT, RVS, Config

FIRST = "python -m rvs_hybrid.train --run-dir DIR"


@dataclass
class Networks:
    """The networks of one run.

    Attributes
    ----------
    config : Config
    members : list of keras.Model
        Each dict of inputs -> (n, 2 n_labels), see `rvs_hybrid.model.build_model`.
    offset, scale : ndarrays of shape (n_labels,)
        Scaled labels times `scale` plus `offset` are K and dex.
    calibration : dict of str to Calibration
        Per label; empty before it is fitted.
    limits : dict
        Of the training set: see `rvs_hybrid.quality`.
    partial : dict of str to dict
        The same as `calibration` for stars that have only some inputs, by `pattern_of`.
    rvs_made : bool
        Whether it learned from RVS spectra that a model made.
    gaia : str
        The release whose parallaxes it learned from: "DR2" of the registry's stars, else "DR3".
    """

    config: Config
    members: list
    offset: np.ndarray
    scale: np.ndarray
    calibration: dict
    limits: dict
    partial: dict = field(default_factory=dict)
    rvs_made: bool = False
    gaia: str = "DR3"

    @property
    def rvs(self):
        """Where the RVS spectra of its training are from, in a word."""
        if self.config.is_mock:
            return "mock"
        if self.rvs_made:
            return RVS[1]
        return self.config.rvs if self.config.rvs in RVS else Path(self.config.rvs).name


def load_networks(run_dir, rule="held-out"):
    """Load the members that an ensemble keeps.

    Parameters
    ----------
    run_dir : path-like
    rule : {"held-out", "precursor"}
        See `rvs_hybrid.fitting`.

    Raises
    ------
    ReadError
        If the folder holds no run, or its training has not come to its end.
    """
    config, about = runs.read_config(run_dir, Config)
    if "kept" not in about:
        raise ReadError(
            run_dir,
            "a training that has not come to its end",
            "a finished run",
            f"Go on with it: {FIRST.replace('DIR', str(run_dir))} --resume, with its options.",
        )
    folder = Path(run_dir) / "models" / rule
    if not folder.is_dir() and len(set(map(tuple, about["kept"].values()))) == 1:
        folder = folder.with_name("held-out")  # a released network has the one ensemble
    paths = [folder / f"member_{number:02d}.keras" for number in about["kept"][rule]]
    return Networks(
        config=config,
        members=[load_model(path, config, partial(_build, path, config)) for path in paths],
        offset=np.array(about["scaling"]["offset"]),
        scale=np.array(about["scaling"]["scale"]),
        calibration={k: Calibration.from_dict(v) for k, v in about.get("calibration", {}).items()},
        limits=about.get("limits", {}),
        partial={
            pattern: {k: Calibration.from_dict(v) for k, v in labels.items()}
            for pattern, labels in about.get("calibration_partial", {}).items()
        },
        rvs_made=about.get("rvs_made", config.rvs == RVS[1]),
        gaia="DR2" if config.dataset == DATASETS[0] and about.get("data_dir") is None else "DR3",
    )


def _build(path, config):
    """Return the layers of a saved member; what they standardise with is stored with it."""
    import keras

    from rvs_hybrid.model import build_model, stored_statistics

    stored = keras.models.load_model(path, compile=False)
    return build_model(config, statistics=stored_statistics(stored))


def physical(networks, inputs):
    """Return what an ensemble says of stars.

    Parameters
    ----------
    networks : Networks
    inputs : dict of str to ndarray
        As `rvs_hybrid.inputs.inputs_of` gives them, n rows.

    Returns
    -------
    mean, aleatoric, spread : ndarrays of shape (n, n_labels)
        K and dex. Mean over members; root of the mean variance that they give (noise that more
        members do not take away); standard deviation over members.
    """
    out = np.stack([predict(model, inputs) for model in networks.members]).astype(float)
    n = len(networks.config.labels)
    means = out[:, :, :n] * networks.scale + networks.offset
    variances = np.exp(np.clip(out[:, :, n:], -10, 6)) * networks.scale**2
    return means.mean(axis=0), np.sqrt(variances.mean(axis=0)), means.std(axis=0)


def group(mean, config):
    """Return "giant" or "dwarf" by predicted log g, "unknown" without one, ndarray of shape (n,).

    Errors are calibrated in these groups.
    """
    if "logg" not in config.labels:
        return np.full(len(mean), "unknown")
    logg = mean[:, config.labels.index("logg")]
    return np.where(np.isnan(logg), "unknown", np.where(logg < GIANT, "giant", "dwarf"))


def pattern_of(inputs, config):
    """Return which inputs each star has, such as "xp+phot", ndarray of str, shape (n,)."""
    has = {k: np.isfinite(inputs[k]).all(axis=1) for k in config.inputs}
    n = len(next(iter(has.values())))
    return np.array(["+".join(k for k in config.inputs if has[k][i]) for i in range(n)], object)


def partial_patterns(config):
    """Return the sets of inputs that no star of the training set is left with, as tuples.

    All stars have what they were chosen for; only parallaxes are often missing. Errors of stars
    with less than that are calibrated apart.
    """
    usual = [config.inputs, tuple(k for k in config.inputs if k != "parallax")]
    every = [c for n in range(1, len(config.inputs)) for c in combinations(config.inputs, n)]
    return [c for c in every if c not in usual]


def columns(networks, inputs):
    """Return the prediction columns of some stars, a dict of str to ndarray of shape (n,).

    L_pred, L_aleatoric, L_ensemble, L_raw (both errors together) and, once the calibration is
    fitted, L_sigma (half-width of the calibrated 68 % interval), for each label L.
    """
    config = networks.config
    mean, aleatoric, spread = physical(networks, inputs)
    groups, out = group(mean, config), {}
    for i, label in enumerate(config.labels):
        raw = np.hypot(aleatoric[:, i], spread[:, i])
        out |= {
            f"{label}_pred": mean[:, i],
            f"{label}_aleatoric": aleatoric[:, i],
            f"{label}_ensemble": spread[:, i],
            f"{label}_raw": raw,
        }
        if label in networks.calibration:
            out[f"{label}_sigma"] = networks.calibration[label].apply(sigma=raw, group=groups)
    patterns = pattern_of(inputs, config) if networks.partial else np.array([])
    for pattern, calibrations in networks.partial.items():
        rows = patterns == pattern
        for label, calibration in calibrations.items():
            out.setdefault(f"{label}_sigma", out[f"{label}_raw"].copy())
            out[f"{label}_sigma"][rows] = calibration.apply(
                sigma=out[f"{label}_raw"][rows], group=groups[rows]
            )
    return out
