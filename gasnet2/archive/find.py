"""From the name of a data set to its files: those here, fetched first where they lack."""

from __future__ import annotations

from common.archives import desi as desi_tree
from common.archives import sdss as sdss_tree
from common.archives.drawn import keep
from common.assets import fetch, get
from common.assets.lacking import lacking
from common.assets.registry import said_size
from common.assets.web import Web
from common.errors import MissingDataError
from common.network import switched_off
from gasnet2.archive import desi, sdss
from gasnet2.config import PAPER

OFFLINE = "fetching is switched off (--offline)"
FOURMOST_SIZE = 40_000  # bytes of a spectrum, about


def find(config, *, offline=False, notes=None, web=None):
    """Return the files of a data set.

    Parameters
    ----------
    config : Config
        SDSS: where it names a grid, the authors' tables, which carry none; else spectra of the
        archive. DESI: healpixels of the archive. 4MOST has none.
    offline : bool
        Use no network, and what is here.
    notes : path-like, optional
        Folder that gets drawn.csv, the list of what was drawn from an archive.
    web : common.assets.web.Web, optional
        How to ask.

    Returns
    -------
    list of Path

    Raises
    ------
    MissingDataError
        If nothing of it is here or can be had: says what, how large, which command, which mock.
    """
    if config.survey == "sdss" and config.grid_named:
        return authors_tables(offline=offline, web=web)
    if config.survey == "fourmost":
        raise _lacks(config, "it is the consortium's own", more="The paper's authors have them.")
    part = {"sdss": sdss, "desi": desi}[config.survey]
    fetch_files = {"sdss": sdss_tree.fetch_spectra, "desi": desi_tree.fetch_pixels}[config.survey]
    try:
        paths, n = (
            _here(part, config)
            if offline or switched_off()
            else _fetched(part, fetch_files, config, web)
        )
    except MissingDataError as error:
        raise _lacks(config, error) from None
    keep(part.list_of(config), notes, n_here=len(paths), n=n)
    return paths


def authors_tables(*, offline=False, web=None):
    """Return the authors' tables; errors as of `find`."""
    try:
        folder = fetch("sdss-gasnet2", offline=offline, progress=True, web=web)
    except MissingDataError as error:
        why = OFFLINE if offline or switched_off() else error
        what = f"the authors' tables ({', '.join(p.rsplit('/', 1)[1] for p in _tables().paths)})"
        raise lacking(
            dataset="sdss", what=what, size=_tables().size, why=why, mock=_mock("sdss"),
            command="python -m gasnet2.fetch --source authors",
        ) from None  # fmt: skip
    return [folder / path.rsplit("/", 1)[-1] for path in _tables().paths]


def _tables():
    return get("sdss-gasnet2")


def _mock(survey):
    return f"python -m gasnet2.train --dataset {survey}-mock"


def _here(part, config):
    """Return the files that are here, and how many the list names."""
    listed = part.list_of(config)
    paths = part.files_of(part.read(listed)) if listed.is_file() else []
    if not paths:
        raise MissingDataError(OFFLINE)
    return paths, len(part.read(listed))


def _fetched(part, fetch_files, config, web):
    """Return the same after what lacks was fetched."""
    with web or Web() as session:
        rows = part.drawn(config, web=session)
        fetch_files(rows, part.folder() / "spectra", web=session)
    return part.files_of(rows), len(rows)


def _lacks(config, why, more=""):
    """Return the error of a data set that is not here."""
    survey, n = config.survey, config.per_class * len(config.classes)
    name = {"sdss": "SDSS DR16", "desi": "DESI EDR", "fourmost": "simulated 4MOST"}[survey]
    part = {"sdss": sdss, "desi": desi}.get(survey)
    size = part.size_of(config) if part else n * FOURMOST_SIZE
    return lacking(
        dataset=survey, what=f"{n} {name} spectra of {len(config.classes)} classes",
        size=f"about {said_size(size)}", why=why, command=_command(config) if part else "",
        mock=_mock(survey), more=more,
    )  # fmt: skip


def _command(config):
    """Return the command that fetches what a configuration draws."""
    words = [f"python -m gasnet2.fetch --dataset {config.survey} --scale {config.scale}"]
    usual = PAPER.configure(config.dataset, config.scale)
    for name, option in (("per_class", "--per-class"), ("seed", "--seed")):
        if getattr(config, name) != getattr(usual, name):
            words.append(f"{option} {getattr(config, name)}")
    return " ".join(words)
