"""Shards of ingested spectra: Parquet files of whole `Spectra`, in a folder with a manifest.

Made by `common.ingest`, read like any survey's file. A row is a spectrum: `id`, vectors `flux` and
`ivar`, bits `mask` and `or_mask` (those that the survey has; `numpy.unpackbits`), and the columns
of `Spectra.meta`. Its wavelengths are `wavelength[grid_row][grid_start : grid_start + len(flux)]`:
each grid stands once in the file, and spectra that cover pieces of one share it. Medium, frame and
unit are in the schema's metadata under `spectra`. Values come back bit by bit.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import ReadError, UsageError
from common.files import atomic_path
from common.spectra import KIND, Spectra

NAME = "shard of ingested spectra"
FORMAT = "spectra shards 1"  # in manifests: the layout that this module reads
MANIFEST, PLAN = "manifest.json", "plan.json"
START = b"PAR1"
VECTORS, MASKS = ("flux", "ivar", "mask", "or_mask"), ("mask", "or_mask")
OWN = ("id", *VECTORS, "wavelength", "grid_row", "grid_start")
GROUP = 256  # default: rows that are unpacked at once
REMEDY = "Delete it and repeat the command that ingested it: its files are read again."


class Grids:
    """Wavelength grids, of which one that continues another is joined to it.

    Attributes
    ----------
    grids : list of ndarray
    """

    def __init__(self):
        self.grids = []

    def place(self, wave):
        """Return in which grid an increasing array lies, and the wavelength that it begins with."""
        for number, grid in enumerate(self.grids):
            joined = _joined(grid, wave)
            if joined is not None:
                self.grids[number] = joined
                return number, wave[0]
        self.grids.append(np.array(wave))
        return len(self.grids) - 1, wave[0]


def _joined(grid, wave):
    """Return the grid that holds both where they agree in at least a pixel, else None."""
    at, back = np.searchsorted(grid, wave[0]), np.searchsorted(wave, grid[0])
    if at < len(grid) and grid[at] == wave[0]:
        n = min(len(grid) - at, len(wave))
        if np.array_equal(grid[at : at + n], wave[:n]):
            return grid if n == len(wave) else np.concatenate([grid, wave[n:]])
    elif back < len(wave) and wave[back] == grid[0]:
        return None if _joined(wave, grid) is None else np.union1d(wave, grid)
    return None


def _lists(values):
    """Return vectors, (n, n_pixels) or a list of n, as an Arrow array of lists."""
    lengths = [len(row) for row in values]
    flat = np.concatenate(values) if len(values) else np.zeros(0)
    return pa.ListArray.from_arrays(np.cumsum([0, *lengths], dtype="i4"), pa.array(flat))


def _bits(values):
    """Return vectors of bool as an Arrow array of bytes: as lists they cost as much as floats."""
    return pa.array([np.packbits(row).tobytes() for row in values], pa.binary())


def write_shard(path, spectra):
    """Write spectra as one shard, whole or not at all; the same ones give the same bytes.

    Parameters
    ----------
    path : path-like
        Ends in .parquet.
    spectra : Spectra
        At least one.

    Returns
    -------
    dict
        What the manifest says of the shard: rows, bytes, sha256, survey, medium, frame, unit,
        pixels and wavelength (smallest and largest).
    """
    grids = Grids()
    n = range(len(spectra))
    waves = [spectra.wavelength_of(row) for row in n]
    if not spectra.is_ragged:
        place = [grids.place(waves[0])] * len(waves)
    else:
        place = [grids.place(wave) for wave in waves]
    held = pa.array([grids.grids[row] if row < len(grids.grids) else None for row in n],
                    pa.list_(pa.float64()))  # fmt: skip
    start = [np.searchsorted(grids.grids[number], first) for number, first in place]
    table = pa.Table.from_pandas(spectra.meta, preserve_index=False)
    columns = {"id": pa.array(spectra.ids.astype(object), pa.string())}
    for name in VECTORS:
        if getattr(spectra, name) is not None:
            pack = _bits if name in MASKS else _lists
            columns[name] = pack(getattr(spectra, name))
    columns["wavelength"] = held
    columns["grid_row"] = pa.array([number for number, _ in place], pa.int32())
    columns["grid_start"] = pa.array(start, pa.int32())
    about = {name: getattr(spectra, name) for name in KIND}
    for name, values in reversed(columns.items()):
        table = table.add_column(0, name, values)
    meta = {**(table.schema.metadata or {}), b"spectra": json.dumps({"format": FORMAT} | about)}
    with atomic_path(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(meta), temporary, row_group_size=GROUP,
            compression="zstd", compression_level=1, use_dictionary=list(spectra.meta.columns),
            write_statistics=["id", *spectra.meta.columns],
            column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT"
                             for name in ("flux", "ivar") if name in columns},
        )  # fmt: skip
        digest, size = sha256_of(temporary), temporary.stat().st_size
    survey = spectra.meta["survey"].unique().tolist() if "survey" in spectra.meta else []
    pixels = [len(wave) for wave in waves]
    return {
        "rows": len(spectra), "bytes": size, "sha256": digest, "survey": survey,
        **{name: about[name] for name in ("medium", "frame", "unit")},
        "pixels": [min(pixels), max(pixels)],
        "wavelength": [float(min(w[0] for w in waves)), float(max(w[-1] for w in waves))],
    }  # fmt: skip


def sha256_of(path):
    """Return the sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_shard(path):
    """Return whether a file is Parquet, by name and content."""
    if Path(path).suffix != ".parquet":
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(START)) == START
    except OSError:
        return False


