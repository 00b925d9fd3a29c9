"""From an evaluation to its tables, figures, claims, report and cover: one way for every paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
from astropy.table import Table

from common import claims
from common.cli import say
from common.files import write_text
from common.headline import scores
from common.inspect.page import objects_of
from common.plots import draw
from common.report import Section, claims_section, run_facts, write_report
from common.rows import MOCK_FILES, REAL_FILES

MOCK = (
    "MOCK DATA. Everything here was trained and tested on simulated spectra ({}). It shows that "
    "the code works and how it behaves; it says nothing about the real survey, whose claims stay "
    "untested."
)
INSPECT, LOOKED_AT = "inspect.html", "worth_a_look.txt"
LOOK = (
    "\n\nTo look at their spectra: python -m {} --catalogue CATALOGUE FILES --ids "
    f"tables/{LOOKED_AT} -o {INSPECT} in this folder; evaluated again, each row links its spectrum."
)
MOST_LOOKED_AT = 100
MOCK_TO_REAL = (
    "TRAINED ON MOCK, TESTED ON REAL SPECTRA ({}). The networks saw only simulated spectra. The "
    "survey's own claims stay untested."
)


@dataclass(frozen=True)
class Beside:
    """What a report shows of evaluations on files, which lie in on_*/ beside it.

    Attributes
    ----------
    title, text : str
        Of the section.
    table : str
        Name of the table of each that is shown.
    figures : dict of str to str
        Name of a figure -> caption.
    further : tuple of str
        Names of tables that are shown after it.
    """

    title: str
    text: str
    table: str
    figures: dict = field(default_factory=dict)
    further: tuple = ()


@dataclass(kw_only=True)
class Evaluation:
    """Everything that tables, figures and report of one evaluation are made from.

    A paper derives from it: class attributes say what its report says, methods what is measured.

    Attributes
    ----------
    df : DataFrame
        Predictions that are judged.
    dataset : str
        What they were made on, in words ("sdss-mock").
    config : the paper's Config, optional
        Of the run; None for a table made elsewhere.
    about : dict
        config.json of the run, or {}.
    history : DataFrame, optional
    real : bool
        True for an evaluation on files (--on).
    run_dir : Path, optional
        Its on_*/ are shown beside.

    Other Parameters
    ----------------
    paper : common.paper.Paper
    claims : Path
        The paper's claims.toml.
    title : str
        Of the report; {} is the data set.
    survey, subject, place : str
        As of `common.report.claims_section`.
    parts : dict of str to (str, sequence of str)
        Section of the report -> text, names of its tables.
    references : sequence of str
    training : sequence of str
        Fields of the configuration that the report names.
    printed : sequence of str
        Tables that are printed.
    others : sequence of str
        Tables that another command wrote, which stay as they are.
    elsewhere : dict of str to (str, str)
        Figures that another command draws: name -> caption, verb.
    cover_figures : sequence of str
        Names of figures that an overview of several papers shows; the first one at a glance.
    gives : str
        What the network makes of what, in one line.
    headline : sequence of common.headline.Score
        The numbers that an overview shows.
    looked_at : str
        How the objects of `worst` were chosen.
    beside : Beside, optional
    rejected : str
        What the section of rejects says.
    """

    df: pd.DataFrame
    dataset: str
    config: object = None
    about: dict = field(default_factory=dict)
    history: pd.DataFrame | None = None
    real: bool = False
    run_dir: Path | None = None

    # No annotations: these are a paper's own, not fields.
    paper = None
    claims = None
    title = "{}"
    survey = subject = place = ""
    parts = {}  # noqa: RUF012
    references = ()
    training = ("epochs", "batch_size", "learning_rate", "schedule")
    printed = ()
    others = ()
    elsewhere = {}  # noqa: RUF012
    cover_figures = ()
    gives = looked_at = ""
    headline = ()
    beside = None
    rejected = "Spectra left out, with the reason."

    @classmethod
    def command(cls, config):
        """Return how a configuration is trained, as `common.paper.Paper.command` does."""
        return cls.paper.command(config)

    def tables(self, out):
        """Return {file name: (caption, DataFrame)} of every table that the predictions allow.

        Parameters
        ----------
        out : Path
            Output folder, which may hold tables of other commands.
        """
        raise NotImplementedError

    def figures(self):
        """Return the list of `common.plots.Plot` of every figure, in order."""
        raise NotImplementedError

    def measured(self, every):
        """Return {claim id: value} for the claims that the evaluation speaks to."""
        raise NotImplementedError

    @property
    def is_mock(self):
        """True where the networks were trained or tested on simulated spectra."""
        return (self.config is not None and self.config.is_mock) or "mock" in self.dataset

    def judged(self):
        """Return the table of claims; an evaluation on files speaks to none."""
        every = claims.load(self.claims)
        return claims.judge(every, {} if self.real else self.measured(every), self.dataset)

    def card(self, judged):
        """Return the section of published numbers, None where there is none to show."""
        if self.real:
            return None
        return claims_section(judged, dataset=self.dataset, survey=self.survey,
                              subject=self.subject, place=self.place)  # fmt: skip

    def banner(self):
        """Return what a reader must know first."""
        if not self.is_mock:
            return f"Measured on: {self.dataset}."
        to_real = self.real and REAL_FILES in self.dataset and MOCK_FILES not in self.dataset
        return (MOCK_TO_REAL if to_real else MOCK).format(self.dataset)

    def tested(self):
        """Return how many spectra were tested, in words."""
        return len(self.df)

    def facts(self, source=None):
        """Return what it was made on and with, {name: value}; `source` is a file's name."""
        own = {
            "measured on": self.dataset,
            "spectra in the test": self.tested(),
            "predictions from": source,
        }
        return own | run_facts(self.about, self.training)

    def text_of(self, title, made):
        """Return the text of a section of `parts`, given the tables that were made."""
        return self.parts[title][0]

    def sections(self, made):
        """Return the sections of tables."""
        out = []
        for title, (_, names) in self.parts.items():
            found = dict(made[name] for name in names if name in made)
            if found:
                out.append(Section(title, self.text_of(title, made), found))
        return out

    def header(self, caption):
        """Return what the header of a table's file says."""
        return {"dataset": self.dataset}

    def told(self, made):
        """Return what is printed of the tables, list of str."""
        return [as_text(made[name][1]) for name in self.printed if name in made]

    def made_elsewhere(self, folder):
        """Return [(caption, PNG or None, reason)] of figures that other commands draw."""
        out = []
        for name, (caption, verb) in self.elsewhere.items():
            path = folder / f"{name}.png"
            reason = f"run `{self.paper.module(verb)} --run-dir DIR` first"
            out.append((caption, path if path.is_file() else None, reason))
        return out

    def worst(self):
        """Return the objects most worth a look, worst first: DataFrame with id; None: no choice."""
        return None

    def cover(self, card, made, drawn):
        """Return what an overview of several papers shows: score card and some figures."""
        tables, measured = {}, None
        if card is not None and card.claims is not None:
            measured = card.claims[card.claims["ours"].notna()]
            tables = {f"Measured on {self.dataset}": measured} if len(measured) else {}
            tables |= {k: v for k, v in card.tables.items() if "ours" in v}
        order = {name: i for i, name in enumerate(self.cover_figures)}
        chosen = sorted((order[f.stem], c, f) for c, f in drawn.items() if f.stem in order)
        figures = {caption: path for _, caption, path in chosen}
        return Section("", card.text if card else "", tables, figures, claims=measured)

    def about_cover(self, made):
        """Return what an overview says in words and numbers, see `common.overview.read_cover`."""
        kind = "mock" if self.is_mock else "real"
        if self.is_mock and self.banner().startswith(MOCK_TO_REAL[:20]):
            kind = "mock to real"
        return {
            "package": self.paper.package if self.paper else "",
            "paper": self.references[0] if self.references else "",
            "gives": self.gives,
            "dataset": self.dataset,
            "kind": kind,
            "n": len(self.df),
            "scores": scores(self.headline, made, self.claims),
        }


