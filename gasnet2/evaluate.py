"""Every metric, table and figure of the paper from saved predictions, and a report."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from common import runs
from common.commands import evaluate as command
from common.errors import SuiteError
from common.evaluation import write
from common.inspect.verdicts import read_verdicts
from common.paper import Option
from common.rows import held_out, kept, name_of, name_on
from gasnet2 import samples, tables
from gasnet2.config import CLASSES, COARSE, PAPER, Config, make_config, published
from gasnet2.evaluation import Evaluation
from gasnet2.tables_peer import read_peer


def evaluate_run(run_dir, out=None, on=None, peer=None, inspected=None):
    """Evaluate a run on its test split, or on labelled files.

    Reads predictions.parquet, config.json, history.csv, and where they exist sample.parquet (the
    sample before the split), data/ (prepared spectra, for example figures),
    contamination_00.parquet, _05, _10 (predictions of runs with shuffled labels, App. A),
    explain/gradients.parquet (Fig. D1) and, for the report, on_*/ (what earlier evaluations on
    real files left). `peer` is a table of somebody else's classes and redshifts of the same
    spectra (see `gasnet2.tables_peer.read_peer`); `inspected` a CSV of an inspector's verdicts,
    which are the labels then (see `common.inspect.verdicts.read_verdicts`).

    What else it takes and returns, `common.commands.evaluate.main` says.
    """
    run_dir = Path(run_dir)
    config, about = runs.read_config(run_dir, Config)
    common = dict(
        config=config,
        about=about,
        run_dir=run_dir,
        classes=config.classes,
        survey=published(config.survey),
        validation_mae=about.get("validation_mae") or {},
        peer=peer and read_peer(peer),
    )
    if on is None:
        df = held_out(tables.read_predictions(runs.predictions_of(run_dir, PAPER.package)))
        ev = Evaluation(
            df=df,
            dataset=measured_on(config, df),
            history=runs.history_of(run_dir),
            contaminated=contaminated(run_dir),
            own=_own(run_dir, config),
            sample=samples.before_split(run_dir),
            explained=_explained(run_dir),
            **common,
        )
        return write(ev, out or run_dir)
    from gasnet2.predict import predict_labelled

    on = Path(on)
    verdicts = None if inspected is None else read_verdicts(inspected, kinds=(*COARSE, "STAR"))
    df, rejects = predict_labelled(run_dir, [on], verdicts)
    out = kept(df, run_dir, on, out)
    ev = Evaluation(
        df=df,
        dataset=name_on(config, df, on) + ("" if verdicts is None else ", labels by eye"),
        real=True,
        own=_own(run_dir, config),
        real_spectra=samples.of_files(config, [on]),
        explained=_explained(out),
        **common,
    )
    return write(ev, out, rejects=rejects)


def evaluate_predictions(path, out, peer=None):
    """Evaluate a table of true and predicted values made elsewhere.

    See `gasnet2.tables.read_predictions`. The authors' training histories are used where they
    lie beside it. `peer` is as of `evaluate_run`; what else it takes and returns,
    `common.commands.evaluate.main` says.
    """
    path = Path(path)
    df = held_out(tables.read_predictions(path))
    classes = tables.classes_of(df)
    theirs = df.attrs.get("layout") == "authors"
    history = tables.read_author_history(path.parent, classes) if theirs else None
    source = "authors' predictions" if theirs else path.name
    if "dataset" in df:  # written by this project: the table says what it is of
        source = f"{path.name}, {' and '.join(sorted(df['dataset'].astype(str).unique()))}"
    survey = published(next(k for k, v in CLASSES.items() if v == classes))
    ev = Evaluation(
        df=df,
        classes=classes,
        survey=survey,
        dataset=f"{survey} ({source})",
        history=history,
        validation_mae=_lowest_mae(history),
        peer=peer and read_peer(peer),
    )
    return write(ev, out, source=path)


def measured_on(config, df):
    """Return what a run was measured on, see `common.rows.name_of`."""
    full = make_config(config.dataset, "paper", network=config.network)
    wanted = full.split[2] * full.per_class * len(full.classes)
    return name_of(PAPER, config, len(df), wanted)


def _lowest_mae(history):
    """Return {class: lowest validation MAE} of a history, {} without one."""
    if history is None or "val_mae" not in history:
        return {}
    part = history[history["network"] != "classifier"]
    return part.groupby(part["network"].str.split("/").str[0])["val_mae"].min().to_dict()


def contaminated(run_dir):
    """Return {per cent: predictions} of the runs with shuffled labels that are here."""
    found = {}
    for path in sorted(run_dir.glob("contamination_*.parquet")):
        percent = path.stem.removeprefix("contamination_")
        if percent.isdigit():
            found[int(percent)] = held_out(tables.read_predictions(path))
    return found


def _own(run_dir, config):
    """Return spectra of the run's data; None where a run folder is kept without them."""
    try:
        return samples.of_run(run_dir, config)
    except (SuiteError, OSError):
        return None


def _explained(folder):
    """Return the gradients that `gasnet2.explain` left in a folder, None without them."""
    path = folder / "explain" / "gradients.parquet"
    return pd.read_parquet(path) if path.is_file() else None


main = partial(
    command.main,
    PAPER,
    "Metrics, tables, figures and report of GaSNet-II.",
    of_run=evaluate_run,
    of_table=evaluate_predictions,
    of_run_only=(command.INSPECTED,),
    options=(
        Option("--peer", "table of a peer's classes and redshifts of the same spectra, to stand "
               "beside ours: id (or plate, mjd, fiber), z, class",
               more={"type": Path, "metavar": "TABLE"}),
    ),
)  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
