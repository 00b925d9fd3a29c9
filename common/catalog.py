"""Catalogues on disk by the name's ending: FITS, VOTable, Parquet, ECSV or CSV, units and UCDs."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.io.votable.exceptions import W50
from astropy.table import Table
from astropy.table.meta import get_yaml_from_table
from astropy.units import UnitsWarning

from common.errors import ReadError, SuiteError, UsageError
from common.files import atomic_path
from common.surveys.delimited import read_text
from common.surveys.tableparts import text_of

DEX = "dex"  # a unit of every stellar catalogue, though not of the FITS standard
# astropy's compiled writer of rows writes one byte past its buffer at some lengths of a row, and
# the program dies later (astropy issue 20419, in 8.0.2 and before): the one in Python writes here.
VOTABLE = {"tabledata_format": "tabledata", "_debug_python_based_parser": True}
FORMATS = (".fits", ".vot", ".xml", ".parquet", ".ecsv", ".csv")


def check_format(path):
    """Return the ending of a catalogue's name.

    Raises
    ------
    UsageError
        If it is not one of .fits, .vot, .xml (VOTable), .parquet, .ecsv, .csv.
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise UsageError(
            f"{path}: a catalogue's name must end in one of {', '.join(FORMATS)}. "
            f"Received {ending or 'no ending'!r}."
        )
    return ending


def joined(warn):
    """Return the flags of each row as one text, list of str.

    Parameters
    ----------
    warn : dict of str to ndarray of bool, shape (n,)
    """
    names = np.array(list(warn), dtype=object)
    rows = np.stack([np.asarray(v, dtype=bool) for v in warn.values()], axis=1)
    return [";".join(names[row]) for row in rows]


def write_table(table, path, *, units=None, ucds=None, descriptions=None, meta=None):
    """Write a catalogue; it appears under its name only when it is whole.

    Parameters
    ----------
    table : DataFrame or astropy.table.Table
    path : path-like
        Ends in .fits, .vot, .xml, .parquet, .ecsv or .csv.
    units, ucds, descriptions : dict, optional
        Per column name: unit (as astropy writes it), UCD1+, and one sentence. FITS keeps them
        as TUNITn, TUCDn and TCOMMn, VOTable in its FIELDs, ECSV and Parquet in the columns'
        metadata; CSV cannot.
    meta : dict, optional
        Of the whole table: header cards in FITS, INFO in VOTable, metadata in ECSV and Parquet.

    Raises
    ------
    UsageError
        If the ending is another one, or a unit or UCD names a column that is not there.
    SuiteError
        If the disk is full or the folder cannot be written to.
    """
    ending = check_format(path)
    frame = table if isinstance(table, pd.DataFrame) else _to_frame(table)
    notes = notes_of(frame, units=units, ucds=ucds, descriptions=descriptions)
    frame = frame.reset_index(drop=True)
    try:
        with atomic_path(path) as temporary:
            _WRITERS[ending](frame, temporary, notes, dict(meta or {}))
    except SuiteError as error:
        if "full" not in str(error):
            raise
        needed = frame.memory_usage(deep=True).sum() / 1e6
        raise SuiteError(f"{error} About {needed:.1f} MB are needed for {len(frame)} rows.") from (
            error.__cause__ or error
        )


def notes_of(frame, *, units=None, ucds=None, descriptions=None):
    """Return {"unit", "ucd", "description": {column: text}}.

    Raises
    ------
    UsageError
        If one names a column that is not there.
    """
    notes = {"unit": units or {}, "ucd": ucds or {}, "description": descriptions or {}}
    for kind, values in notes.items():
        unknown = sorted(set(values) - set(frame.columns))
        if unknown:
            raise UsageError(
                f"{kind} given for columns that are not in the table: {', '.join(unknown)}. "
                f"It has: {', '.join(map(str, frame.columns))}."
            )
    return notes


