"""The trained networks of a run, and what they say of prepared spectra."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common import runs
from common.calibration import Calibration
from common.fitting import load_model
from lamost_metallicity.config import Config

NEEDED = ("regressor", "classifier", "error", "multitask")  # for a catalogue
NAMES = (*NEEDED, "mlp")
SNR_EDGES = (7.0, 15.0)  # default: S/N_r between the groups that errors are calibrated in
LABELS = ("file", "ra", "dec", "z", "snr_r", "petro_r", "bptclass", "is_sf", "in_oh", "in_class",
          "oh_true", "oh_true_err", "oh_planted", "lgm_fib_true", "lgm_tot_true", "sfr_true",
          "sfr_tot_true", "z_mpajhu", "specobjid")  # fmt: skip
STRONG_LINES = ("flux_", "ew_", "sigma_v", "shift_v", "n2", "o3n2", "oh_n2", "oh_o3n2", "pipe_")


@dataclass
class Networks:
    """The networks of one run.

    Attributes
    ----------
    config : Config
    models : dict of str to keras.Model
        regressor, classifier, error, multitask, and where it is kept the baseline mlp.
    calibration : Calibration or None
        From the error network's sigma to the error of the regressor's metallicity.
    training_range : dict of str to (low, high)
        1 and 99 % of oh, z and snr_r among the regressor's training galaxies.
    """

    config: Config
    models: dict
    calibration: Calibration | None = None
    training_range: dict = field(default_factory=dict)

    def errors(self, sigma, snr_r):
        """Return the columns of calibrated errors, NaN without a calibration.

        Parameters
        ----------
        sigma : array-like of shape (n,)
            Of the error network.
        snr_r : array-like of shape (n,)

        Returns
        -------
        dict of str to ndarray of shape (n,)
            oh_sigma, oh_half95: half-widths of 68 and 95 % intervals about the regressor's
            metallicity for the label, its noise included.
        """
        sigma, nothing = np.asarray(sigma, dtype=float), np.full(len(sigma), np.nan)
        names = {"oh_sigma": 0.68, "oh_half95": 0.95}
        if self.calibration is None:
            return dict.fromkeys(names, nothing)
        return {
            name: self.calibration.interval(sigma=sigma, group=snr_group(snr_r), level=level)
            for name, level in names.items()
        }


def load_networks(run_dir):
    """Load the trained networks of a run folder.

    Raises
    ------
    ReadError
        If the folder holds no run, or its training is not finished.
    """
    from lamost_metallicity.model import BUILDERS

    config, about = runs.read_config(run_dir, Config)
    folder = Path(run_dir) / "models"
    missing = [f"{name}.keras" for name in NEEDED if not (folder / f"{name}.keras").exists()]
    missing += [] if "calibration" in about else ["calibration"]
    runs.check_finished(run_dir, config, missing)
    models = {
        name: load_model(folder / f"{name}.keras", config, lambda name=name: BUILDERS[name](config))
        for name in NAMES
        if (folder / f"{name}.keras").exists()
    }
    calibration = about["calibration"]
    return Networks(
        config,
        models,
        Calibration.from_dict(calibration) if calibration else None,
        about.get("training_range", {}),
    )


def snr_group(snr_r):
    """Return the group of S/N_r that an error is calibrated in, ndarray of str."""
    low, high = SNR_EDGES
    names = np.array([f"below {low:g}", f"{low:g}-{high:g}", f"{high:g} and above", "unknown"])
    snr_r = np.asarray(snr_r, dtype=float)
    return names[np.where(np.isnan(snr_r), 3, np.digitize(snr_r, SNR_EDGES))]


def predicted(networks, x, snr_r):
    """Run every network on prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels * channels)
        From `preprocess`.
    snr_r : ndarray of shape (n,)

    Returns
    -------
    DataFrame of n rows
        oh_pred (the paper's network), oh_sigma and oh_half95 (see `Networks.errors`),
        oh_sigma_raw (before calibration), oh_raw (the error network's own mean), oh_multi,
        lgm_pred, sfr_pred (multi-task), oh_mlp (NaN without that baseline), p_sf, p_other.
    """
    from common.inference import predict

    out = {name: predict(model, x) for name, model in networks.models.items()}
    table = pd.DataFrame({"oh_pred": out["regressor"][:, 0]})
    table["oh_sigma_raw"] = np.exp(np.clip(out["error"][:, 1], -7, 3))
    table = table.assign(**networks.errors(table["oh_sigma_raw"], snr_r))
    table["oh_raw"] = out["error"][:, 0]
    for k, name in enumerate(("oh_multi", "lgm_pred", "sfr_pred")):
        table[name] = out["multitask"][:, k]
    table["oh_mlp"] = out["mlp"][:, 0] if "mlp" in out else np.nan
    table["p_sf"], table["p_other"] = out["classifier"][:, 0], out["classifier"][:, 1]
    return table


def prediction_table(networks, rows_of, labels, *, split, batch=2048):
    """Predict labelled spectra: the table that `evaluate` reads.

    Parameters
    ----------
    networks : Networks
    rows_of : callable
        Row numbers (ndarray of int) -> prepared spectra of shape (n, n_pixels * channels).
    labels : DataFrame of n rows
        id, snr_r, and where known the columns of `LABELS` and of the strong lines (see
        `lamost_metallicity.stronglines`).
    split : ndarray of str, shape (n,)

    Returns
    -------
    DataFrame
        id, split, the labels, and the columns of `predicted`.
    """
    parts = []
    for start in range(0, len(labels), batch):
        here = labels.iloc[start : start + batch].reset_index(drop=True)
        x = rows_of(np.arange(start, start + len(here)))
        table = here[["id"]].assign(split=split[start : start + batch])
        for name in LABELS:
            table[name] = here[name] if name in here else np.nan
        lines = [name for name in here if name.startswith(STRONG_LINES)]
        parts.append(pd.concat([table, here[lines], predicted(networks, x, here["snr_r"])], axis=1))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
