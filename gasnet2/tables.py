"""Tables of an evaluation: predictions read and named, statistics per class (Tables 1-4)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common import metrics
from common.catalog import read_table
from common.errors import ReadError, UsageError
from common.surveys.ids import named_ids
from common.surveys.quantities import without_marks
from gasnet2.config import CLASSES, COARSE, extragalactic, gf_threshold

# Names that a column may have elsewhere (the authors' released tables use these).
SYNONYMS = {
    "z_true": ("z_true", "label", "z"),
    "z_pred": ("z_pred", "pred_bar"),
    "z_err": ("z_err", "pred_std"),
    "snr": ("snr", "sn_median_all"),
    "vdisp": ("vdisp",),
    "class_true": ("class_true",),
    "class_pred": ("class_pred",),
    "z_point_pred": ("z_point_pred",),
    "id": ("id",),
}
NUMBERS = ("snr", "z_true", "z_pred", "z_err", "z_point_pred", "z_routed_pred", "z_routed_err",
           "vdisp", "class_err")  # fmt: skip
# Sect. 4.2.2 and Fig. 14: a low bin below 5, a high one above 10.
SNR_BINS = {"lt5": (-np.inf, 5.0), "5_10": (5.0, 10.0), "gt10": (10.0, np.inf)}
OTHER = "other"


def read_predictions(path):
    """Read a table of true and predicted values, whoever wrote it.

    Parameters
    ----------
    path : path-like
        As of `common.catalog.read_table`, with this project's column names or those of the authors'
        released tables (label or Z, pred_bar, pred_std, SNR, CLASS, SUBCLASS, PLATE, MJD, FIBERID).

    Returns
    -------
    DataFrame
        Columns id, class_true, and where known snr, z_true, z_pred, z_err, vdisp, ...; redshifts
        as they are in the file, not clipped.

    Raises
    ------
    ReadError
        If the file cannot be read, or has neither classes nor redshifts to compare.
    """
    path = Path(path)
    table = scalar_columns(read_table(path))
    lower = {}
    for name in table.columns:  # the first of two names that differ in case only
        lower.setdefault(str(name).lower(), table[name])
    out = {
        str(n): v for n, v in table.items() if str(n).startswith("p_") or n in ("split", "dataset")
    }
    for name in ("z_routed_pred", "z_routed_err", "class_err", "coarse_true", "file",
                 "coarse_pred", "class_13_pred", "v_true"):  # fmt: skip
        if name in lower:
            out[name] = lower[name]
    for name, others in SYNONYMS.items():
        found = next((lower[o] for o in (*others, *(f"{o}_1" for o in others)) if o in lower), None)
        if found is not None:
            out[name] = found
    if "class_true" not in out:
        parts = [lower.get(k, lower.get(f"{k}_1")) for k in ("class", "subclass")]
        if parts[0] is None:
            raise ReadError(path, f"columns {list(table.columns)}", "class_true, or CLASS")
        main = parts[0].astype(str).str.strip()
        out["class_true"] = main
        if parts[1] is not None:
            sub = parts[1].fillna("").astype(str).str.strip()
            out["class_true"] = main + "_" + sub.mask(sub.isin(["", "None", "NaN"]), "nan")
    if "id" not in out:
        keys = [lower.get(k, lower.get(f"{k}_1")) for k in ("plate", "mjd", "fiberid")]
        known = all(k is not None for k in keys)
        rows = pd.Series(np.arange(len(table)).astype(str))
        out["id"] = (
            ["-".join(row) for row in zip(*(named_ids(k) for k in keys), strict=True)]
            if known
            else rows
        )
    result = pd.DataFrame({k: np.asarray(v) for k, v in out.items()})
    for name in NUMBERS:
        if name in result:
            values = pd.to_numeric(result[name], errors="coerce").to_numpy(float)
            result[name] = without_marks(values)
    result.attrs["layout"] = "authors" if "pred_bar" in lower else "own"
    if "class_pred" not in result and not {"z_true", "z_pred"} <= set(result):
        raise ReadError(
            path,
            f"columns {list(table.columns)}",
            "class_pred, or a true and a predicted redshift (z_true or label, z_pred or pred_bar)",
        )
    return result


def scalar_columns(table):
    """Return the columns with one value a row; the authors' files hold vectors of one."""
    columns = {}
    for name, column in table.items():
        first = column.iloc[0] if len(column) else None
        if isinstance(first, np.ndarray):
            if first.shape != (1,):
                continue
            column = pd.Series(np.concatenate(column.to_list()), index=column.index)
        columns[name] = column
    return pd.DataFrame(columns)


