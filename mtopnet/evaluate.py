"""Every metric, table and figure of the paper from saved predictions, and a report."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims
from common.catalog import read_table
from common.cli import parser, run, say
from common.errors import ReadError, SuiteError, UsageError
from common.files import write_parquet
from mtopnet.figures.catalogue import Evaluation, draw
from mtopnet.measured import measure
from mtopnet.reporting import report
from mtopnet.tables import pdf as tables_pdf
from mtopnet.tables import redshifts as tables
from mtopnet.tables import variants as tables_variants

SURVEY = "moons"
PAPER_TEST = 17729  # Sect. 3.1
ELSEWHERE = {  # tables of `explain` and `latent` that the report shows
    "saliency_lines": "Saliency of the redshift in channels of lines, against line-free ones",
    "line_map": "The line branch's own task",
    "scalar_pdf": "PDFs of log M and log SFR: scores and coverage (dex)",
    "latent": "What the layers behind the shared one encode",
}


def evaluate_run(run_dir, out=None, on=None):
    """Evaluate a run on its test split, or on spectrum files with labels.

    Reads predictions.parquet, pdf_test.npy, pdf_test_ids.parquet, config.json, history.csv,
    variants/, and where they exist tables/latent.ecsv and the figures of `explain` and `latent`.

    Parameters
    ----------
    run_dir : path-like
        Run folder of `mtopnet.train`.
    out : path-like, optional
        Where figures/, tables/, claims.ecsv and report.html go: the run folder by default, with
        `on` its subfolder on_NAME.
    on : path-like, optional
        Folder of spectrum files and their labels to evaluate on instead of the test split.

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
    from common.runs import read_config
    from mtopnet.config import Config

    run_dir = Path(run_dir)
    config, about = read_config(run_dir, Config)
    edges = config.edges
    if on is None:
        own = tables.read_predictions(_finished(run_dir))
        out = Path(out or run_dir)
        df = tables.labelled(tables.with_dz(_test_split(own), edges))
        _some(df, run_dir / "predictions.parquet")
        pdf, rows = read_pdf(run_dir, df)
        history = run_dir / "history.csv"
        ev = Evaluation(
            df=df,
            everything=own,
            dataset=_name(config, df),
            config=config,
            history=pd.read_csv(history) if history.is_file() else None,
            pdf=pdf,
            pdf_rows=rows,
            edges=edges,
            variants=tables_variants.read_variants(run_dir, config=config),
        )
        return _write(ev, out, about)
    from mtopnet.predict import predict_labelled

    on = Path(on)
    df, pdf, rejects = predict_labelled(run_dir, [on])
    out = Path(out or run_dir / f"on_{on.resolve().name}")
    write_parquet(df, out / "predictions.parquet")
    df = tables.with_dz(tables.with_types(df), edges)
    ev = Evaluation(
        df=tables.labelled(df),
        everything=df,
        dataset=f"{config.dataset} -> {on.resolve().name}",
        config=config,
        pdf=pdf[df["z_label"].notna()],
        pdf_rows=tables.labelled(df),
        edges=edges,
        real=True,
    )
    return _write(ev, out, about, rejects=rejects)