def write(ev, out, *, rejects=None, source=None):
    """Write tables, figures, claims, report and cover of an evaluation.

    Parameters
    ----------
    ev : Evaluation
    out : path-like
        Gets tables/, figures/, claims.ecsv, report.html and cover.json.
    rejects : DataFrame, optional
        Spectra that could not be used.
    source : path-like, optional
        File of predictions made elsewhere.

    Returns
    -------
    Path
        Of report.html.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    judged, made = ev.judged(), {k: v for k, v in ev.tables(out).items() if _some(v[1])}
    for name, (caption, table) in made.items():
        if name not in ev.others:
            claims.write(table, out / "tables" / f"{name}.ecsv", **ev.header(caption))
    if _some(rejects):
        claims.write(rejects, out / "tables" / "rejects.ecsv", dataset=ev.dataset)
    claims.write(
        judged,
        out / "claims.ecsv",
        measured_on=ev.dataset,
        seed=(ev.about.get("config") or {}).get("seed"),
        commit=(ev.about.get("versions") or {}).get("commit"),
    )
    drawn, skipped = draw(ev.figures(), out / "figures", rows=ev.df, on_files=ev.real)
    for caption, path, reason in ev.made_elsewhere(out / "figures"):
        if path is not None:
            drawn[caption] = path
        elif not ev.real:
            skipped.append({"figure": caption, "reason": reason})
    for text in ev.told(made):
        say(text)
    return _report(ev, out, judged, made, drawn, skipped, rejects, source)


def _report(ev, out, judged, made, drawn, skipped, rejects, source):
    """Write report.html and cover.json: the look of every paper's report."""
    card = ev.card(judged)
    sections = [card] if card else []
    sections += ev.sections(made)
    sections += _worst(ev, out)
    if ev.beside is not None and not ev.real:
        sections += beside_sections(ev.beside, sorted({out, Path(ev.run_dir or out)}))
    sections.append(Section("Figures", "", {}, drawn))
    if _some(rejects):
        sections.append(Section("Not used", ev.rejected, {"": rejects}))
    if skipped:
        table = pd.DataFrame(skipped, columns=["figure", "reason"])
        sections.append(Section("Not drawn", "Figures whose input is not here.", {"": table}))
    sections.append(Section("References", "\n\n".join(ev.references)))
    return write_report(
        out / "report.html",
        title=ev.title.format(ev.dataset),
        banner=ev.banner(),
        warn=ev.is_mock,
        facts=ev.facts(None if source is None else Path(source).name),
        sections=sections,
        cover=ev.cover(card, made, drawn),
        about=ev.about_cover(made),
    )


