"""Every metric, table and figure of the paper from saved predictions, and a report."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims, runs
from common.cli import parser, run, say
from common.errors import SuiteError, UsageError
from common.files import write_parquet
from solarlike_distance import galaxy
from solarlike_distance.config import Config
from solarlike_distance.figures.catalogue import Evaluation, draw
from solarlike_distance.measured import measure
from solarlike_distance.reporting import report
from solarlike_distance.tables import comparison, recovery
from solarlike_distance.tables import scatter as tables
from solarlike_distance.tables.inputs import read_ecsv, read_gradients, read_isochrones, with_truth

SURVEY = "lamost"
TEST_STARS = 3715  # Sect. 3.2


def evaluate_run(run_dir, out=None, on=None, *, compare=(), catalogue=None, truth=None,
                 isochrones=None, gradients=()):  # fmt: skip
    """Evaluate a run on its test split, or on spectrum files.

    Reads predictions.parquet, config.json, history.csv, and where they exist data/selection.ecsv,
    tables/baselines.ecsv and what `explain` left.

    Parameters
    ----------
    run_dir : path-like
        Run folder of `solarlike_distance.train`.
    out : path-like, optional
        Where figures/, tables/, claims.ecsv and report.html go: the run folder by default, with
        `on` its subfolder on_NAME.
    on : path-like, optional
        Folder of spectrum files to evaluate on instead of the test split, against the parameters
        of a star catalogue that lies with them.
    compare : sequence of path-like
        Other catalogues, see `comparison.read_external`.
    catalogue : path-like, optional
        Catalogue that `solarlike_distance.catalog` made with this run: what the paper does with
        its 521 424 stars (Figs. 8-14) is then done with these. By default the mock Galaxy of
        `solarlike_distance.galaxy` where the run has one, else the run's own stars.
    truth : path-like, optional
        What was planted in a mock: obsid and columns that end in _planted.
    isochrones : path-like, optional
        feh, bprp, mg along isochrones, for Fig. 9.
    gradients : sequence of path-like
        Gradients by others, for Fig. 14: kind ("radial", "vertical"), at, gradient, gradient_error.

    Returns
    -------
    Path
        Of report.html.

    Raises
    ------
    ReadError
        If the folder holds no finished run, or a table cannot be read.
    SuiteError
        If there is nothing to evaluate.
    """
    run_dir = Path(run_dir)
    config, about = runs.read_config(run_dir, Config)
    own = tables.read_predictions(_finished(run_dir))
    own = with_truth(own, truth) if catalogue is None else own
    extra = {
        "others": [comparison.read_external(path) for path in compare],
        "catalogue": _catalogue(run_dir, catalogue, truth, on),
        "law": read_ecsv(run_dir / "tables" / galaxy.LAW) if catalogue is None else None,
        "isochrones": read_isochrones(isochrones),
        "published": read_gradients(gradients),
        "parameters": about.get("parameters"),
    }
    if on is None:
        from solarlike_distance.examples import run_examples

        out = Path(out or run_dir)
        df = _test_split(own)
        history = run_dir / "history.csv"
        shap = read_ecsv(run_dir / "tables" / "shap.ecsv")
        ev = Evaluation(
            df=df,
            everything=own,
            dataset=_name(config, df),
            config=config,
            history=pd.read_csv(history) if history.is_file() else None,
            counts=read_ecsv(run_dir / "data" / "selection.ecsv"),
            baselines=read_ecsv(run_dir / "tables" / "baselines.ecsv"),
            explained=None if shap is None else int(shap.attrs.get("stars", 0)),
            examples=run_examples(run_dir, config, about),
            **extra,
        )
        return _write(ev, out, about)
    from solarlike_distance.catalog import predict_labelled
    from solarlike_distance.examples import file_examples

    on = Path(on)
    df, rejects = predict_labelled(run_dir, [on])
    out = Path(out or run_dir / f"on_{on.resolve().name}")
    write_parquet(df, out / "predictions.parquet")
    df = tables.with_types(df)
    mock = "mock" in df and bool(df["mock"].astype(float).gt(0).any())
    name = f"{config.dataset} -> {'mock' if mock else 'real'} files ({on.resolve().name})"
    everything = own if tables.quantities_of(own) else df
    extra["catalogue"] = df if extra["catalogue"] is None else extra["catalogue"]
    ev = Evaluation(df=df, everything=everything, dataset=name, config=config, real=True,
                    examples=file_examples([on], config), **extra)  # fmt: skip
    return _write(ev, out, about, rejects=rejects)


def _catalogue(run_dir, path, truth, on):
    """Return the catalogue that is named, else the mock Galaxy that the run has predicted."""
    if path is not None:
        return with_truth(tables.read_predictions(path), truth)
    made = run_dir / galaxy.FILE
    return tables.read_predictions(made) if made.is_file() and on is None else None


def evaluate_predictions(path, out, *, compare=(), truth=None, isochrones=None, gradients=()):
    """Evaluate a table of predictions made elsewhere, or a catalogue without labels.

    Parameters
    ----------
    path : path-like
        See `solarlike_distance.tables.scatter.read_predictions`.
    out : path-like
        Output folder.
    compare, truth, isochrones, gradients :
        As of `evaluate_run`.

    Returns
    -------
    Path
        Of report.html.
    """
    path, out = Path(path), Path(out)
    own = with_truth(tables.read_predictions(path), truth)
    df = _test_split(own)
    kinds = sorted(set(df["dataset"].astype(str)) - {""}) if "dataset" in df else []
    name = f"{path.name}, {' and '.join(kinds)}" if kinds else path.name
    ev = Evaluation(
        df=df,
        everything=own,
        dataset=f"{SURVEY} ({name})",
        catalogue=own,
        others=[comparison.read_external(other) for other in compare],
        isochrones=read_isochrones(isochrones),
        published=read_gradients(gradients),
    )
    return _write(ev, out, {}, source=path)


def _name(config, df):
    """Return what a run was measured on; a survey's bare name only for a run of the paper's size.

    A smaller run on the survey's spectra cannot confirm or miss what the paper says of its own.
    """
    rows = len(tables.judged_rows(df))
    if config.is_mock or (config.scale == "paper" and rows >= 0.9 * TEST_STARS):
        return config.dataset
    return f"{config.dataset} ({config.scale} scale, {rows} test spectra)"


def _finished(run_dir):
    path = run_dir / "predictions.parquet"
    if not path.is_file():
        raise SuiteError(
            f"{run_dir} has no predictions.parquet: its training is not finished. Go on with it: "
            f"python -m solarlike_distance.train --run-dir {run_dir} --resume, with the same "
            "options."
        )
    return path


def _test_split(df):
    """Return the rows of the test split; all rows where the table names no splits."""
    if "split" in df and (df["split"] == "test").any():
        return df[df["split"] == "test"].reset_index(drop=True)
    if "split" in df and "reference" in set(df["split"]):
        raise SuiteError("The table has rows of the reference set but no row of split 'test'.")
    return df


def _judge(ev):
    """Return the table of claims; what real files with LASP's labels measure speaks to none."""
    every = claims.load(Path(__file__).with_name("claims.toml"))
    return claims.judge(every, {} if ev.real else measure(every, ev), ev.dataset)