def evaluate_predictions(path, out):
    """Evaluate a table of true and predicted redshifts made elsewhere.

    Parameters
    ----------
    path : path-like
        See `mtopnet.tables.redshifts.read_predictions`.
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
    kinds = sorted(set(df["dataset"]) - {""}) if "dataset" in df else []
    name = f"{path.name}, {' and '.join(kinds)}" if kinds else path.name
    df = tables.labelled(tables.with_dz(df))
    _some(df, path)
    ev = Evaluation(df=df, everything=own, dataset=f"{SURVEY} ({name})")
    return _write(ev, out, {}, source=path)


def read_pdf(run_dir, df):
    """Read a run's PDFs of test spectra and the rows that they belong to, joined by id.

    Parameters
    ----------
    run_dir : path-like
        With pdf_test.npy of shape (n, n_bins) and pdf_test_ids.parquet, a column id of n rows.
    df : DataFrame
        With id.

    Returns
    -------
    ndarray of shape (m, n_bins), DataFrame of m rows; or None, None
        None where the run keeps no PDFs.

    Raises
    ------
    ReadError
        If PDFs and ids do not go together.
    """
    path, names = Path(run_dir) / "pdf_test.npy", Path(run_dir) / "pdf_test_ids.parquet"
    if not path.is_file() or not names.is_file():
        return None, None
    remedy = "Take both files away: the evaluation then goes without PDFs; or train again."
    try:
        every, ids = np.load(path, mmap_mode="r"), pd.read_parquet(names)["id"].astype(str)
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(path, f"not readable ({error})", "PDFs and their ids", remedy) from error
    if every.ndim != 2 or len(every) != len(ids) or ids.duplicated().any():
        found = f"an array of shape {every.shape} and {ids.nunique()} ids"
        raise ReadError(path, found, "one row of probabilities for each id", remedy)
    where = pd.Series(np.arange(len(ids)), index=ids.to_numpy()).reindex(df["id"])
    known = where.notna().to_numpy()
    if not known.any():
        return None, None
    rows = where.to_numpy()[known].astype(int)
    return np.asarray(every[rows]), df[known].reset_index(drop=True)


def _some(df, path):
    if not df["z_peak"].notna().any():
        raise ReadError(path, "no row with both z_true and z_peak", "at least one such row")


def _name(config, df):
    """Return what a run was measured on; a survey's bare name only for a run of the paper's size.

    A smaller run cannot confirm or miss what the paper says of its own.
    """
    if config.is_mock or (config.scale == "paper" and len(df) >= 0.9 * PAPER_TEST):
        return config.dataset
    return f"{config.dataset} ({config.scale} scale, {len(df)} test spectra)"


def _finished(run_dir):
    path = run_dir / "predictions.parquet"
    if not path.is_file():
        raise SuiteError(
            f"{run_dir} has no predictions.parquet: its training is not finished. Go on with it: "
            f"python -m mtopnet.train --run-dir {run_dir} --resume, with the same options."
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
    """Return the table of claims; an evaluation on other files speaks to none."""
    every = claims.load(Path(__file__).with_name("claims.toml"))
    values = {}
    if not ev.real:
        values = measure(every, ev.df, variants=ev.variants, about=about)
        if ev.config is not None and ev.config.is_mock:  # how many it makes is its own choice
            values = {k: v for k, v in values.items() if not k.endswith("-size")}
            for name in ("spectra", "galaxies"):
                values.pop(name, None)
    return claims.judge(every, values, ev.dataset)


def _tables(ev, out):
    """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
    df = ev.df
    made = {
        "residuals": ("As Figs 4 and 6: Gaussian fits of predicted - labelled",
                      tables.residual_table(df)),
        "success": ("As Fig. 7: fraction of right redshifts", tables.success_table(df)),
        "magnitude": ("As Fig. 8: fraction with |dz| < 0.01 by m_H", tables.magnitude_table(df)),
        "dark": ("Failures by redshift (Sect. 5.1)", tables_pdf.dark_table(df)),
        "failures": ("As Fig. 11: medians of good and poor redshifts",
                     tables_pdf.failure_table(df)),
        "mc": ("MC dropout against a single pass", tables_pdf.mc_table(df)),
        "confidence": ("Probability within 0.01 of the peak, and how often that is right",
                       tables_pdf.confidence_table(df)),
        "errors": ("Errors of log M and log SFR", tables_pdf.error_table(df)),
    }  # fmt: skip
    if {"entropy", "skewness"} & set(df):
        made["screening"] = ("As Sect. 5.2: the paper's cuts", tables_pdf.screening_table(df))
    if ev.pdf is not None:
        table = tables_pdf.calibration_table(ev.pdf_rows, ev.pdf, ev.edges)
        made["calibration"] = ("Scores and calibration", table)
    if ev.variants:
        table = tables_variants.variant_table(df, ev.variants)
        made["variants"] = ("As Fig. 5: networks on the same test spectra", table)
        table = tables_variants.bin_width_table(df, ev.variants, dz=ev.config.dz)
        made["bin_width"] = ("What finer bins give, on the same test spectra", table)
    for name, caption in ELSEWHERE.items():
        path = out / "tables" / f"{name}.ecsv"
        if path.is_file() and not ev.real:
            made[name] = (caption, read_table(path))
    return {k: v for k, v in made.items() if len(v[1])}


def _write(ev, out, about, rejects=None, source=None):
    """Write tables, figures, claims and the report of an evaluation; return the report's path."""
    out.mkdir(parents=True, exist_ok=True)
    judged, made = _judge(ev, about), _tables(ev, out)
    for name, (_, table) in made.items():
        if name not in ELSEWHERE:
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
    for name in ("residuals", "success", "variants"):
        if name in made:
            say(_printed(made[name][1].dropna(axis=1, how="all")))
    return report(out / "report.html", ev=ev, about=about, judged=judged, made=made, drawn=drawn,
                  skipped=skipped, rejects=rejects, source=source)  # fmt: skip


def _printed(table):
    def text(value):
        if isinstance(value, float):
            return f"{value:.4f}" if np.isfinite(value) else "-"
        return str(value)

    keep = [c for c in table if not str(c).endswith("_err") and c != "share"]
    return table[keep].map(text).to_string(index=False)


def _arguments():
    p = parser(
        "python -m mtopnet.evaluate",
        "Metrics, tables, figures and report of redshifts, masses and rates from MOONS spectra.",
    )
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=Path, help="run folder of mtopnet.train")
    source.add_argument("--predictions", type=Path, metavar="FILE",
                        help="table of true and predicted values made elsewhere")  # fmt: skip
    p.add_argument("--on", type=Path, metavar="DIR",
                   help="folder of files and labels to test the run on")  # fmt: skip
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
