"""Spectra: a batch of 1-D spectra with everything needed to use them safely."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from common.air import air_to_vacuum
from common.errors import SuiteError

MEDIA = ("vacuum", "air")
KIND = ("medium", "frame", "unit", "mask_is_warning")  # what spectra of one batch share
FRAMES = ("heliocentric", "barycentric", "observed", "rest")


@dataclass
class Spectra:
    """A batch of spectra, on one wavelength grid or ragged.

    Attributes
    ----------
    wavelength : ndarray of shape (n_pixels,) or list of n ndarrays
        Å, increasing. One array where all spectra share a grid, else one per spectrum.
    flux : ndarray of shape (n, n_pixels) or list of n ndarrays
        Flux density per unit wavelength in the survey's own unit (`unit`).
    ivar : like flux, or None
        Inverse variance; 0 where a pixel carries no information.
    mask : like flux (bool), or None
        True where a pixel is bad; where a survey has two masks, the one that all exposures share
        (and-mask).
    or_mask : like flux (bool), or None
        True where a pixel is bad in at least one exposure, where a survey says so.
    ids : ndarray of str, shape (n,)
        One id per spectrum; rows are joined by it.
    meta : DataFrame with n rows
        Where known: file, ra, dec (deg), snr, class, subclass, z, z_err, survey.
    medium : {"vacuum", "air"}
        The medium that the wavelengths refer to.
    frame : {"heliocentric", "barycentric", "observed", "rest"}
        The velocity frame of the wavelengths.
    unit : str
        Flux unit, as astropy writes it.
    mask_is_warning : bool
        The mask holds warnings of all kinds (SDSS, LAMOST); a pixel that is bad has no weight.

    Raises
    ------
    SuiteError
        If lengths disagree or the medium or frame is unknown.
    """

    wavelength: np.ndarray | list
    flux: np.ndarray | list
    ivar: np.ndarray | list | None
    ids: np.ndarray
    mask: np.ndarray | list | None = None
    or_mask: np.ndarray | list | None = None
    meta: pd.DataFrame = field(default_factory=pd.DataFrame)
    medium: str = "vacuum"
    frame: str = "heliocentric"
    unit: str = "1e-17 erg / (s cm2 Angstrom)"
    mask_is_warning: bool = False

    def __post_init__(self):
        self.ids = np.asarray(self.ids, dtype=str)
        n = len(self.ids)
        if self.meta.empty:
            self.meta = pd.DataFrame(index=range(n))
        self.meta = self.meta.reset_index(drop=True)
        if self.medium not in MEDIA:
            raise SuiteError(f"medium must be one of {MEDIA}. Received {self.medium!r}.")
        if self.frame not in FRAMES:
            raise SuiteError(f"frame must be one of {FRAMES}. Received {self.frame!r}.")
        for name in ("flux", "ivar", "mask", "or_mask", "meta"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise SuiteError(
                    f"{name} must have one row for each of the {n} ids. Received {len(value)} rows."
                )
        for row in range(n if self.is_ragged else min(n, 1)):
            wave, flux = self.wavelength_of(row), self.flux[row]
            if len(wave) != len(flux):
                raise SuiteError(
                    f"Spectrum {self.ids[row]}: wavelength and flux must have equal lengths. "
                    f"Received {len(wave)} and {len(flux)}."
                )

    def __len__(self):
        return len(self.ids)

    @property
    def is_ragged(self):
        """True where each spectrum has a wavelength grid of its own."""
        return isinstance(self.wavelength, list)

    def wavelength_of(self, row):
        """Return the wavelength grid of one spectrum, ndarray of shape (n_pixels,), Å."""
        return self.wavelength[row] if self.is_ragged else self.wavelength

    def informative(self, row):
        """Return which pixels of a spectrum count, ndarray of bool, shape (n_pixels,).

        Those of finite flux and, where the survey gives it, of finite inverse variance above zero.
        What stands in the others changes nothing, whatever it is.
        """
        good = np.isfinite(self.flux[row])
        if self.ivar is not None:
            ivar = np.asarray(self.ivar[row])
            good &= np.isfinite(ivar) & (ivar > 0)
        return good

    def in_vacuum(self):
        """Return these spectra with vacuum wavelengths: converted where they are in air."""
        if self.medium == "vacuum":
            return self
        wave = self.wavelength
        wave = [air_to_vacuum(w) for w in wave] if self.is_ragged else air_to_vacuum(wave)
        return replace(self, wavelength=wave, medium="vacuum")

    def __getitem__(self, rows):
        """Return the chosen rows (slice, mask or index array) as Spectra."""
        index = np.arange(len(self))[rows]
        index = np.atleast_1d(index)

        def pick(value):
            if value is None:
                return None
            return [value[i] for i in index] if isinstance(value, list) else value[index]

        return Spectra(
            wavelength=pick(self.wavelength) if self.is_ragged else self.wavelength,
            flux=pick(self.flux),
            ivar=pick(self.ivar),
            mask=pick(self.mask),
            or_mask=pick(self.or_mask),
            ids=self.ids[index],
            meta=self.meta.iloc[index],
            medium=self.medium,
            frame=self.frame,
            unit=self.unit,
            mask_is_warning=self.mask_is_warning,
        )

    @classmethod
    def concatenate(cls, parts):
        """Join batches of one medium, frame and unit; ragged unless all share one grid.

        Parameters
        ----------
        parts : sequence of Spectra

        Raises
        ------
        SuiteError
            If there is nothing to join, or media, frames or units differ.
        """
        parts = list(parts)
        if not parts:
            raise SuiteError("There are no spectra to join.")
        first = parts[0]
        for name in KIND:
            found = {getattr(p, name) for p in parts}
            if len(found) > 1:
                raise SuiteError(f"Spectra to be joined differ in {name}: {sorted(found)}.")
        one_grid = not any(p.is_ragged for p in parts) and all(
            np.array_equal(p.wavelength, first.wavelength) for p in parts
        )

        def join(name):
            values = [getattr(p, name) for p in parts]
            if any(v is None for v in values):
                return None
            return np.concatenate(values) if one_grid else [row for v in values for row in v]

        wavelength = first.wavelength
        if not one_grid:
            wavelength = [p.wavelength_of(i) for p in parts for i in range(len(p))]
        return cls(
            wavelength=wavelength,
            flux=join("flux"),
            ivar=join("ivar"),
            mask=join("mask"),
            or_mask=join("or_mask"),
            ids=np.concatenate([p.ids for p in parts]),
            meta=pd.concat([p.meta for p in parts], ignore_index=True),
            medium=first.medium,
            frame=first.frame,
            unit=first.unit,
            mask_is_warning=first.mask_is_warning,
        )

    def _repr_html_(self):
        """Return what a notebook shows: what the batch is, its first spectra drawn."""
        from common.spectra_html import html_of

        return html_of(self)

    def to_specutils(self):
        """Return a list of n `specutils.Spectrum` objects (extra ``specutils``)."""
        from common.interchange import to_specutils

        return to_specutils(self)

    @classmethod
    def from_specutils(cls, spectra, ids=None, *, medium, frame):
        """Build from `specutils.Spectrum` objects (extra ``specutils``)."""
        from common.interchange import from_specutils

        return cls(**from_specutils(spectra, ids=ids, medium=medium, frame=frame))