def _worst(ev, out):
    """Return the section of failures, linked to the page of their spectra if it is there.

    Their ids are kept in tables/, from which such a page is made.
    """
    table = ev.worst()
    if not _some(table):
        return []
    caption = f"The first {MOST_LOOKED_AT} of {len(table)}" if len(table) > MOST_LOOKED_AT else ""
    table, page = table[:MOST_LOOKED_AT], out / INSPECT
    write_text(out / "tables" / LOOKED_AT, "".join(f"{one}\n" for one in table["id"]))
    if page.is_file():
        links = {one: f"{INSPECT}#{quote(one)}" for one in objects_of(page)}
        return [Section("Worth a look", ev.looked_at, {caption: table}, links=links, link=INSPECT,
                        link_text="Look at the spectra")]  # fmt: skip
    how = "" if ev.paper is None else LOOK.format(ev.paper.module("inspect"))
    return [Section("Worth a look", ev.looked_at + how, {caption: table})]


def beside_sections(beside, folders):
    """Return the section of what earlier evaluations on files left in on_*/ of some folders.

    Those on simulated spectra have reports of their own: here they would pass for the sky.
    """
    found, figures = {}, {}
    for path in sorted(p for f in folders for p in f.glob(f"on_*/tables/{beside.table}.ecsv")):
        table = Table.read(path, format="ascii.ecsv")
        dataset = str(table.meta.get("dataset", path.parts[-3]))
        if MOCK_FILES in dataset:
            continue
        found[dataset] = table.to_pandas()
        for name in beside.further:
            more = path.with_name(f"{name}.ecsv")
            if more.is_file():
                found[f"{dataset}: {name}"] = Table.read(more, format="ascii.ecsv").to_pandas()
        for picture in sorted((path.parents[1] / "figures").glob("*.png")):
            if picture.stem in beside.figures:
                figures[f"{beside.figures[picture.stem]} ({path.parts[-3]})"] = picture
    return [Section(beside.title, beside.text, found, figures)] if found else []


def _some(table):
    return table is not None and len(table) > 0


def as_text(table, form=".4f"):
    """Return a table as text, numbers in a format, "-" where there is none."""

    def text(value):
        if isinstance(value, float):
            return format(value, form) if np.isfinite(value) else "-"
        return str(value)

    return table.map(text).to_string(index=False)
