"""Every metric, table and figure of the paper from saved predictions, and a report."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims
from common.cli import parser, run, say
from common.errors import SuiteError, UsageError
from common.files import write_parquet
from gasnet2 import tables
from gasnet2.config import extragalactic, make_config, survey_of
from gasnet2.figures.catalogue import Evaluation, draw
from gasnet2.measured import measure
from gasnet2.reporting import report

SAMPLE = ("mean_z", "mean_snr", "z_min", "z_max", "n_train", "val_accuracy", "val_loss", "val_mae",
          "parameters", "seconds_to_classify", "seconds_per_spectrum_core")  # fmt: skip
FREE = ("scale", "seed", "initialiser", "precision", "grid_named")  # not what the paper's size is


def evaluate_run(run_dir, out=None, on=None):
    """Evaluate a run on its test split, or on labelled files.

    Reads predictions.parquet, config.json, history.csv, and where they exist data/ (prepared
    spectra, for example figures), contamination_00.parquet, _05, _10 (predictions of runs with
    shuffled labels, App. A), explain/gradients.parquet (Fig. D1) and, for the report, on_*/ (what
    earlier evaluations on real files left).

    Parameters
    ----------
    run_dir : path-like
        Run folder of `gasnet2.train`.
    out : path-like, optional
        Where figures/, tables/, claims.ecsv and report.html go: the run folder by default, with
        `on` its subfolder on_NAME.
    on : path-like, optional
        Folder of labelled spectrum files to predict and evaluate instead of the test split.

    Returns
    -------
    Path
        Of report.html.

    Raises
    ------
    ReadError
        If the folder holds no finished run.
    SuiteError
        If there is nothing to evaluate.
    """
    from gasnet2.networks import read_config
    from gasnet2.samples import of_files, of_run

    run_dir = Path(run_dir)
    config, about = read_config(run_dir)
    dataset, real, rejects = None, None, None
    if on is not None:
        from gasnet2.predict import predict_labelled

        on = Path(on)
        df, rejects = predict_labelled(run_dir, [on])
        real = of_files(config, [on])
        kinds = " and ".join(sorted(df["dataset"].unique()))
        dataset = f"{config.dataset} -> {kinds} ({on.resolve().name})"
        out = Path(out or run_dir / f"on_{on.resolve().name}")
    else:
        out = Path(out or run_dir)
        df = _test_split(tables.read_predictions(_finished(run_dir)))
        dataset = _name(config, df)
    if on is not None:  # kept, so that figures can be drawn again without the networks
        write_parquet(df, out / "predictions.parquet")
    try:
        own = of_run(run_dir, config)
    except (SuiteError, OSError):  # a run folder may be kept without its data
        own = None
    history = run_dir / "history.csv"
    explained = (run_dir if on is None else out) / "explain" / "gradients.parquet"
    ev = Evaluation(
        df=df,
        classes=config.classes,
        survey=config.survey,
        dataset=dataset,
        config=config,
        history=pd.read_csv(history) if history.is_file() and on is None else None,
        validation_mae=about.get("validation_mae") or {},
        contaminated=_contaminated(run_dir) if on is None else {},
        own=own,
        real=real,
        explained=pd.read_parquet(explained) if explained.is_file() else None,
    )
    judged = _judge(ev, about, statistics=on is None, routed=on is not None)
    earlier = [] if on is not None else sorted({run_dir, out})
    return _write(ev, out, judged, about, rejects=rejects, earlier=earlier)


def evaluate_predictions(path, out):
    """Evaluate a table of true and predicted values made elsewhere.

    Parameters
    ----------
    path : path-like
        FITS, parquet, ECSV or CSV (see `gasnet2.tables.read_predictions`). The authors' training
        histories are used where they lie beside it.
    out : path-like
        Output folder.

    Returns
    -------
    Path
        Of report.html.
    """
    path, out = Path(path), Path(out)
    df = _test_split(tables.read_predictions(path))
    classes = tables.classes_of(df)
    survey = survey_of(next(k for k, v in tables.CLASSES.items() if v == classes))
    theirs = df.attrs.get("layout") == "authors"
    history = tables.read_author_history(path.parent, classes) if theirs else None
    source = "authors' predictions" if theirs else path.name
    if "dataset" in df:  # written by this project: the table says what it is of
        source = f"{path.name}, {' and '.join(sorted(df['dataset'].astype(str).unique()))}"
    ev = Evaluation(
        df=df,
        classes=classes,
        survey=survey,
        dataset=f"{survey} ({source})",
        history=history,
        validation_mae=_lowest_mae(history),
    )
    return _write(ev, out, _judge(ev, {}), {}, source=path)


def _name(config, df):
    """Return what a run was measured on; a survey's bare name only for a run of the paper's size.

    A run on fewer spectra, or of other sizes than the paper's, cannot confirm or miss what the
    paper says of its own.
    """
    full = make_config(config.dataset, "paper")
    wanted = 0.9 * full.split[2] * full.per_class * len(full.classes)
    differ = [
        f"{f.name} {getattr(config, f.name)} instead of {getattr(full, f.name)}"
        for f in fields(full)
        if f.name not in FREE and getattr(config, f.name) != getattr(full, f.name)
    ]
    if config.is_mock or (not differ and len(df) >= wanted):
        return config.dataset
    sizes = differ if config.scale == "paper" else []
    words = ", ".join([f"{config.scale} scale", *sizes, f"{len(df)} test spectra"])
    return f"{config.dataset} ({words})"


def _finished(run_dir):
    path = run_dir / "predictions.parquet"
    if not path.is_file():
        raise SuiteError(
            f"{run_dir} has no predictions.parquet: its training is not finished. Go on with it: "
            f"python -m gasnet2.train --run-dir {run_dir} --resume, with the same options."
        )
    return path


def _test_split(df):
    """Return the rows of the test split; all rows where the table names no splits."""
    if "split" in df and (df["split"] == "test").any():
        kept = df[df["split"] == "test"].reset_index(drop=True)
        kept.attrs = df.attrs
        return kept
    if "split" in df and set(df["split"]) & {"train", "valid"}:
        raise SuiteError("The table has training or validation rows but no row of split 'test'.")
    return df


def _lowest_mae(history):
    """Return {class: lowest validation MAE} of a history, {} without one."""
    if history is None or "val_mae" not in history:
        return {}
    part = history[history["network"] != "classifier"]
    return part.groupby(part["network"].str.split("/").str[0])["val_mae"].min().to_dict()


def _contaminated(run_dir):
    """Return {per cent: predictions} of the runs with shuffled labels that are here."""
    found = {}
    for path in sorted(run_dir.glob("contamination_*.parquet")):
        percent = path.stem.removeprefix("contamination_")
        if percent.isdigit():
            found[int(percent)] = _test_split(tables.read_predictions(path))
    return found


def _judge(ev, about, statistics=True, routed=False):
    """Return the table of claims of the evaluation's survey and, untested, of the others."""
    every = claims.load(Path(__file__).with_name("claims.toml"))
    mine = [c for c in every if c.dataset == ev.survey]
    if not statistics:  # what is about the sample or the training, not about the test
        mine = [c for c in mine if c.measure.get("metric") not in SAMPLE]
    has_point = "z_point_pred" in ev.df and ev.df["z_point_pred"].notna().any()
    values = measure(
        mine,
        ev.df,
        history=ev.history,
        config=(about.get("config") or {}),
        timing=about.get("timing"),
        validation_mae=ev.validation_mae,
        z_scale=(about.get("config") or {}).get("z_scale", 10.0),
        parameters=about.get("parameters"),
        contaminated=ev.contaminated,
        point_is_mean=not has_point,
        classes=ev.classes,
        routed=routed,
    )
    return claims.judge(every, values, ev.dataset)