def _tables(ev):
    """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
    df, out = ev.df, {}
    if ev.counts is not None and not ev.real:
        out["selection"] = ("As Table 2: spectra left after each cut", ev.counts)
    if ev.real:
        out["real"] = ("Predicted less the catalogue's parameters", _on_real(ev))
        out["objects"] = ("One by one", object_table(df))
    else:
        out["scatter"] = ("As Fig. 5: predicted less label", tables.scatter_table(df))
    planted = tables.scatter_table(df, against="planted")
    out["scatter_planted"] = ("The same against what was planted in the mock", planted)
    out["distance"] = ("As Figs. 5-7: error of the distance (pc) and its fraction",
                       tables.distance_table(df))  # fmt: skip
    for by, name in (("snr_g", "S/N_g"), ("teff", "Teff"), ("logg", "log g"), ("feh", "[Fe/H]")):
        out[f"by_{by}"] = (f"As Fig. 6: bias and scatter in bins of {name}",
                           tables.binned_table(df, by))  # fmt: skip
    out["binaries"] = ("Unresolved binaries of the mock (Sect. 3.3)", tables.binary_table(df))
    out["coverage"] = ("Labels inside the 68 % intervals", tables.coverage_table(df))
    if ev.baselines is not None:
        out["baselines"] = ("As Table C.1: mean squared errors on the test set", ev.baselines)
    out |= _compared(ev) | _galactic(ev)
    return {k: v for k, v in out.items() if v[1] is not None and len(v[1])}


def _compared(ev):
    out = {}
    found = ev.distances()
    if found is not None:
        out["catalogues"] = ("As Fig. 10: pairs of distances (pc)",
                             comparison.distance_table(found, ev.others))  # fmt: skip
    if any(o.is_survey for o in ev.others):
        out["surveys"] = ("As Fig. 11: this work less a survey's parameters",
                          comparison.parameter_table(ev.stars, ev.others))  # fmt: skip
    problems = tables.problem_counts(ev.stars)
    if problems.get("all"):
        out["problems"] = ("As Fig. 8: spectra without a good distance", pd.DataFrame([problems]))
    return out


def _galactic(ev):
    out = {}
    for kind, table in ev.gradients().items():
        number = {"radial": 3, "vertical": 4}[kind]
        out[f"gradients_{kind}"] = (f"As Table {number}: {kind} gradients (kpc, dex)", table)
    table = ev.recovery()
    if table is not None:
        out["recovery"] = ("Planted gradients and what is found of them (dex/kpc)",
                           table.assign(at=table["at"].astype(str)))  # fmt: skip
        out["recovery_summary"] = ("Do the planted gradients come back?", recovery.summary(table))
    elif not ev.real:
        table = ev.corrected()
        if table is not None:
            out["corrected"] = ("Gradients corrected for the network's errors (dex/kpc)",
                                table.assign(at=table["at"].astype(str)))  # fmt: skip
    return out


def _on_real(ev):
    """Return bias and scatter on real spectra, empty where none has all three parameters."""
    if not {"teff_true", "logg_true", "feh_true", "snr_g"} <= set(ev.df):
        return pd.DataFrame()
    return tables.real_table(ev.df, ev.config)


def object_table(df):
    """Return real spectra one by one."""
    names = ["id", "file", "release", "subclass", "snr_g", "flag", "warning"]
    names += [f"{k}_{of}" for k in tables.QUANTITIES for of in ("true", "pred", "sigma")]
    table = df[[n for n in names if n in df and df[n].replace("", np.nan).notna().any()]].copy()
    if "file" in table:
        table["file"] = [Path(str(f)).name for f in table["file"]]
    return table


def _write(ev, out, about, rejects=None, source=None):
    """Write tables, figures, claims and the report of an evaluation; return the report's path."""
    out.mkdir(parents=True, exist_ok=True)
    judged, made = _judge(ev), _tables(ev)
    for name, (_, table) in made.items():
        if name != "baselines":  # the comparison's own file says more
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
    for name in ("scatter", "real", "distance", "baselines", "catalogues", "recovery_summary"):
        if name in made:
            say(_printed(made[name][1]))
    return report(out / "report.html", ev=ev, about=about, judged=judged, made=made, drawn=drawn,
                  skipped=skipped, rejects=rejects, source=source)  # fmt: skip