def classes_of(df):
    """Return the classes (of the survey that the true labels belong to) in order of label.

    Raises
    ------
    UsageError
        If no label is a class of any survey.
    """
    labels = set(df["class_true"].astype(str))
    best = max(CLASSES, key=lambda s: len(labels & set(CLASSES[s])))
    if not labels & set(CLASSES[best]):
        raise UsageError(
            f"No true class is known. Received {sorted(labels)[:8]}; allowed are the classes of "
            f"{', '.join(CLASSES)}, such as {CLASSES['sdss'][7]}."
        )
    return CLASSES[best]


def coarse(labels):
    """Return the coarse class ("STAR", "GALAXY", "QSO", else the label's first word) of labels."""
    return np.array([COARSE.get(x, x.split("_")[0]) for x in np.asarray(labels, dtype=str)], object)


def outlier_limit(name):
    """Return the |dz| beyond which a redshift of this class is catastrophic."""
    return metrics.OUTLIER_LIMIT["qso" if COARSE[name] == "QSO" else "galaxy"]


def metrics_table(df, classes=None, *, validation_mae=None, prefix="z"):
    """Return the redshift metrics of Sect. 4.1, one row per extragalactic class.

    A redshift that is not finite has failed. Of all n rows with a true redshift are gf, gf_se,
    gf_snr_*, outlier_fraction and robust_fraction: there a failure is not good, an outlier, not
    robust. Of the n_measured alone are mae, mean_dz and nmad, and of those among them that have an
    error frac_t_le_3; robust_gf is of the robust rows.

    Parameters
    ----------
    df : DataFrame
        Predictions: class_true, z_true, `prefix`_pred, and where known `prefix`_err and snr.
    classes : sequence of str, optional
        Default: the extragalactic classes of the labels' survey.
    validation_mae : dict of str to float, optional
        Class → MAE on the validation set, below which sigma_z is robust (Sect. 4.2.3).
    prefix : {"z", "z_point", "z_routed"}
        Which prediction: the true class's ensemble, its first member, the predicted class's.

    Returns
    -------
    DataFrame
        class, n, n_failed, n_measured, mae, mean_dz, gf, gf_se, gf_snr_lt5, gf_snr_5_10,
        gf_snr_gt10, frac_t_le_3, outlier_fraction, nmad, robust_fraction, robust_gf; NaN where the
        input is not there.
    """
    classes = extragalactic(classes_of(df)) if classes is None else classes
    known = [c for c in classes if COARSE[c] != "STAR"]
    rows = []
    for name in known:
        part = df[(df["class_true"] == name) & df["z_true"].notna()]
        z = dict(z_true=part["z_true"].to_numpy(), z_pred=part[f"{prefix}_pred"].to_numpy())
        limit = gf_threshold(name)
        gf, n = metrics.good_fraction(**z, limit=limit)
        there = np.isfinite(z["z_pred"].astype(float))
        row = {
            "class": name,
            "n": n,
            "n_failed": n - int(there.sum()),
            "n_measured": int(there.sum()),
            "mae": metrics.mae(**z)[0],
            "mean_dz": metrics.mean_delta_z(**z)[0],
            "gf": gf,
            "gf_se": float(np.sqrt(gf * (1 - gf) / n)) if n else np.nan,
        }
        snr = part["snr"].to_numpy() if "snr" in part else np.full(n, np.nan)
        for label, (low, high) in SNR_BINS.items():
            inside = (snr >= low) & (snr < high)
            cut = {k: v[inside] for k, v in z.items()}
            row[f"gf_snr_{label}"] = metrics.good_fraction(**cut, limit=limit)[0]
        err = part[f"{prefix}_err"].to_numpy() if f"{prefix}_err" in part else None
        row["frac_t_le_3"] = np.nan if err is None else metrics.fraction_within(**z, z_err=err)[0]
        row["outlier_fraction"] = metrics.outlier_fraction(**z, limit=outlier_limit(name))[0]
        row["nmad"] = metrics.nmad(**z)[0]
        mae_limit = (validation_mae or {}).get(name)
        row["robust_fraction"] = row["robust_gf"] = np.nan
        if err is not None and mae_limit is not None and n:
            robust = there & (err <= mae_limit)
            row["robust_fraction"] = float(robust.mean())
            row["robust_gf"] = metrics.good_fraction(
                **{k: v[robust] for k, v in z.items()}, limit=limit
            )[0]
        rows.append(row)
    return pd.DataFrame(rows)


