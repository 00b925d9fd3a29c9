"""Tables, figures, claims and the report of a run, from its saved predictions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims
from common.calibration import Calibration, fit_calibration
from common.cli import parser, run, say
from common.errors import ReadError, SuiteError, UsageError
from common.files import write_parquet
from rvs_hybrid import tables
from rvs_hybrid.figures.catalogue import Evaluation, draw
from rvs_hybrid.measured import measure
from rvs_hybrid.reporting import report


def evaluate_run(run_dir, out=None, on=None):
    """Evaluate a run on its test split, or on labelled files.

    Reads predictions.parquet, config.json, history.csv and variants/NAME/predictions.parquet.

    Parameters
    ----------
    run_dir : path-like
        Run folder of `rvs_hybrid.train`.
    out : path-like, optional
        Where figures/, tables/, claims.ecsv and report.html go: the run folder by default, with
        `on` its subfolder on_NAME.
    on : path-like, optional
        Folder of labelled files to predict and evaluate instead of the test split.

    Returns
    -------
    Path
        Of report.html.

    Raises
    ------
    ReadError
        If a file of the run cannot be read.
    SuiteError
        If the training is not finished or there is nothing to evaluate.
    """
    run_dir = Path(run_dir)
    about = _about(run_dir)
    rejects, variants = None, {}
    if on is not None:
        from rvs_hybrid.predict import predict_labelled

        on = Path(on)
        out = Path(out or run_dir / f"on_{on.resolve().name}")
        df, rejects = predict_labelled(run_dir, [on])
        write_parquet(df, out / "predictions.parquet")
        calib, dataset = None, f"{_dataset(df)} -> {on.resolve().name}"
    else:
        out = Path(out or run_dir)
        df, calib = _splits(tables.read_predictions(_finished(run_dir)))
        dataset = _dataset(df) + _suffix(about)
        variants = _variants(run_dir, df, about)
    history = run_dir / "history.csv"
    ev = Evaluation(
        df=df,
        dataset=dataset,
        config=about.get("config") or {},
        calibrations=_calibrations(about, calib),
        variants=variants,
        history=pd.read_csv(history) if history.is_file() and on is None else None,
        suffix=_suffix(about),
        held_out=on is None,
    )
    return _write(ev, out, about, rejects=rejects)


def evaluate_predictions(path, out):
    """Evaluate a table of true and predicted labels made elsewhere.

    Parameters
    ----------
    path : path-like
        See `rvs_hybrid.tables.read_predictions`.
    out : path-like
        Output folder.

    Returns
    -------
    Path
        Of report.html.
    """
    path = Path(path)
    df, calib = _splits(tables.read_predictions(path))
    dataset = f"{path.name} ({_dataset(df)})" if "dataset" in df else path.name
    fitted = _calibrations({}, calib)
    ev = Evaluation(df=df, dataset=dataset, calibrations=fitted, held_out=False)
    return _write(ev, Path(out), {}, source=path)


def _about(run_dir):
    """Return config.json of a run folder."""
    path = run_dir / "config.json"
    allowed = "the config.json that rvs_hybrid.train wrote"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        remedy = "Give the run folder of python -m rvs_hybrid.train."
        raise ReadError(path, "no such file", allowed, remedy) from error
    except (OSError, ValueError) as error:
        raise ReadError(path, f"it cannot be read: {error}", allowed) from error
    if not isinstance(about, dict) or not isinstance(about.get("config"), dict):
        raise ReadError(path, "no entry 'config'", allowed)
    return about


def _finished(run_dir):
    path = run_dir / "predictions.parquet"
    if not path.is_file():
        raise SuiteError(
            f"{run_dir} has no predictions.parquet: its training is not finished. Train again: "
            f"python -m rvs_hybrid.train --run-dir {run_dir}"
        )
    return path


def _splits(df):
    """Return the rows of the test split (all, where no splits are named) and of the calib split."""
    if "split" not in df:
        return df, None
    split = df["split"].astype(str)
    if not (split == "test").any():
        if set(split) & {"train", "valid", "calib"}:
            raise SuiteError("The table has splits but no row of split 'test'.")
        return df, None
    calib = df[split == "calib"].reset_index(drop=True)
    return df[split == "test"].reset_index(drop=True), calib if len(calib) else None


def _dataset(df):
    """Return the data sets that a table names, joined."""
    if "dataset" not in df:
        return "labelled files"
    return " and ".join(sorted(df["dataset"].astype(str).unique()))


def _suffix(about):
    """Return what to add to a data set's name: a smoke run decides no claim about it."""
    scale = (about.get("config") or {}).get("scale")
    return f" ({scale} scale)" if scale == "smoke" else ""


def _variants(run_dir, df, about):
    """Return {name: test predictions}: this run's, then those of its variants/ in order of name."""
    config = about.get("config") or {}
    name = "+".join([*config.get("inputs", ()), *(["2mass"] if config.get("infrared") else [])])
    found = {f"{name} (this run)".strip(): df}
    for path in sorted(run_dir.glob("variants/*/predictions.parquet")):
        found[path.parent.name] = _splits(tables.read_predictions(path))[0]
    return found


