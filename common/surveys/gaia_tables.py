"""Tables of any archive as columns: csv and its kin, ecsv, FITS or VOTable, plain or gzipped.

The format is told by the content. What is missing (null, empty, masked, a mark such as -9999)
becomes NaN, units that the file names are turned into those of the archive, ids stay whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import ReadError
from common.surveys.delimited import REMEDY, reject
from common.surveys.ids import lost, named_ids, through_floats, whole_ids
from common.surveys.quantities import QUANTITIES, numbers_of
from common.surveys.tableparts import parts_of

TEXTS = ("source_id", "flags_gspspec")  # digits that a number would round or strip of zeros
LOST_IDS = "A spreadsheet or floating point has lost them: fetch the table again."
ARCHIVE = {  # column of VizieR's copies (I/355) and of joins, in lower case: the archive's name
    "source": "source_id", "gaia_source_id": "source_id", "dr3_source_id": "source_id",
    "gaiadr3_source_id": "source_id", "edr3source": "source_id", "designation": "source_id",
    "dr3name": "source_id",
    "ra_icrs": "ra", "de_icrs": "dec", "plx": "parallax", "e_plx": "parallax_error",
    "pmde": "pmdec", "gmag": "phot_g_mean_mag", "bpmag": "phot_bp_mean_mag",
    "rpmag": "phot_rp_mean_mag", "bp-rp": "bp_rp", "epoch": "ref_epoch",
    "gaia_g_mean_mag": "phot_g_mean_mag", "gaia_bp_rp": "bp_rp", "gaia_ra": "ra", "gaia_dec": "dec",
    "solved": "astrometric_params_solved", "nueff": "nu_eff_used_in_astrometry",
    "pscol": "pseudocolour", "elat": "ecl_lat",
}  # fmt: skip


@dataclass
class GaiaTable:
    """Columns of a table, under lower-case names.

    Attributes
    ----------
    path : Path
    columns : dict of str to ndarray
        Of n rows; masked where values are missing, of dtype object for texts and arrays.
    units : dict of str to str
        Where the file names one.
    """

    path: Path
    columns: dict
    units: dict

    def __len__(self):
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, name):
        return name in self.columns

    def numbers(self, name, quantity=None):
        """Return a column as float64 of shape (n,); NaN where missing or without such a column.

        Parameters
        ----------
        name : str
        quantity : str, optional
            What it measures, of `common.surveys.quantities`, by default what the name says: marks
            of missing values become NaN, and the file's unit is turned into the quantity's.

        Raises
        ------
        ReadError
            If it holds texts, or its unit is of another kind.
        """
        values = self._single(name)
        if values is None:
            return np.full(len(self), np.nan)
        if values.dtype.kind in "OUS":
            texts = self.texts(name)
            values = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(dtype=float)
            wrong = np.flatnonzero(np.isnan(values) & (texts != ""))
            if wrong.size:
                raise self.error(
                    f"{texts[wrong[0]]!r} in the column {name}, row {wrong[0] + 1}",
                    "numbers; unknown ones are left empty",
                    "Correct the table.",
                )
        values = _floats(values)
        quantity = quantity or (name if name in QUANTITIES else None)
        if quantity is None:
            return values
        try:
            return numbers_of(values, quantity, self.units.get(name, ""))
        except ValueError as error:
            raise self.error(
                f"column {name} has {error}", f"{name} in {QUANTITIES[quantity][0]}",
                "Correct the unit in the file, or convert the values.",
            ) from None  # fmt: skip

    def texts(self, name):
        """Return a column as str of shape (n,); "" where missing or without such a column."""
        values = self._single(name)
        if values is None:
            return np.full(len(self), "", dtype=object)
        return named_ids(values)

    def _single(self, name):
        """Return a column of one value in each row, None without it; `ReadError` if it has more."""
        values = self.columns.get(name)
        if values is None:
            return None
        if values.ndim > 1:
            if values.size != len(values):
                shape = " x ".join(map(str, values.shape[1:]))
                raise self.error(f"{shape} values in each row of the column {name}", "one value")
            return values.reshape(len(values))
        # Rows of their own lengths, as FITS allows them.
        if values.dtype == object and any(isinstance(value, np.ndarray) for value in values):
            raise self.error(f"an array in each row of the column {name}", "one value")
        return values

    def whole_ids(self, name):
        """Return a column of ids and what is wrong with them, as `ids.whole_ids` does.

        Without such a column all ids are "", and so is what is wrong.
        """
        if name not in self:
            return np.full(len(self), "", dtype=object), np.full(len(self), "", dtype=object)
        return whole_ids(self._single(name))

    def ids(self, *, unique=True):
        """Return source_id as int64 of shape (n,).

        Raises
        ------
        ReadError
            If one is missing, no whole number, or (with `unique`) comes twice.
        """
        values = self._single("source_id")
        if values.dtype != np.int64 or np.ma.isMaskedArray(values) or values.min() <= 0:
            texts, faults = whole_ids(values)
            wrong = (faults != "") | np.array([len(t) > 19 or int(t or 0) >= 2**63 for t in texts])
            if wrong.any():
                row = np.flatnonzero(wrong)[0]
                raise self.error(
                    f"source_id {self.texts('source_id')[row]!r} in {wrong.sum()} of {len(self)} "
                    f"rows ({faults[row] or 'more than 19 digits'})",
                    "source_id as a whole number",
                    LOST_IDS,
                )
            values = np.array([int(t) for t in texts], dtype=np.int64)
        if through_floats(values):
            raise self.error(
                "every source_id is one that a float can hold", "source_id as the archive has it",
                LOST_IDS,
            )  # fmt: skip
        if unique:
            numbers, counts = np.unique(values, return_counts=True)
            if np.any(counts > 1):
                raise self.error(
                    f"{np.sum(counts > 1)} sources come more than once, {numbers[counts > 1][0]} "
                    f"the first of them",
                    "each source_id in one row",
                    "Keep one row of each.",
                )
        return values

    def keep_identified(self, rejects=None):
        """Leave the rows without a source_id out, unless that is every row.

        Parameters
        ----------
        rejects : list of dict, optional
            As of `common.surveys.delimited.reject`.
        """
        texts, faults = self.whole_ids("source_id")
        good = faults == ""
        if good.all() or not good.any():
            return
        rows = [f"row {i + 1}" for i in np.flatnonzero(~good)]
        reject(rejects, self.path, rows, f"source_id: {lost(faults)}")
        self.columns = {name: values[good] for name, values in self.columns.items()}
        self.columns["source_id"] = texts[good]  # digits

    def vectors(self, name, length):
        """Return a column of arrays as float64 of shape (n, length); rows of NaN where missing.

        Raises
        ------
        ReadError
            If an array has another length, or holds what is no number.
        """
        values = self.columns.get(name, ())
        if getattr(values, "ndim", 0) == 2 and values.shape[1] == length:
            return _floats(values)
        out = np.full((len(self), length), np.nan)
        for row, value in enumerate(values):
            try:
                vector = _vector(value)
            except (ValueError, TypeError) as error:
                raise self.error(
                    f"{name} in row {row} is no array of numbers ({error})", "arrays of numbers"
                ) from None
            if vector.size not in (0, length):
                raise self.error(
                    f"{name} of source {self.texts('source_id')[row]} has {vector.size} values",
                    f"{length} values",
                )
            if vector.size:
                out[row] = vector
        return out

    def error(self, found, allowed, remedy=REMEDY):
        """Return a `ReadError` that names the file."""
        return ReadError(self.path, found, allowed, remedy)


def _vector(value):
    """Return the numbers of one cell: an array, a text such as "[1.0, null]", or nothing."""
    if value is None or value is np.ma.masked or (isinstance(value, float) and value != value):
        return np.zeros(0)
    if isinstance(value, str):
        text = value.strip().strip("[](){}").strip()
        return np.array(text.replace("null", "nan").split(",") if text else [], dtype=float)
    return _floats(value).ravel()


def _floats(values):
    """Return float64, NaN where masked; NaN of any kind are none to warn of."""
    with np.errstate(invalid="ignore"):
        return np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)


def read_gaia_table(path, *, need=("source_id",), want=None, texts=(), names=ARCHIVE,
                    rejects=None):  # fmt: skip
    """Read a table; where a file holds several (one a source), their rows are joined.

    Parameters
    ----------
    path : path-like
    need : sequence of str
        Lower-case names of columns that it must have; tables in the file without them are left.
    want : container of str, optional
        Further columns to read; by default all. Large tables are read faster for it.
    texts : container of str
        Further columns that stay text: ids.
    names : dict of str to str
        Columns that are known by another name where that is not there; by default `ARCHIVE`.
    rejects : list of dict, optional
        Gets the rows that cannot be used: without an id where one is needed, or of another number
        of fields. Without it a warning counts them.

    Returns
    -------
    GaiaTable

    Raises
    ------
    ReadError
        If the file is missing, damaged, empty, of another format or without a needed column.
    """
    path = Path(path)
    keep = None if want is None else {*need, *want}
    texts = {*TEXTS, *texts}
    if keep is not None:
        keep |= {old for old, new in names.items() if new in keep}
    texts |= {old for old, new in names.items() if new in texts}
    parts = [_renamed(part, names, keep) for part in parts_of(path, keep, texts, rejects)]
    good = [part for part in parts if part[0] and set(need) <= set(part[0])]
    if not good:
        found = list(dict.fromkeys(name for _, _, known in parts for name in known))
        missing = [name for name in need if name not in found]
        more = f" and {len(found) - 12} more" if len(found) > 12 else ""
        raise ReadError(
            path,
            f"no column {', '.join(missing or need or want)} (columns: "
            f"{', '.join(found[:12]) or 'none'}{more})",
            f"a table with {', '.join(need or want)}",
            "Fetch the table with these columns.",
        )
    if not need:  # tables of other things may lie beside the first
        good = [part for part in good if set(part[0]) == set(good[0][0])]
    kept = [n for n in good[0][0] if all(n in columns for columns, _, _ in good)]
    table = GaiaTable(path, {n: _join([c[n] for c, _, _ in good]) for n in kept}, good[0][1])
    if any(units.get(n) != table.units.get(n) for _, units, _ in good for n in kept):
        raise table.error("tables with different units in one file", "one unit for each column")
    if not len(table):
        raise table.error("the table has no rows", "at least one source")
    if "source_id" in need:
        table.keep_identified(rejects)
    return table


def columns_of(path):
    """Return the lower-case names of all columns of the tables in a file, a set of str.

    Those of VizieR's copies stand there under the archive's names too.

    Raises
    ------
    ReadError
        If the file is missing, damaged, empty or of another format.
    """
    parts = parts_of(Path(path), frozenset())
    known = {name.lower() for _, _, names in parts for name in names}
    return known | {new for old, new in ARCHIVE.items() if old in known}


def _renamed(part, names, keep):
    """Return a table under the archive's names: the first of those that stand for one."""
    columns, units, known = part
    columns, units = dict(columns), dict(units)
    for old, new in names.items():
        if old in columns and new not in columns and (keep is None or new in keep):
            columns[new] = columns[old]
            units |= {new: units[old]} if old in units else {}
    return columns, units, known


def _join(values):
    return values[0] if len(values) == 1 else np.ma.concatenate(values)