def _tables(ev):
    """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
    df, out = ev.df, {}
    out["classes"] = (
        "As Tables 1-3: the sample, and the accuracy of each class",
        tables.class_table(df, ev.classes),
    )
    for prefix, name, caption in (
        ("z", "redshift", "Redshifts of the ensemble of the true class (the paper's protocol)"),
        ("z_point", "redshift_point", "Point estimates: the ensemble's first member"),
        ("z_routed", "redshift_routed", "Redshifts of the predicted class: what a user gets"),
    ):
        if {"z_true", f"{prefix}_pred"} <= set(df) and df[f"{prefix}_pred"].notna().any():
            mae = ev.validation_mae
            out[name] = (
                caption,
                tables.metrics_table(
                    df, extragalactic(ev.classes), prefix=prefix, validation_mae=mae
                ),
            )
    if "class_pred" in df:
        out["coarse"] = (
            "Coarse classes, and redshifts of the predicted class",
            tables.coarse_table(df),
        )
        for merge, name in ((False, "confusion"), (True, "confusion_coarse")):
            table = tables.confusion_table(df, ev.classes, merge=merge).reset_index()
            kind = "coarse classes" if merge else "classes"
            out[name] = (f"Confusion of {kind}: columns are true, each sums to 1", table)
    if ev.history is not None and len(ev.history):
        scale = getattr(ev.config, "z_scale", 10.0)
        out["models"] = (
            "As Table 4: networks (redshift losses divided by the labels' scale)",
            tables.model_table(ev.history, z_scale=scale),
        )
    return {k: v for k, v in out.items() if len(v[1])}


def _write(ev, out, judged, about, rejects=None, source=None, earlier=()):
    """Write tables, figures, claims and the report of an evaluation; return the report's path."""
    out.mkdir(parents=True, exist_ok=True)
    measured = _tables(ev)
    for name, (_, table) in measured.items():
        claims.write(table, out / "tables" / f"{name}.ecsv", dataset=ev.dataset)
    if rejects is not None and len(rejects):
        claims.write(rejects, out / "tables" / "rejects.ecsv", dataset=ev.dataset)
    versions = about.get("versions") or {}
    claims.write(
        judged,
        out / "claims.ecsv",
        measured_on=ev.dataset,
        seed=(about.get("config") or {}).get("seed"),
        commit=versions.get("commit"),
    )
    drawn, skipped = draw(ev, out / "figures")
    if "redshift" in measured:
        say(_printed(measured["redshift"][1]))
    if "coarse" in measured:
        coarse = measured["coarse"][1].set_index("class")
        if "all" in coarse.index:
            overall, n = coarse.loc["all", ["accuracy", "n"]]
            say(f"coarse class accuracy {overall:.3f} on {n:.0f} spectra ({ev.dataset})")
    return report(
        out / "report.html",
        ev=ev,
        about=about,
        judged=judged,
        measured=dict(v for k, v in measured.items() if not k.startswith("confusion")),
        drawn=drawn,
        skipped=skipped,
        rejects=rejects,
        source=source,
        earlier=earlier,
    )


def _printed(table):
    """Return the redshift table as text, to the digits that the paper prints."""
    digits = {"mae": 4, "mean_dz": 4, "gf": 3, "frac_t_le_3": 3, "outlier_fraction": 3}
    digits |= {f"gf_snr_{k}": 2 for k in tables.SNR_BINS}
    shown = table[["class", "n", *digits]].copy()
    for name, places in digits.items():
        shown[name] = [f"{v:.{places}f}" if np.isfinite(v) else "-" for v in shown[name]]
    return shown.to_string(index=False)


def _arguments():
    p = parser("python -m gasnet2.evaluate", "Metrics, tables, figures and report of GaSNet-II.")
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=Path, help="run folder of gasnet2.train")
    source.add_argument("--predictions", type=Path, metavar="FILE",
                        help="table of true and predicted values made elsewhere")  # fmt: skip
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