def read_table(path):
    """Read a catalogue.

    Parameters
    ----------
    path : path-like
        Ends in .fits (or .fits.gz), .vot, .xml, .parquet, .ecsv or .csv.

    Returns
    -------
    DataFrame
        Texts are str, stripped; missing text is "". Columns with an array per
        row hold ndarrays.

    Raises
    ------
    UsageError
        If the ending is another one.
    ReadError
        If the file is missing or damaged.
    """
    path = Path(path)
    ending = check_format(path.with_suffix("") if path.suffix.lower() == ".gz" else path)
    try:
        if ending == ".parquet":
            return _fill_text(pd.read_parquet(path))
        if ending == ".csv":
            # "nan" is a text here (a class without subclass); only an empty field is missing.
            columns, _, names, _ = read_text(path, text_of(path)[0], nulls=("",))
            known = {name.lower(): name for name in reversed(names)}
            return _fill_text(pd.DataFrame(columns).rename(columns=known))
        form = {".fits": "fits", ".ecsv": "ascii.ecsv"}.get(ending, "votable")
        options = {"hdu": 1} if form == "fits" else {}
        with warnings.catch_warnings():
            if form == "votable":
                warnings.simplefilter("ignore")  # of other people's dialects
            warnings.simplefilter("ignore", UnitsWarning)  # dex; units are not read
            return _to_frame(Table.read(path, format=form, **options))
    except FileNotFoundError:
        raise ReadError(path, "there is no such file", "a catalogue", "Check the path.") from None
    except (OSError, ValueError, TypeError, KeyError, IndexError, pa.ArrowException) as error:
        text = " ".join(str(error).split())[:300]
        raise ReadError(
            path, f"the catalogue is damaged or no {ending} file ({text})", f"a {ending} table"
        ) from error


def _to_frame(table):
    """Return an astropy table as a DataFrame with str texts."""
    columns = {}
    for name in table.colnames:
        column = table[name]
        values = np.asarray(column.filled("") if _masked_text(column) else column)
        if values.ndim > 1:
            columns[name] = list(values)
        elif values.dtype.kind in "SU":
            columns[name] = np.char.strip(values.astype(str)).astype(object)
        elif values.dtype.kind == "O":
            columns[name] = [str(v) if v is not None else "" for v in values]
        else:
            columns[name] = table[[name]].to_pandas()[name]
    return pd.DataFrame(columns)


def _fill_text(frame):
    """Replace missing texts by ""."""
    texts = {
        n: frame[n].fillna("") for n in frame.columns if pd.api.types.is_string_dtype(frame[n])
    }
    return frame.assign(**texts)


def _masked_text(column):
    return hasattr(column, "filled") and column.dtype.kind in "SU"


def is_text(series):
    """Return whether a column holds texts."""
    return pd.api.types.is_string_dtype(series.dtype) or series.dtype == object


def _to_table(frame, notes, meta, *, ascii_only):
    """Return a DataFrame as an astropy table with its columns' notes."""
    table = Table(meta=meta)
    for name in frame.columns:
        series = frame[name]
        if is_text(series):
            first = series.iloc[0] if len(series) else ""
            if isinstance(first, (list, np.ndarray)):
                table[name] = np.stack([np.asarray(v) for v in series])
            else:
                texts = ["" if pd.isna(v) else str(v) for v in series]
                if ascii_only:
                    texts = [_plain(v) for v in texts]
                table[name] = np.array(texts, dtype=str) if texts else np.zeros(0, dtype="U1")
        elif isinstance(series.dtype, pd.CategoricalDtype):
            table[name] = series.astype(str).to_numpy(dtype=str)
        else:
            table[name] = Table.from_pandas(series.to_frame())[name]
        if np.ma.isMaskedArray(table[name]) and table[name].dtype.kind == "i":
            table[name].fill_value = np.iinfo(table[name].dtype).min  # becomes TNULL in FITS
        table[name].unit = notes["unit"].get(name) or None
        table[name].description = notes["description"].get(name)
        if name in notes["ucd"]:
            table[name].meta["ucd"] = notes["ucd"][name]
    return table


