"""Every metric, table and figure of the paper from saved predictions, and a report."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims
from common.cli import parser, run, say
from common.errors import ReadError, SuiteError, UsageError
from common.files import write_parquet
from lamost_metallicity.config import make_config
from lamost_metallicity.figures.catalogue import Evaluation, draw
from lamost_metallicity.measured import measure, peak
from lamost_metallicity.reporting import report
from lamost_metallicity.tables import beyond as tables_beyond
from lamost_metallicity.tables import real as tables_real
from lamost_metallicity.tables import regression as tables

SURVEY = "lamost"


def evaluate_run(run_dir, out=None, on=None):
    """Evaluate a run on its test split, or on spectrum files.

    Reads predictions.parquet, config.json, history.csv, and where they exist data/selection.ecsv
    and figures/saliency.png.

    Parameters
    ----------
    run_dir : path-like
        Run folder of `lamost_metallicity.train`.
    out : path-like, optional
        Where figures/, tables/, claims.ecsv and report.html go: the run folder by default, with
        `on` its subfolder on_NAME.
    on : path-like, optional
        Folder of spectrum files to evaluate on instead of the test split: against the MPA-JHU
        labels where it holds those tables, and against the strong lines of each spectrum.

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
    from lamost_metallicity.networks import read_config

    run_dir = Path(run_dir)
    config, about = read_config(run_dir)
    own = tables.read_predictions(_finished(run_dir))
    scales = _scales(own)
    calibration = _calibration(about)
    if on is None:
        out = Path(out or run_dir)
        df = _test_split(own)
        history = run_dir / "history.csv"
        ev = _evaluation(
            df,
            own,
            scales,
            calibration,
            dataset=_name(config, df),
            config=config,
            history=pd.read_csv(history) if history.is_file() else None,
            counts=_counts(run_dir / "data" / "selection.ecsv"),
        )
        return _write(ev, out, about)
    from lamost_metallicity.predict import predict_labelled

    on = Path(on)
    df, rejects = predict_labelled(run_dir, [on])
    out = Path(out or run_dir / f"on_{on.resolve().name}")
    write_parquet(df, out / "predictions.parquet")
    kinds = " and ".join(sorted(df["dataset"].unique()))
    name = f"{config.dataset} -> {kinds} ({on.resolve().name})"
    df = tables.with_types(df)
    if "oh_true" not in df:
        df["oh_true"] = np.nan
    ev = _evaluation(df, df, scales, calibration, dataset=name, config=config, real=True)
    return _write(ev, out, about, rejects=rejects)


def evaluate_predictions(path, out):
    """Evaluate a table of true and predicted metallicities made elsewhere.

    Parameters
    ----------
    path : path-like
        See `lamost_metallicity.tables.regression.read_predictions`.
    out : path-like
        Output folder.

    Returns
    -------
    Path
        Of report.html.
    """
    path, out = Path(path), Path(out)
    own = tables.read_predictions(path)
    df = _test_split(own)
    kinds = sorted(set(df["dataset"].astype(str))) if "dataset" in df else []
    name = f"{path.name}, {' and '.join(kinds)}" if kinds else path.name
    if not len(tables.regression_rows(df)):
        raise ReadError(path, "no row with both oh_true and oh_pred", "at least one such row")
    ev = _evaluation(df, own, _scales(own), None, dataset=f"{SURVEY} ({name})")
    return _write(ev, out, {}, source=path)


def _evaluation(df, everything, scales, calibration, **about):
    """Return the Evaluation: strong lines on the labels' scale, intervals of its rows."""
    df = tables_real.with_kind(tables.on_label_scale(df, scales))
    ev = Evaluation(df=df, everything=everything, **about)
    rows = ev.rows
    if calibration is not None and "oh_sigma_raw" in rows and "snr_r" in rows:
        from lamost_metallicity.networks import snr_group

        ev.groups = snr_group(rows["snr_r"])
    if len(rows):
        ev.half = tables_beyond.half_widths(rows, calibration, ev.groups)
    return ev