class Shard:
    """An open shard.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ReadError
        If it is damaged, is not what the manifest beside it says, or is another Parquet file.
    """

    def __init__(self, path):
        self.path = Path(path)
        expected = _expected(self.path)
        if expected is not None and sha256_of(self.path) != expected:
            raise ReadError(
                path, "a shard whose checksum is not the manifest's", f"sha256 {expected}", REMEDY
            )
        try:
            self.file = pq.ParquetFile(self.path)
            about = json.loads((self.file.schema_arrow.metadata or {}).get(b"spectra", b"{}"))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ReadError(
                path, f"a damaged Parquet file ({error})", "a " + NAME, REMEDY
            ) from None
        if about.get("format") != FORMAT:
            raise ReadError(
                path, f"a Parquet file that says {about.get('format')!r} of its format",
                f"{FORMAT!r}: shards of common.ingest", "Ingest the survey's files.",
            )  # fmt: skip
        self.kind = {name: about[name] for name in KIND}
        self._groups = np.cumsum(
            [0]
            + [self.file.metadata.row_group(i).num_rows for i in range(self.file.num_row_groups)]
        )
        self._grids = None

    def __len__(self):
        return self.file.metadata.num_rows

    def _grid(self, number):
        if self._grids is None:
            held = self.file.read(columns=["wavelength"])["wavelength"].drop_null()
            self._grids = [np.array(grid.values) for grid in held]
        return self._grids[number]

    def read(self, rows=slice(None)):
        """Return the chosen rows, a slice, as `Spectra`."""
        start, stop, step = rows.indices(len(self))
        first = max(int(np.searchsorted(self._groups, start, side="right")) - 1, 0)
        last = max(int(np.searchsorted(self._groups, stop, side="left")), first + 1)
        names = [name for name in self.file.schema_arrow.names if name != "wavelength"]
        table = self.file.read_row_groups(range(first, last), columns=names, use_threads=False)
        before = self._groups[first]
        return self._spectra(table.slice(start - before, stop - start))[::step]

    def _spectra(self, table):
        values = {
            name: _rows(table[name]) for name in ("flux", "ivar") if name in table.column_names
        }
        place = list(zip(*(table[name].to_pylist() for name in ("grid_row", "grid_start")),
                         strict=True))  # fmt: skip
        lengths = [len(row) for row in values["flux"]]
        for name in set(MASKS) & set(table.column_names):
            bits = [np.frombuffer(row, "u1") for row in table[name].to_pylist()]
            values[name] = [np.unpackbits(row, count=n).view(bool)
                            for row, n in zip(bits, lengths, strict=True)]  # fmt: skip
        if len(set(place)) == 1 and len(set(lengths)) == 1:
            number, at = place[0]
            wave = self._grid(number)[at : at + lengths[0]]
            values = {name: np.stack(value) for name, value in values.items()}
        else:
            wave = [self._grid(number)[at : at + n]
                    for (number, at), n in zip(place, lengths, strict=True)]  # fmt: skip
        meta = table.select([name for name in table.column_names if name not in OWN]).to_pandas()
        ids = table["id"].to_numpy(zero_copy_only=False).astype(str)
        return Spectra(wavelength=wave, ids=ids, meta=meta, **{"ivar": None} | values, **self.kind)


def _rows(column):
    """Return the vectors of a column of lists, a list of ndarrays that may be written to."""
    array = column.combine_chunks()
    offsets = array.offsets.to_numpy()
    flat = np.array(array.values.to_numpy(zero_copy_only=False))
    return [flat[a:b] for a, b in pairwise(offsets)]


def count(shard):
    """Return the number of spectra."""
    return len(shard)


def read(path, shard, *, rows=slice(None), grid=None):
    """Return the chosen spectra of a `Shard` (arguments: `common.surveys.read`)."""
    return shard.read(rows)


def manifest_of(folder):
    """Return the manifest of a folder, a dict; None where it is no folder of shards."""
    try:
        about = json.loads((Path(folder) / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and about.get("format") == FORMAT else None


def shard_files(folder):
    """Return the shards of a folder in their order, or None where it is no folder of shards.

    Raises
    ------
    UsageError
        If what filled it was interrupted, or a shard is missing.
    """
    folder, about = Path(folder), manifest_of(folder)
    if (folder / PLAN).exists() and (about or _is_plan(folder / PLAN)):
        raise UsageError(
            f"{folder}: an ingest into this folder did not finish. Repeat its command, which goes "
            "on with it."
        )
    if about is None:
        return None
    files = [folder / shard["name"] for shard in about["shards"]]
    missing = [path for path in files if not path.exists()]
    if missing:
        raise UsageError(f"{missing[0]}: this shard of {len(files)} is missing. Repeat the command "
                         "that ingested it: its files are read again.")  # fmt: skip
    return files


def _is_plan(path):
    try:
        return json.loads(path.read_text()).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        return False


def _expected(path):
    """Return the sha256 of a shard by the manifest two folders up, None without one."""
    about = path.parent.parent / MANIFEST
    try:
        stamp = about.stat().st_mtime_ns
    except OSError:
        return None
    return _checksums(about, stamp).get(f"{path.parent.name}/{path.name}")


@lru_cache(maxsize=8)
def _checksums(about, stamp):
    held = manifest_of(about.parent) or {"shards": []}
    return {shard["name"]: shard["sha256"] for shard in held["shards"]}
