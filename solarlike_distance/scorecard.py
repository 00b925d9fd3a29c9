"""The rows of README.md's score card from a finished run, as Markdown to paste."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.cli import parser, run, say
from common.errors import ReadError
from solarlike_distance.tables import gradients
from solarlike_distance.tables import scatter as tables
from solarlike_distance.tables.given import read_ecsv

NONE = "–"


def _read(folder, name):
    return read_ecsv(Path(folder) / "tables" / f"{name}.ecsv")


def _cell(value, error=None, digits=3):
    if value is None or not np.isfinite(value):
        return NONE
    text = f"{value:.{digits}f}"
    return text if error is None or not np.isfinite(error) else f"{text} ± {error:.{digits}f}"


def scatter_rows(folder, name="scatter"):
    """Return {quantity: text} of scatter (sd ± its error) and bias.

    Parameters
    ----------
    folder : path-like
        Run folder, or an on_NAME in it.
    name : {"scatter", "scatter_planted", "real"}
    """
    table = _read(folder, name)
    out = {}
    for row in () if table is None else table.itertuples():
        digits = 0 if row.unit in ("K", "pc") else 3
        text = f"{_cell(row.sd, row.sd_err, digits)} (bias {row.bias:+.{digits}f}, n {row.n})"
        if row.quantity in out:  # real stars beyond what the networks learned
            text = f"{out[row.quantity]}; all: {text}"
        out[row.quantity] = text
    return out


def distance_row(folder):
    """Return (median, sd) of the absolute fractional distance error, the signed one beside them.

    Text, in per cent.
    """
    table = _read(folder, "distance")
    if table is None or not (table["distance"] == "all").any():
        return NONE, NONE
    row = table[table["distance"] == "all"].iloc[0]
    return tuple(
        f"{100 * row[f'{of}_abs_fraction']:.1f} % (signed {100 * row[f'{of}_fraction']:{form}} %)"
        for of, form in (("median", "+.1f"), ("sd", ".1f"))
    )


def card(run_dir, real=None):
    """Return the score card's rows of a run.

    Parameters
    ----------
    run_dir : path-like
        After `evaluate`.
    real : path-like, optional
        Folder on_NAME of an evaluation on real spectra: the first one there is by default.

    Returns
    -------
    str
        Markdown tables: labels and distance; gradients; models.

    Raises
    ------
    ReadError
        If the folder holds no evaluation.
    """
    run_dir = Path(run_dir)
    if _read(run_dir, "scatter") is None:
        raise ReadError(run_dir, "no tables/scatter.ecsv", "a run after `evaluate`")
    found = sorted(run_dir.glob("on_*/tables/real.ecsv"))
    real = Path(real) if real else (found[0].parents[1] if found else None)
    parts = [_labels(run_dir, real), _errors(run_dir), _galaxy(run_dir), _models(run_dir)]
    return "\n\n".join(part for part in parts if part)


def _labels(run_dir, real):
    ours, planted = scatter_rows(run_dir), scatter_rows(run_dir, "scatter_planted")
    theirs = scatter_rows(real, "real") if real else {}
    median, sd = distance_row(run_dir)
    lines = ["| quantity, test set | published | mock, against labels | mock, against what was "
             "planted | mock → real | real survey |", "|---|---|---|---|---|---|"]  # fmt: skip
    for what in tables.QUANTITIES.values():
        cells = [part.get(what.name, NONE) for part in (ours, planted, theirs)]
        lines.append(f"| scatter of {what.name}, {what.unit} | {what.published:g} | "
                     f"{' | '.join(cells)} | untested |")  # fmt: skip
    for of, published, ours in (("median", 3.7, median), ("sd", 8.2, sd)):
        lines.append(f"| {of} of the absolute fractional distance error | {published} % | {ours} | "
                     f"{NONE} | {NONE} | untested |")  # fmt: skip
    return "\n".join(lines)


def _errors(run_dir):
    table = _read(run_dir, "coverage")
    if table is None:
        return ""
    lines = ["| 68 % intervals hold the label | of n | median half-width |", "|---|---|---|"]
    for row in table.itertuples():
        lines.append(f"| {row.quantity}: {_cell(row.cover_68, row.cover_68_error, 2)} | {row.n} | "
                     f"{row.median_error:.3g} |")  # fmt: skip
    return "\n".join(lines)


def _galaxy(run_dir):
    table = _read(run_dir, "recovery")
    if table is None:
        return ("No gradients: no mock Galaxy was passed through this run "
                "(python -m solarlike_distance.galaxy), or it has too few stars.")  # fmt: skip
    law = "law" in table
    lines = ["| gradient (dex/kpc) | at (kpc) | n | published, LAMOST | the mock Galaxy's law | "
             "planted, same stars | as the paper | corrected | off, errors |",
             "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    paper = {kind: gradients.published(kind).set_index("at")["gradient"]
             for kind in ("radial", "vertical")}  # fmt: skip
    for row in table.itertuples():
        at = None if row.at == "plane" else float(row.at)
        printed = NONE if at is None else _cell(paper[row.kind].get(at))
        lines.append(
            f"| {row.kind} | {'all stars' if at is None else f'{at:g}'} | {row.n} | {printed} | "
            f"{_cell(row.law) if law else NONE} | {_cell(row.planted)} | "
            f"{_cell(row.gradient, row.gradient_error)} | "
            f"{_cell(row.corrected, row.corrected_error)} | {_cell(row.off, digits=1)} |"
        )
    return "\n".join(lines)


def _models(run_dir):
    from solarlike_distance.baselines import published_table

    table = _read(run_dir, "baselines")
    if table is None:
        return ""
    paper = published_table().set_index("model")["mean"]
    lines = ["| model | weighted mean MSE, published | ours | Teff, K² | log g | [Fe/H] | M_G | "
             "(BP-RP)_0 | stars |", "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for row in table.itertuples():
        values = [f"{getattr(row, k):.3g}" for k in tables.LABELS]
        stands = getattr(row, "stands_for", row.model)
        own = "" if stands == row.model else f" (for {stands})"
        lines.append(f"| {row.model}{own} | {_cell(paper.get(stands), digits=4)} | {row.mean:.4f} "
                     f"| {' | '.join(values)} | {getattr(row, 'stars', NONE)} |")  # fmt: skip
    return "\n".join(lines)


def _arguments():
    p = parser("python -m solarlike_distance.scorecard",
               "Rows of the score card from a run that is evaluated.")  # fmt: skip
    p.add_argument("--run-dir", type=Path, required=True, help="run folder after `evaluate`")
    p.add_argument("--real", type=Path, help="its on_NAME folder (default: the first)")
    return p


def work(args):
    """Do what the command line asks for."""
    say(card(args.run_dir, args.real))


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