def coarse_table(df, *, prefix="z_routed"):
    """Return what a user gets per coarse class: accuracy, and redshifts of the predicted class.

    Parameters
    ----------
    df : DataFrame
        Predictions with class_true (any fine class, known or not) and class_pred.
    prefix : {"z_routed", "z"}
        Which redshift; an object whose predicted class has none counts as a failure.

    Returns
    -------
    DataFrame
        class, n, accuracy, and the columns of `metrics_table` for galaxies and quasars; a last row
        "all" holds the number of objects and the fraction with the right coarse class. Objects
        with a redshift and no class have a row "no class" of their own.
    """
    true = coarse(df["coarse_true"] if "coarse_true" in df else df["class_true"])
    right = true == coarse(df["coarse_pred"] if "coarse_pred" in df else df["class_pred"])
    rows = [
        {
            "class": name,
            "n": int((true == name).sum()),
            "accuracy": float(right[true == name].mean()),
        }
        for name in ("STAR", "GALAXY", "QSO")
        if (true == name).any()
    ]
    known = np.isin(true, ("STAR", "GALAXY", "QSO"))
    if known.any():
        rows.append({"class": "all", "n": int(known.sum()), "accuracy": float(right[known].mean())})
    if not known.all():
        rows.append({"class": "no class", "n": int((~known).sum()), "accuracy": np.nan})
    table = pd.DataFrame(rows, columns=["class", "n", "accuracy"])
    if {"z_true", f"{prefix}_pred"} <= set(df):
        redshift = metrics_table(df.assign(class_true=true), ("GALAXY", "QSO"), prefix=prefix)
        if not known.all():  # labelled with a redshift only: judged by the galaxies' limits
            rest = df[~known].assign(class_true="GALAXY")
            rest = metrics_table(rest, ("GALAXY",), prefix=prefix).assign(**{"class": "no class"})
            redshift = pd.concat([redshift, rest], ignore_index=True)
        redshift = redshift.drop(columns=["robust_fraction", "robust_gf"])
        table = table.merge(redshift.rename(columns={"n": "n_z"}), on="class", how="left")
    return table


