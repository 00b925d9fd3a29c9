"""The card of a released network, from the tables and pictures of its run alone."""

from __future__ import annotations

import pandas as pd
from astropy.table import Table
from PIL import Image

from common.half import ALLOWED, SHARE
from common.report import run_facts, show

WIDEST = 12  # columns of a table
LARGEST = 1200  # pixels of a picture


def card(ev, run_dir, folder, *, config, kept, about, half=None, tables=()):
    """Return the card, Markdown; its pictures are copied to figures/ of the folder.

    Parameters
    ----------
    ev : type
        The paper's `common.evaluation.Evaluation`.
    run_dir : Path
        The run, which holds evaluations of its test split and, in on_*/, on files.
    folder : Path
        Of the released network.
    config, kept : Config and dict
        The run's, as `common.runs.read_config` returns them.
    about : str
        What it is for.
    half : DataFrame, optional
        From `common.half.compare`.
    tables : sequence of str
        Tables of the run itself to show.
    """
    paper = ev.paper
    command, unsaid = ev.command(config)
    minutes = sum(v for k, v in (kept.get("timing") or {}).items() if k in ("data_s", "training_s"))
    kind = "simulated spectra (a mock)" if config.is_mock else "real spectra"
    facts = {"command": f"`{command}`", "set in other ways": unsaid or None,
             "minutes, data included": f"{minutes / 60:.0f}"}  # fmt: skip
    facts |= run_facts({k: v for k, v in kept.items() if k != "device"}, ())
    parts = [
        f"# {paper.network}: the released network `{folder.name}`",
        about,
        f"Trained on {kind}: {config.trained}. Made by `{paper.module('release')}` from the run's "
        "own tables.",
        "## How it was made",
        markdown(pd.DataFrame([(k, v) for k, v in facts.items() if v], columns=["what", "value"])),
        "## What it scores",
    ]
    own = [f for f in (run_dir / "tables" / f"{t}.ecsv" for t in tables) if f.is_file()]
    beside = ev.beside
    found = sorted(run_dir.glob(f"on_*/tables/{beside.table}.ecsv")) if beside else []
    if not own + found:
        parts.append("The run was not evaluated: nothing is known.")
    further = [f.with_name(f"{t}.ecsv") for f in found for t in beside.further]
    for path in own + found + [f for f in further if f.is_file()]:
        table = Table.read(path, format="ascii.ecsv")
        parts += [f"**{table.meta.get('dataset', path.parts[-3])}**", markdown(table.to_pandas())]
    pictures = [f for p in found for f in sorted((p.parents[1] / "figures").glob("*.png"))
                if f.stem in beside.figures]  # fmt: skip
    if pictures:
        parts.append("## Where it fails, and how it looks on files")
    for picture in pictures:
        name = f"{picture.parts[-3]}_{picture.name}"
        (folder / "figures").mkdir(exist_ok=True)
        _small(picture, folder / "figures" / name)
        parts.append(f"![{beside.figures[picture.stem]} ({picture.parts[-3]})](figures/{name})")
    parts += ["## On disk", _of_half(half)]
    parts += ["## Licence and citation", "The licence is the project's (LICENSE). Cite:",
              "\n".join(f"- {text}" for text in ev.references)]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _small(picture, out):
    """Copy a PNG in fewer colours and pixels, for a page that is read and not printed."""
    with Image.open(picture) as image:
        image = image.convert("RGB")
        image.thumbnail((LARGEST, LARGEST))
        image.quantize(64).save(out, optimize=True)


def _of_half(half):
    if half is None or not len(half):
        return "Weights in single precision, as trained."
    kept = "Weights have the 11 significant bits of half precision." if half["enough"].all() else (
        "Weights in single precision: half precision changes too much."
    )  # fmt: skip
    return (
        f"{kept} Allowed is a change of {ALLOWED} of an error in {SHARE:.0%} of the rows of a "
        f"catalogue; measured, in units of the errors:\n\n{markdown(half)}"
    )


def markdown(table):
    """Return a table as Markdown; of wide ones the first columns."""
    table = table.iloc[:, :WIDEST]
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|---" * table.shape[1] + "|"]
    for row in table.itertuples(index=False, name=None):
        lines.append("| " + " | ".join(show(v).replace("|", "\\|") for v in row) + " |")
    return "\n".join(lines)