def _calibrations(about, calib):
    """Return {label: Calibration}: those of the run, else fitted again to its calibration split."""
    kept = about.get("calibration") or {}
    if kept:
        return {k: Calibration.from_dict(v) for k, v in kept.items()}
    out = {}
    for label in tables.labels_of(calib) if calib is not None else ():
        if f"{label}_raw" in calib and "logg_pred" in calib:
            try:
                out[label] = fit_calibration(
                    residual=tables.residual(calib, label),
                    sigma=calib[f"{label}_raw"],
                    group=tables.star_group(calib["logg_pred"]),
                )
            except SuiteError:  # too few stars: then only the calibrated error itself is judged
                continue
    return out


def _judge(ev, about):
    """Return the table of claims, each judged on the data it was measured on."""
    every = claims.load(Path(__file__).with_name("claims.toml"))
    found = measure(every, ev, parameters=about.get("parameters"))
    parts = []
    for claim in every:
        value, dataset = found.get(claim.id, (np.nan, ev.dataset))
        parts.append(claims.judge([claim], {claim.id: value}, dataset))
    return pd.concat(parts, ignore_index=True)


def _tables(ev):
    """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
    df = ev.df
    sigma = "medians: label_error is APOGEE's own error, aleatoric and ensemble are predicted"
    out = {
        "labels": (f"Bias and scatter, predicted minus APOGEE (Teff in K, others in dex); {sigma}",
                   tables.label_table(df)),
        "limits": ("What limits each label: shares of the squared MAD-sigma that APOGEE's own "
                   "errors and the disagreement of the ensemble make up; the rest is what the "
                   "inputs do not tell", tables.limits_table(df)),
        "variants": ("Networks on the same stars, by their inputs",
                     tables.variant_table(ev.variants)),
        "protocols": ("The two rules for an ensemble, side by side: the precursors' sees the test "
                      "set in training", tables.protocol_table(df)),
        "coverage": ("Coverage of intervals, before and after calibration and of the bare "
                     "ensemble std; errors against the true scatter",
                     tables.coverage_table(df, ev.calibrations)),
        "bimodality": ("[alpha/M] of giants: two Gaussians against one. bic_difference above 0 "
                       "favours two; valley is the density between the peaks over the lower peak "
                       "(1: no valley), p_valley the fraction of bootstrap samples with two peaks, "
                       "valley_counted the deepest valley of running counts, without a model",
                       ev.bimodality),
    }  # fmt: skip
    for column, (text, _) in tables.BINS.items():
        out[f"by_{column}"] = (f"Bias and scatter by {text}", tables.binned_table(df, column))
    mark = f" ({tables.SYNTHETIC})" if tables.SYNTHETIC in ev.dataset else ""
    return {k: (v[0] + mark, v[1]) for k, v in out.items() if len(v[1])}


def _write(ev, out, about, rejects=None, source=None):
    """Write tables, figures, claims and the report of an evaluation; return the report's path."""
    if not tables.labels_of(ev.df):
        raise SuiteError("No star has both a true and a predicted label: nothing to evaluate.")
    out.mkdir(parents=True, exist_ok=True)
    measured = _tables(ev)
    for name, (caption, table) in measured.items():
        claims.write(table, out / "tables" / f"{name}.ecsv", dataset=ev.dataset, caption=caption)
    if rejects is not None and len(rejects):
        claims.write(rejects, out / "tables" / "rejects.ecsv", dataset=ev.dataset)
    if not isinstance(ev.located, str):
        named = ev.df[[c for c in ("source_id",) if c in ev.df]].join(ev.places)
        claims.write(named, out / "tables" / "positions.ecsv", dataset=ev.dataset)
    judged = _judge(ev, about)
    versions = about.get("versions") or {}
    claims.write(
        judged,
        out / "claims.ecsv",
        measured_on=ev.dataset,
        seed=about.get("seed", ev.config.get("seed")),
        commit=versions.get("commit"),
    )
    drawn, skipped = draw(ev, out / "figures")
    if "labels" in measured:
        say(_printed(measured["labels"][1]))
    return report(
        out / "report.html",
        ev=ev,
        about=about,
        judged=judged,
        measured=measured,
        drawn=drawn,
        skipped=skipped,
        rejects=rejects,
        source=source,
    )


def _printed(table):
    """Return the table of labels as text."""
    shown = table[["label", "stars", *tables.STATISTICS]].copy()
    for column in tables.STATISTICS[1:]:
        shown[column] = [f"{v:.0f}" if k == "teff" else f"{v:.3f}"
                         for k, v in zip(shown["label"], shown[column], strict=True)]  # fmt: skip
    return shown.to_string(index=False)


def _arguments():
    p = parser("python -m rvs_hybrid.evaluate", "Tables, figures and report of the hybrid network.")
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=Path, help="run folder of rvs_hybrid.train")
    source.add_argument("--predictions", type=Path, metavar="FILE",
                        help="table of true and predicted labels made elsewhere")  # fmt: skip
    p.add_argument("--on", type=Path, metavar="DIR",
                   help="folder of labelled files to test the run on")  # fmt: skip
    p.add_argument("-o", "--output", type=Path, help="output folder (default: the run folder)")
    return p


def work(args):
    """Do what the command line asks for."""
    if args.predictions is not None:
        if args.output is None:
            raise UsageError("--predictions needs -o DIR, the folder to write to.")
        if args.on is not None:
            raise UsageError("--on goes with --run-dir: a table of predictions has no networks.")
        say(f"report: {evaluate_predictions(args.predictions, args.output)}")
    else:
        say(f"report: {evaluate_run(args.run_dir, args.output, args.on)}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
