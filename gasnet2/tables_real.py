"""What results on real spectra are worth: beside the survey's S/N and z, and weighted to them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common import metrics
from gasnet2.accuracy import average_over_classes, class_accuracies
from gasnet2.config import COARSE, SDSS_CLASSES, gf_threshold
from gasnet2.tables import SNR_BINS, coarse, outlier_limit

DRAWN = 20000  # spectra drawn of each of the survey's classes, which has as many (Sect. 2.1)
NEAR = {"GALAXY": 0.3, "QSO": 0.85}  # default: what counts as near, in redshift
Z_BINS = 4  # default: bins of redshift that hold as much of the survey each


def survey_of_class(name):
    """Return redshifts and S/N of an SDSS class, as in the paper's sample.

    Parameters
    ----------
    name : str
        Extragalactic class of Table 1.

    Returns
    -------
    z, snr : ndarrays of shape (`DRAWN`,)
        Drawn from the distributions of the authors' released test set (`gasnet2.mock.classes`).
    """
    from gasnet2.mock.classes import draw_z_snr

    return draw_z_snr(name, DRAWN, np.random.default_rng(0), wide=0)


def survey_of_kind(kind):
    """Return redshifts and S/N of SDSS's "GALAXY" or "QSO": its classes alike, as in the paper."""
    parts = [survey_of_class(name) for name in SDSS_CLASSES if COARSE[name] == kind]
    return tuple(np.concatenate(values) for values in zip(*parts, strict=True))


def weights(z, snr, survey):
    """Return weights that give a sample the survey's distribution of redshift and S/N.

    Cells are `Z_BINS` bins of redshift, each with as much of the survey, by the S/N bins of
    Fig. 14. A cell's share of the survey is divided among the sample's spectra there.

    Parameters
    ----------
    z, snr : ndarrays of shape (n,)
        Of the sample; a spectrum without either weighs nothing.
    survey : tuple of ndarray
        Redshifts and S/N of the survey.

    Returns
    -------
    weight : ndarray of shape (n,)
        They sum to 1, or are 0 where no cell of the survey has a spectrum.
    covered : float
        Share of the survey in cells that hold a spectrum of the sample: it speaks for no more.
    """
    edges = np.quantile(survey[0], np.linspace(0, 1, Z_BINS + 1)[1:-1])
    low = np.array([first for first, _ in SNR_BINS.values()])

    def cell(z, snr):
        return np.digitize(z, edges) * len(low) + np.searchsorted(low, snr, side="right") - 1

    n = Z_BINS * len(low)
    share = np.bincount(cell(*survey), minlength=n) / len(survey[0])
    known = np.isfinite(z) & np.isfinite(snr)
    where = cell(z[known], snr[known])
    here = np.bincount(where, minlength=n)
    covered = float(share[here > 0].sum())
    weight = np.zeros(len(z))
    if covered:
        weight[known] = share[where] / here[where] / covered
    return weight, covered


def fine_table(df, classes):
    """Return the accuracy in the paper's classes, of those real spectra that have one of them.

    Parameters
    ----------
    df : DataFrame
        class_true and class_pred; class_13_pred, where a network has other classes too, is the
        most probable one of the paper's.
    classes : sequence of str

    Returns
    -------
    DataFrame
        class, n, accuracy, accuracy_se (binomial): each class, all spectra, and the average over
        the classes that have enough (`gasnet2.accuracy.FEWEST`).
    """
    pred = df["class_13_pred"] if "class_13_pred" in df else df["class_pred"]
    df = df.assign(class_pred=pred)
    table = class_accuracies(df, classes)
    n = int(table["n"].sum())
    share = float((table["n"] * table["accuracy"]).sum() / n) if n else np.nan
    average, error, rows, k = average_over_classes(df, classes)
    more = [("all", n, share, np.sqrt(share * (1 - share) / n) if n else np.nan)]
    more += [(f"average of {k} classes", rows, average, error)] if k else []
    more = pd.DataFrame(more, columns=list(table.columns))
    return pd.concat([table, more], ignore_index=True) if n else table


def beside_survey(df):
    """Return S/N and redshift of real spectra beside those of SDSS.

    Parameters
    ----------
    df : DataFrame
        class_true, z_true, snr, and where known coarse_true.

    Returns
    -------
    DataFrame
        A row for each coarse class that has spectra, and for each of its classes of Table 1:
        class, n; medians of S/N and redshift here and in the survey, and the survey's mean S/N (as
        in Table 1); near, the share below the redshift near_z. Of the survey: the released test
        set, its classes alike.
    """
    kinds, rows = _kinds(df), []
    for kind, near in NEAR.items():
        if not (kinds == kind).any():
            continue
        parts = {kind: (kinds == kind, survey_of_kind(kind))}
        names = [name for name in SDSS_CLASSES if COARSE[name] == kind]
        parts |= {k: ((df["class_true"] == k).to_numpy(), survey_of_class(k)) for k in names}
        for name, (here, (z, snr)) in parts.items():
            own = df[here]
            own_z = own["z_true"].dropna()
            rows.append({
                "class": name, "n": len(own),
                "snr_median": own["snr"].median(), "snr_median_survey": np.median(snr),
                "snr_mean_survey": snr.mean(),
                "z_median": own_z.median(), "z_median_survey": np.median(z), "near_z": near,
                "near": (own_z < near).mean() if len(own_z) else np.nan,
                "near_survey": (z < near).mean(),
            })  # fmt: skip
    return pd.DataFrame(rows)


def reweighted_table(df):
    """Return what a user gets of real spectra, as they are and weighted to SDSS's S/N and z.

    Parameters
    ----------
    df : DataFrame
        Predictions with a redshift by the predicted class (z_routed_pred).

    Returns
    -------
    DataFrame
        Two rows for each coarse class: class, weights, n, n_failed, n_effective ((sum of
        weights)^2 over the sum of their squares), covered (see `weights`), accuracy, gf,
        outlier_fraction (failures are wrong), mean_dz (failures left out).
    """
    kinds, rows = _kinds(df), []
    right = kinds == coarse(df["coarse_pred"] if "coarse_pred" in df else df["class_pred"])
    for kind in NEAR:
        here = (kinds == kind) & df["z_true"].notna().to_numpy()
        if not here.any():
            continue
        part = df[here]
        z = dict(
            z_true=part["z_true"].to_numpy(float), z_pred=part["z_routed_pred"].to_numpy(float)
        )
        dz = metrics.delta_z(**z)
        there = np.isfinite(dz)
        weight, covered = weights(z["z_true"], part["snr"].to_numpy(float), survey_of_kind(kind))
        plain = np.full(len(part), 1 / len(part))
        for text, w, share in (("none", plain, np.nan), ("SDSS's S/N and z", weight, covered)):
            if not w.sum():
                continue
            rows.append({
                "class": kind, "weights": text, "n": len(part), "n_failed": int((~there).sum()),
                "n_effective": w.sum() ** 2 / (w**2).sum(), "covered": share,
                "accuracy": np.average(right[here], weights=w),
                "gf": np.average(metrics.bias(**z) < gf_threshold(kind), weights=w),
                "outlier_fraction": np.average(~(dz <= outlier_limit(kind)), weights=w),
                "mean_dz": np.average(dz[there], weights=w[there]) if w[there].sum() else np.nan,
            })  # fmt: skip
    return pd.DataFrame(rows)


def _kinds(df):
    """Return the true coarse class of each row, ndarray of str."""
    return coarse(df["coarse_true"] if "coarse_true" in df else df["class_true"])