def _scales(df):
    """Return {oh_n2_cal, oh_o3n2_cal: polynomial} from the validation split: test stays unseen."""
    if "split" not in df:
        return dict.fromkeys(tables.CALIBRATED)
    valid = tables.regression_rows(df[df["split"] == "valid"])
    return {name: tables.fit_scale(valid, index) for name, index in tables.CALIBRATED.items()}


def _calibration(about):
    from common.calibration import Calibration

    value = about.get("calibration")
    return Calibration.from_dict(value) if value else None


def _counts(path):
    from astropy.table import Table

    return Table.read(path, format="ascii.ecsv").to_pandas() if path.is_file() else None


def _name(config, df):
    """Return what a run was measured on; a survey's bare name only for a run of the paper's size.

    A smaller run on the survey's spectra cannot confirm or miss what the paper says of its own.
    """
    rows = len(tables.regression_rows(df))
    wanted = 0.9 * make_config(config.dataset, "paper").split[2] * 38500  # Sect. 2
    if config.is_mock or (config.scale == "paper" and rows >= wanted):
        return config.dataset
    return f"{config.dataset} ({config.scale} scale, {rows} test spectra)"


def _finished(run_dir):
    path = run_dir / "predictions.parquet"
    if not path.is_file():
        raise SuiteError(
            f"{run_dir} has no predictions.parquet: its training is not finished. Go on with it: "
            f"python -m lamost_metallicity.train --run-dir {run_dir} --resume, with the same "
            "options."
        )
    return path


def _test_split(df):
    """Return the rows of the test split; all rows where the table names no splits."""
    if "split" in df and (df["split"] == "test").any():
        return df[df["split"] == "test"].reset_index(drop=True)
    if "split" in df and set(df["split"]) & {"train", "valid"}:
        raise SuiteError("The table has training or validation rows but no row of split 'test'.")
    return df


def _judge(ev, about):
    """Return the table of claims; what real files without labels measure speaks to none."""
    every = claims.load(Path(__file__).with_name("claims.toml"))
    values = {}
    if not ev.real:
        # How many galaxies a mock makes, and which share has labels, is its own choice.
        counts = None if ev.config is not None and ev.config.is_mock else ev.counts
        values = measure(
            every, ev.df, rows=ev.rows, counts=counts, parameters=about.get("parameters")
        )
    return claims.judge(every, values, ev.dataset)


