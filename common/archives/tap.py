"""Tables by query: TAP services, in jobs on their side, in parts where the list is long."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from xml.parsers.expat import ExpatError

import numpy as np

from common.assets.transfer import download
from common.assets.web import ServerError
from common.cli import progress
from common.errors import short
from common.files import atomic_path

SIZE = 20_000  # default: ids of one query


def query(service, adql, target, *, web, uploads=None, label=None, shown=True):
    """Ask a TAP service and keep the answer as a FITS table.

    Parameters
    ----------
    service : str
        Its address, without /async.
    adql : str
    target : path-like
        The FITS file; where it is there, nothing is asked.
    web : common.assets.web.Web
    uploads : dict of str to astropy.table.Table, optional
        Tables that the query names TAP_UPLOAD.NAME.
    label : str, optional
        What the progress bar says.
    shown : bool
        Show a progress bar.

    Returns
    -------
    Path

    Raises
    ------
    ServerError
        If the service cannot be reached, refuses the query, or does not give all of the answer.
    """
    target = Path(target)
    if target.is_file():
        return target
    answer = target.with_name(target.name + ".vot")
    answer.unlink(missing_ok=True)
    job = _job(service, adql, web, uploads)
    download(job.result_uri, answer, web=web, label=label or target.name, shown=shown)
    try:
        write(read_votable(answer), target)
    finally:
        answer.unlink(missing_ok=True)
        _forget(job)
    return target


def by_ids(service, adql, ids, target, *, web, column="source_id", size=SIZE, shown=True):
    """Ask for the rows of many ids, a part after the other, and join them into one FITS table.

    Parameters
    ----------
    service, target, web, shown
        As of `query`.
    adql : str
        Joins TAP_UPLOAD.ids by `column`.
    ids : array-like of int, shape (n,)
        Each is asked for once.
    column : str
        Name of the ids in the table that is sent.
    size : int
        Ids of a part. Parts that have come are kept beside the target until all are there.

    Returns
    -------
    Path

    Raises
    ------
    ServerError
        As of `query`; says how many parts are here. The next call asks for the others.
    """
    from astropy.table import Table, vstack

    target, ids = Path(target), np.unique(np.asarray(ids, dtype="int64"))
    if target.is_file():
        return target
    parts = [ids[start : start + size] for start in range(0, len(ids), size)]
    folder = target.with_name(target.name + ".parts")
    files = [folder / f"{hashlib.sha256(part.tobytes()).hexdigest()[:16]}.fits" for part in parts]
    bar = progress(list(zip(parts, files, strict=True)), desc=target.name, unit="part", shown=shown)
    for part, file in bar:
        try:
            query(service, adql, file, web=web, uploads={"ids": Table({column: part})}, shown=False)
        except ServerError as error:
            here = sum(f.is_file() for f in files)
            raise ServerError(
                f"{error} {here} of {len(files)} parts of {target.name} are here; the same "
                "command asks for the others.", error.status,
            ) from None  # fmt: skip
    tables = [Table.read(file) for file in files]
    write(vstack(tables, metadata_conflicts="silent") if tables else Table(), target)
    shutil.rmtree(folder, ignore_errors=True)
    return target


def read_votable(path):
    """Return the first table of a VOTable as an astropy Table under its column names.

    Raises
    ------
    ServerError
        If it is none, or holds the error of a TAP service, or only the first rows of the answer.
    """
    from astropy.io import votable
    from astropy.io.votable.exceptions import VOTableSpecError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what archives' VOTables are not strict in
            document = votable.parse(path)
            status = [info for r in document.resources for info in r.infos
                      if info.name == "QUERY_STATUS"]  # fmt: skip
            table = document.get_first_table().to_table(use_names_over_ids=True)
    except (VOTableSpecError, ValueError, IndexError, OSError) as error:
        raise ServerError(
            f"{path}: no VOTable with a table came ({short(error, 200)}). Try again."
        ) from error
    for info in status:
        if info.value.upper() == "ERROR":
            raise ServerError(f"{path}: the service says: {short(info.content or '', 200)}")
        if info.value.upper() == "OVERFLOW":
            raise ServerError(
                f"{path}: the service gave its first {len(table)} rows only. Ask in smaller parts."
            )
    table.meta.clear()
    return table


def write(table, target):
    """Write an astropy Table as FITS: text as text, missing numbers as FITS has them."""
    for name in table.colnames:
        if table[name].dtype.kind == "O":
            filled = np.ma.filled(np.ma.asarray(table[name]), "")
            table[name] = np.array([str(value) for value in filled], dtype=str)
        table[name].description = None  # FITS has no place for them
    with atomic_path(target) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units that FITS does not know
        table.write(temporary, format="fits")


def _job(service, adql, web, uploads):
    """Return a job of the service that has come to its end."""
    import pyvo
    from pyvo.dal.exceptions import DALAccessError

    opened = []  # pyvo leaves them open
    web.hooks["response"] = [lambda answer, **_: opened.append(answer)]
    try:
        job = pyvo.dal.TAPService(service, session=web).submit_job(adql, uploads=uploads)
        if job.phase is None:
            raise ExpatError
        job.run().wait(timeout=600)
        job.raise_if_error()
    except DALAccessError as error:
        raise ServerError(f"{service}: {short(web.hidden(error), 300)}") from None
    except ExpatError:
        raise ServerError(
            f"{service}: what came is no job of a TAP service: a login or an error page, or "
            "another address. Try again later."
        ) from None
    finally:
        web.hooks["response"] = []
        for answer in opened:
            answer.close()
    return job


def _forget(job):
    """Let the service remove a job; that it may not want to is no fault of the answer."""
    from pyvo.dal.exceptions import DALAccessError

    with suppress(ServerError, DALAccessError):
        job.delete()