def _printed(table):
    def text(value):
        if isinstance(value, float):
            return f"{value:.4g}" if np.isfinite(value) else "-"
        return str(value)

    return table.map(text).to_string(index=False)


def _arguments():
    p = parser(
        "python -m solarlike_distance.evaluate",
        "Metrics, tables, figures and report of parameters and distances of solar-like stars.",
    )
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=Path, help="run folder of solarlike_distance.train")
    source.add_argument("--predictions", type=Path, metavar="FILE",
                        help="table of predictions made elsewhere, or a catalogue")  # fmt: skip
    p.add_argument("--on", type=Path, metavar="DIR", help="folder of files to test the run on")
    p.add_argument("--catalogue", type=Path, metavar="FILE",
                   help="catalogue made with the run: Figs. 8-14 are drawn from it")  # fmt: skip
    p.add_argument("--compare", type=Path, metavar="TABLE", action="append", default=[],
                   help="catalogue of distances or parameters to compare with")  # fmt: skip
    p.add_argument("--truth", type=Path, metavar="TABLE",
                   help="what was planted in the mock: obsid and columns *_planted")  # fmt: skip
    p.add_argument("--isochrones", type=Path, metavar="TABLE", help="feh, bprp, mg for Fig. 9")
    p.add_argument("--gradients", type=Path, metavar="TABLE", action="append", default=[],
                   help="gradients by others for Fig. 14; repeatable")  # fmt: skip
    p.add_argument("-o", "--output", type=Path, help="output folder (default: the run folder)")
    return p


def work(args):
    """Do what the command line asks for."""
    more = dict(compare=args.compare, truth=args.truth, isochrones=args.isochrones,
                gradients=args.gradients)  # fmt: skip
    if args.predictions is not None:
        if args.output is None:
            raise UsageError("--predictions needs -o DIR, the folder to write to.")
        if args.on is not None or args.catalogue is not None:
            raise UsageError(
                "--on and --catalogue go with --run-dir: a table of predictions has no networks."
            )
        say(f"report: {evaluate_predictions(args.predictions, args.output, **more)}")
    else:
        report_path = evaluate_run(args.run_dir, args.output, args.on, catalogue=args.catalogue,
                                   **more)  # fmt: skip
        say(f"report: {report_path}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