def as_astropy(frame, notes, meta):
    """Return a catalogue as an astropy table with units and descriptions.

    Parameters
    ----------
    frame : DataFrame
    notes : dict
        From `notes_of`.
    meta : dict
    """
    return _to_table(frame, notes, meta, ascii_only=False)


def _plain(text):
    """Return ASCII text: FITS knows nothing else."""
    return str(text).encode("ascii", "backslashreplace").decode("ascii")


def fits_hdu(frame, notes, meta):
    """Return a catalogue as a FITS table, with its columns' notes in the header."""
    table = _to_table(frame, notes, {}, ascii_only=True)
    for name in table.colnames:
        table[name].description = None  # written below, in ASCII
        if str(notes["unit"].get(name)).startswith(DEX):
            table[name].unit = None
    hdu = fits.table_to_hdu(table)
    for number, name in enumerate(table.colnames, start=1):
        if str(notes["unit"].get(name)).startswith(DEX):
            hdu.header[f"TUNIT{number}"] = notes["unit"][name]
        for key, kind in (("TUCD", "ucd"), ("TCOMM", "description")):
            if name in notes[kind]:
                hdu.header[f"{key}{number}"] = _plain(notes[kind][name])
    for key, value in meta.items():
        simple = isinstance(value, (bool, int, float, np.number))
        card = key if len(key) <= 8 else f"HIERARCH {key}"
        hdu.header[card] = value if simple else _plain(value)
    hdu.header["EXTNAME"] = "CATALOG"
    return hdu


def votable(frame, notes, meta):
    """Return a catalogue as an astropy VOTable, with its columns' notes in the FIELDs."""
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Info

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", W50)  # dex is no unit of the standard
        whole = from_table(_to_table(frame, notes, {}, ascii_only=False))
    table = whole.get_first_table()
    for one in table.fields:
        one.ucd = notes["ucd"].get(one.name)
        if one.datatype in ("char", "unicodeChar"):
            one.arraysize = "*"
    whole.resources[0].infos.extend(Info(name=k, value=str(v)) for k, v in meta.items())
    return whole


def ecsv_text(frame, notes, meta):
    """Return a catalogue as the text of an ECSV file."""
    text = io.StringIO()
    _to_table(frame, notes, meta, ascii_only=False).write(text, format="ascii.ecsv")
    return text.getvalue()


def parquet_schema(frame, notes, meta):
    """Return the Arrow schema of a catalogue, with its columns' notes in the metadata."""
    own = pa.Schema.from_pandas(frame, preserve_index=False)
    columns = []
    for column in own:
        kinds = {k: str(v[column.name]) for k, v in notes.items() if column.name in v}
        columns.append(column.with_metadata(kinds) if kinds else column)
    extra = {"meta": json.dumps(meta, default=str)} if meta else {}
    # In astropy's way too, whose reader then knows units and descriptions.
    header = get_yaml_from_table(_to_table(frame.iloc[:0], notes, meta, ascii_only=False))
    extra["table_meta_yaml"] = "\n".join(header)
    return pa.schema(columns, metadata={**(own.metadata or {}), **extra})


def _write_fits(frame, path, notes, meta):
    fits.HDUList([fits.PrimaryHDU(), fits_hdu(frame, notes, meta)]).writeto(path)


def _write_votable(frame, path, notes, meta):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", W50)
        votable(frame, notes, meta).to_xml(str(path), **VOTABLE)


def _write_ecsv(frame, path, notes, meta):
    Path(path).write_text(ecsv_text(frame, notes, meta), encoding="utf-8")


def _write_csv(frame, path, notes, meta):
    frame.to_csv(path, index=False)


def _write_parquet(frame, path, notes, meta):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table.cast(parquet_schema(frame, notes, meta)), path)


_WRITERS = {
    ".fits": _write_fits,
    ".vot": _write_votable,
    ".xml": _write_votable,
    ".parquet": _write_parquet,
    ".ecsv": _write_ecsv,
    ".csv": _write_csv,
}