def class_table(df, classes=None, *, sample=None):
    """Return Tables 1-3: the sample of each class; and how many of it were tested, how well.

    Parameters
    ----------
    df : DataFrame
        Predictions: class_true, and where known class_pred, z_true, snr.
    classes : sequence of str, optional
    sample : DataFrame, optional
        class_true, z_true, snr of the sample before the split, as the paper's tables have it.

    Returns
    -------
    DataFrame
        class, label, num (spectra before the split; NaN without `sample`), mean_z, z_min, z_max,
        mean_snr (of the sample; without it of `df`), n (rows of `df`), accuracy (of those).
    """
    classes = classes_of(df) if classes is None else classes
    rows = []
    for label, name in enumerate(classes):
        tested = df[df["class_true"] == name]
        part = tested if sample is None else sample[sample["class_true"] == name]
        row = {"class": name, "label": label, "num": np.nan if sample is None else len(part)}
        z = part["z_true"].dropna() if "z_true" in part and COARSE[name] != "STAR" else []
        row["mean_z"] = float(np.mean(z)) if len(z) else np.nan
        row["z_min"] = float(np.min(z)) if len(z) else np.nan
        row["z_max"] = float(np.max(z)) if len(z) else np.nan
        row["mean_snr"] = float(part["snr"].mean()) if "snr" in part and len(part) else np.nan
        row["n"] = len(tested)
        if "class_pred" in tested:
            right = metrics.accuracy(true=tested["class_true"], pred=tested["class_pred"])
            row["accuracy"] = right[0]
        rows.append(row)
    return pd.DataFrame(rows)


def confusion_table(df, classes, *, merge=False):
    """Return the confusion matrix as a table: one row per predicted, one column per true class."""
    true, pred, labels = class_labels(df, classes, merge)
    matrix, _ = metrics.confusion(true=true, pred=pred, labels=labels)
    return pd.DataFrame(matrix, columns=labels).assign(predicted=labels).set_index("predicted")


def class_labels(df, classes, merge):
    """Return true, predicted and all labels, merged into coarse classes if asked (App. B)."""
    if not merge:
        return df["class_true"].to_numpy(str), df["class_pred"].to_numpy(str), list(classes)
    true = df["coarse_true"] if "coarse_true" in df else coarse(df["class_true"])
    return (
        np.asarray(true, dtype=str),
        coarse(df["class_pred"]).astype(str),
        list(dict.fromkeys(COARSE[c] for c in classes)),
    )


def model_table(history, *, z_scale=10.0, parameters=None):
    """Return Table 4: per network parameters, training spectra, lowest loss, best accuracy or MAE.

    Losses, accuracy and MAE are those on the validation set.

    Parameters
    ----------
    history : DataFrame
        Columns network ("classifier", "CLASS/0", ...), epoch, val_loss, val_accuracy, val_mae (in
        units of z), and where known n_train.
    z_scale : float
        Labels were multiplied by it: the paper's Table 4 gives the redshift loss divided by it.
    parameters : dict of str to int, optional
        Network → number of parameters.
    """
    rows = []
    for network, part in history.groupby("network", sort=False):
        is_classifier = network in ("classifier", "templates")
        row = {
            "network": network,
            "parameters": (parameters or {}).get(network.split("/")[0]),
            "n_train": part["n_train"].max() if "n_train" in part else np.nan,
            "epochs": len(part),
            "val_loss": part["val_loss"].min() / (1.0 if is_classifier else z_scale),
        }
        row["val_accuracy"] = part["val_accuracy"].max() if "val_accuracy" in part else np.nan
        row["val_mae"] = part["val_mae"].min() if "val_mae" in part else np.nan
        rows.append(row)
    return pd.DataFrame(rows).astype({"parameters": float})


def read_author_history(folder, classes, *, z_scale=10.0):
    """Read the authors' released training histories, if they lie in a folder.

    Parameters
    ----------
    folder : path-like
        With ``classify_model.csv`` and ``CLASS-MC.csv`` (MAE in units of 10 z).
    classes : sequence of str

    Returns
    -------
    DataFrame or None
        As history.csv of a run, MAE in units of z.
    """
    parts = []
    sources = {"classifier": Path(folder) / "classify_model.csv"}
    sources |= {f"{c}/0": Path(folder) / f"{c}-MC.csv" for c in classes}
    for network, path in sources.items():
        if path.is_file():
            part = pd.read_csv(path).rename(columns={"acc": "accuracy", "val_acc": "val_accuracy"})
            for name in {"mae", "val_mae"} & set(part):
                part[name] /= z_scale
            parts.append(part.assign(network=network))
    return pd.concat(parts, ignore_index=True) if parts else None
