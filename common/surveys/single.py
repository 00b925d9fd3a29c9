"""Spectra of files that hold one each, put together many at a time: tables are dear, rows cheap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from common.spectra import Spectra
from common.surveys.columns import NUMBERS, TEXT, make_meta

VECTORS = ("flux", "ivar", "mask", "or_mask")


class Single(NamedTuple):
    """One spectrum; the attributes are those of `common.spectra.Spectra`, of one row."""

    id: str
    meta: dict
    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray | None = None
    mask: np.ndarray | None = None
    or_mask: np.ndarray | None = None
    medium: str = "vacuum"
    frame: str = "heliocentric"
    unit: str = ""
    mask_is_warning: bool = False

    @property
    def kind(self):
        """What must agree between spectra that are put together."""
        absent = [getattr(self, name) is None for name in VECTORS]
        return (self.medium, self.frame, self.unit, self.mask_is_warning, *absent, *self.meta)

    def checked(self):
        """Return this spectrum with meta as `common.surveys.columns.make_meta` takes it.

        Raises
        ------
        ValueError
            If a value is none of its kind, or vectors differ in length: told here it costs one
            file, and later all that are put together.
        """
        lengths = {len(self.wavelength)}
        lengths |= {len(v) for v in (getattr(self, name) for name in VECTORS) if v is not None}
        if len(lengths) > 1:
            raise ValueError(f"vectors of {sorted(lengths)} pixels")
        meta = {}
        for name, value in self.meta.items():
            if value is not None and name in TEXT:
                value = str(value)
            elif value is not None and name in (*NUMBERS, "zwarn"):
                value = float(np.asarray(value, dtype=float).item())
                if name == "zwarn":
                    value = int(value) if np.isfinite(value) else None
            meta[name] = value
        return self._replace(meta=meta)


def gathered(singles):
    """Return spectra of one kind as `Spectra`; a value of meta that is None is missing.

    Parameters
    ----------
    singles : sequence of Single
        At least one.
    """
    first = singles[0]
    values = {}
    for name in first.meta:
        column = [one.meta[name] for one in singles]
        if any(value is None for value in column):
            blank = "" if name in TEXT else np.nan
            column = column if name == "zwarn" else [blank if v is None else v for v in column]
        values[name] = column
    wave = first.wavelength
    one_grid = all(np.array_equal(one.wavelength, wave) for one in singles)
    vectors = {}
    for name in VECTORS:
        rows = [getattr(one, name) for one in singles]
        if rows[0] is None:
            vectors[name] = None
        else:
            vectors[name] = np.stack(rows) if one_grid else rows
    return Spectra(
        wavelength=wave if one_grid else [one.wavelength for one in singles],
        ids=[one.id for one in singles],
        meta=make_meta(len(singles), **values),
        medium=first.medium,
        frame=first.frame,
        unit=first.unit,
        mask_is_warning=first.mask_is_warning,
        **vectors,
    )