def _tables(ev):
    """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
    rows, df, out = ev.rows, ev.df, {}
    if ev.counts is not None:
        out["selection"] = ("Sample: spectra left after each cut (Sect. 2)", ev.counts)
    if len(rows) >= tables.FEWEST:
        compared = [c for c in ("oh_pred", "oh_rf", "oh_mlp", "oh_n2_cal", "oh_o3n2_cal")
                    if c in rows]  # fmt: skip
        out["methods"] = (
            "As Table 1, with the classic strong lines: estimate - label; share: galaxies that "
            "get an estimate",
            tables.method_table(rows),
        )
        if "oh_planted" in rows and rows["oh_planted"].notna().any():
            out["methods_planted"] = (
                "The same against what was planted in the mock",
                tables.method_table(rows, against="oh_planted"),
            )
        out["noise"] = ("Label noise: the floor that no network can pass",
                        tables_beyond.noise_table(rows))  # fmt: skip
        for by, figure in (("snr_r", "5a"), ("z", "5b")):
            if by in rows and rows[by].notna().any():
                out[f"sigma_{by}"] = (f"As Fig. {figure}: sigma (dex) in bins of {by}",
                                      tables.binned_table(rows, by, columns=compared))  # fmt: skip
        if "snr_r" in rows:
            out["winner"] = ("Network or strong lines, by S/N_r, on the galaxies that have both",
                             tables_beyond.winner_table(rows))  # fmt: skip
        mzr = tables_beyond.mzr_table(rows)
        out["mzr"] = ("As Fig. 6: medians in bins of stellar mass", mzr)
        out["recovery"] = (
            "The planted mass-metallicity relation, from the predictions: differences of the "
            "medians in bins of mass",
            pd.DataFrame([tables_beyond.recovery(mzr)]).dropna(how="all"),
        )
        ours = tables_beyond.fit_mzr(rows)
        if ours is not None:
            out["mzr_fit"] = ("Eq. 3, ours, beside Eq. 2 (Tremonti et al. 2004): 12 + log(O/H) = "
                              "a + b m + c m^2, m = log M", _fits(ours))  # fmt: skip
        out["coverage"] = ("Errors: fraction of labels (planted values) inside the intervals",
                           tables_beyond.coverage_table(rows, ev.half, ev.groups))  # fmt: skip
        out["multitask"] = ("One task or several: difference of the sigmas, paired",
                            tables_beyond.multitask_table(rows))  # fmt: skip
    out["classifier"] = ("As Table 2", tables.class_table(df))
    out["mistakes"] = ("Whom the classifier mistakes, by bptclass", tables.mistake_table(df))
    out["catalogue"] = ("Catalogue: galaxies called star-forming with confidence 0.85 (Fig. 7)",
                        _catalogue(df))  # fmt: skip
    if ev.real:
        out["agreement"] = ("Network less the strong-line estimate of the same spectrum",
                            tables_real.agreement_table(df))  # fmt: skip
        out["objects"] = ("One by one", tables_real.object_table(df))
    return {k: v for k, v in out.items() if len(v[1])}


def _fits(ours):
    rows = {"ours": ours, "Tremonti et al. 2004": tables_beyond.T04}
    return pd.DataFrame([{"relation": k, **dict(zip("abc", v, strict=True))}
                         for k, v in rows.items()])  # fmt: skip


def _catalogue(df):
    """Return one row: how many, mean, peak and spread of the catalogue's metallicities."""
    rows = tables.catalogue_rows(df)
    if len(rows) < tables.FEWEST:
        return pd.DataFrame()
    value = rows["oh_pred"].to_numpy(float)
    row = {"n": len(value), "of": len(df), "mean": value.mean(), "peak": peak(value),
           "p16": np.percentile(value, 16), "p84": np.percentile(value, 84),
           "within_8.5_9.2": np.mean((value >= 8.5) & (value <= 9.2))}  # fmt: skip
    if "is_sf" in rows and rows["is_sf"].notna().any():
        known = rows["is_sf"].dropna().astype(bool)
        row["purity"] = known.mean()
        every = df["is_sf"].fillna(False).astype(bool)
        row["completeness"] = known.sum() / max(every.sum(), 1)
    return pd.DataFrame([row])


def _write(ev, out, about, rejects=None, source=None):
    """Write tables, figures, claims and the report of an evaluation; return the report's path."""
    out.mkdir(parents=True, exist_ok=True)
    judged, made = _judge(ev, about), _tables(ev)
    for name, (_, table) in made.items():
        claims.write(table, out / "tables" / f"{name}.ecsv", dataset=ev.dataset)
    if rejects is not None and len(rejects):
        claims.write(rejects, out / "tables" / "rejects.ecsv", dataset=ev.dataset)
    claims.write(
        judged,
        out / "claims.ecsv",
        measured_on=ev.dataset,
        seed=(about.get("config") or {}).get("seed"),
        commit=(about.get("versions") or {}).get("commit"),
    )
    drawn, skipped = draw(ev, out / "figures")
    for name in ("methods", "classifier", "agreement"):
        if name in made:
            say(_printed(made[name][1].drop(columns="column", errors="ignore")))
    return report(out / "report.html", ev=ev, about=about, judged=judged, made=made, drawn=drawn,
                  skipped=skipped, rejects=rejects, source=source)  # fmt: skip


def _printed(table):
    def text(value):
        if isinstance(value, float):
            return f"{value:.4f}" if np.isfinite(value) else "-"
        return str(value)

    return table.map(text).to_string(index=False)


def _arguments():
    p = parser(
        "python -m lamost_metallicity.evaluate",
        "Metrics, tables, figures and report of the metallicities of LAMOST galaxies.",
    )
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=Path, help="run folder of lamost_metallicity.train")
    source.add_argument("--predictions", type=Path, metavar="FILE",
                        help="table of true and predicted values made elsewhere")  # fmt: skip
    p.add_argument("--on", type=Path, metavar="DIR", help="folder of files to test the run on")
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
