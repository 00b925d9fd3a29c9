"""Every metric, table and figure of the paper from saved predictions, and a report."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from common import runs
from common.commands import evaluate as command
from common.evaluation import write
from common.paper import Option
from common.rows import held_out, kept, name_of, name_of_table, unlearned
from solarlike_distance import galaxy
from solarlike_distance.config import PAPER, Config
from solarlike_distance.data import learned
from solarlike_distance.evaluation import Evaluation
from solarlike_distance.examples import file_examples, run_examples
from solarlike_distance.labelled import on_one_scale
from solarlike_distance.tables import comparison
from solarlike_distance.tables import scatter as tables
from solarlike_distance.tables.given import read_ecsv, read_gradients, read_isochrones, with_truth
from solarlike_distance.tables.rows import any_mock, read_predictions, with_types

TEST_STARS = 3715  # Sect. 3.2
KNOWN = ("reference",)  # splits beside the test set
MANY = {"type": Path, "metavar": "TABLE", "action": "append", "default": []}
TABLE = {"type": Path, "metavar": "TABLE"}
CATALOGUE = Option("--catalogue", "catalogue made with the run: Figs. 8-14 are drawn from it",
                   more={"type": Path, "metavar": "FILE"})  # fmt: skip
OPTIONS = (
    Option("--compare", "catalogue of distances or parameters to compare with", more=MANY),
    Option("--truth", "what was planted in the mock: obsid and columns *_planted", more=TABLE),
    Option("--isochrones", "feh, bprp, mg for Fig. 9", more=TABLE),
    Option("--gradients", "gradients by others for Fig. 14; repeatable", more=MANY),
)


def evaluate_run(run_dir, out=None, on=None, *, compare=(), catalogue=None, truth=None,
                 isochrones=None, gradients=()):  # fmt: skip
    """Evaluate a run on its test split, or on spectrum files.

    Reads predictions.parquet, config.json, history.csv, and where they exist data/selection.ecsv,
    tables/baselines.ecsv and what `explain` left.

    Parameters
    ----------
    run_dir, out, on
        As `common.commands.evaluate.main` says; the files of `on` are judged against the
        parameters of a star catalogue, or of APOGEE, that lies with them, on one scale. Spectra of
        stars that the run learned from are left out.
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
    """
    run_dir = Path(run_dir)
    config, about = runs.read_config(run_dir, Config)
    path = runs.predictions_beside(run_dir, PAPER.package, on)
    own = None if path is None else read_predictions(path)
    own = with_truth(own, truth) if catalogue is None and path is not None else own
    extra = {
        "config": config,
        "about": about,
        "run_dir": run_dir,
        "catalogue": _catalogue(run_dir, catalogue, truth, on),
        "law": read_ecsv(run_dir / "tables" / galaxy.LAW) if catalogue is None else None,
        **_beside(compare, isochrones, gradients),
    }
    if on is None:
        df = held_out(own, KNOWN)
        shap = read_ecsv(run_dir / "tables" / "shap.ecsv")
        ev = Evaluation(
            df=df,
            everything=own,
            dataset=name_of(PAPER, config, len(tables.judged_rows(df)), TEST_STARS),
            history=runs.history_of(run_dir),
            counts=read_ecsv(run_dir / "data" / "selection.ecsv"),
            baselines=read_ecsv(run_dir / "tables" / "baselines.ecsv"),
            explained=None if shap is None else int(shap.attrs.get("stars", 0)),
            examples=run_examples(run_dir, config, about),
            **extra,
        )
        return write(ev, out or run_dir)
    from solarlike_distance.catalog import predict_labelled

    on = Path(on)
    df, rejects = predict_labelled(run_dir, [on])
    df, rejects = unlearned(
        df, rejects, learned(df, run_dir, config), of=("star", "stars"), how="trained or calibrated"
    )
    df = on_one_scale(df)
    out = kept(df, run_dir, on, out)
    df = with_types(df)
    kind = "mock" if any_mock(df) else "real"
    extra["catalogue"] = df if extra["catalogue"] is None else extra["catalogue"]
    ev = Evaluation(
        df=df,
        everything=df if own is None or not tables.quantities_of(own) else own,
        dataset=f"{config.trained} -> {kind} files ({on.resolve().name})",
        real=True,
        examples=file_examples([on], config),
        **extra,
    )
    return write(ev, out, rejects=rejects)


def _beside(compare, isochrones, gradients):
    """Return what an evaluation takes from tables of others."""
    return {
        "external": [comparison.read_external(path) for path in compare],
        "isochrones": read_isochrones(isochrones),
        "published": read_gradients(gradients),
    }


def _catalogue(run_dir, path, truth, on):
    """Return the catalogue that is named, else the mock Galaxy that the run has predicted."""
    if path is not None:
        return with_truth(read_predictions(path), truth)
    made = run_dir / galaxy.FILE
    return read_predictions(made) if made.is_file() and on is None else None


def evaluate_predictions(path, out, *, compare=(), truth=None, isochrones=None, gradients=()):
    """Evaluate a table of predictions made elsewhere, or a catalogue without labels.

    See `solarlike_distance.tables.rows.read_predictions`. The rest is as of `evaluate_run`.
    """
    path = Path(path)
    own = with_truth(read_predictions(path), truth)
    df = held_out(own, KNOWN)
    ev = Evaluation(
        df=df,
        everything=own,
        dataset=name_of_table(path, df, Evaluation.survey),
        catalogue=own,
        **_beside(compare, isochrones, gradients),
    )
    return write(ev, out, source=path)


main = partial(
    command.main,
    PAPER,
    "Metrics, tables, figures and report of parameters and distances of solar-like stars.",
    of_run=evaluate_run,
    of_table=evaluate_predictions,
    options=OPTIONS,
    of_run_only=[CATALOGUE],
    unseen="parameters and distances of stars",
)

if __name__ == "__main__":
    raise SystemExit(main())
