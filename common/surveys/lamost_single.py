"""LAMOST's own files, one spectrum each, by the light view of `common.surveys.quick`.

What `common.surveys.lamost` says of layouts and columns holds here; files of any other kind are
left to it.
"""

from __future__ import annotations

import numpy as np

from common.surveys.cards import card, in_frame, medium_of
from common.surveys.cards import number as number_of
from common.surveys.columns import exact_ids, float32, median_snr, stem
from common.surveys.lamost import MISSING, NAME, image_rows, is_medium, properties
from common.surveys.single import Single, gathered
from common.surveys.units import angstrom

__all__ = ["NAME", "count", "read", "recognise", "single"]
VECTORS = ("flux", "ivar", "wavelength", "andmask")


def _is_image(hdu):
    return hdu.get("NAXIS") == 2 and hdu.get("NAXIS2") >= 4 and hdu.get("BITPIX") in (-32, -64)


def _is_row(hdus):
    """Return whether HDU 1 is a table of one row of vectors, and of nothing that is packed."""
    if len(hdus) < 2 or not hdus[1].is_table or hdus[1].get("NAXIS2") != 1:
        return False
    dtype = hdus[1].table().dtype
    return all(name in (dtype.names or ()) and len(dtype[name].shape) == 1 for name in VECTORS)


def recognise(hdus):
    """Return True for a file of LAMOST's, of low resolution, with one spectrum as it was written.

    Parameters
    ----------
    hdus : list of common.surveys.quick.QuickHDU
    """
    said = [str(card(hdus[:2], name, default="")) for name in ("TELESCOP", "ORIGIN")]
    if "LAMOST" not in " ".join(said).upper() or is_medium(hdus):
        return False
    scaled = any(hdu.get(name) is not None for hdu in hdus[:2] for name in
                 ("BSCALE", "BZERO", "BLANK", "ZIMAGE", "ZTABLE"))  # fmt: skip
    return not scaled and (_is_image(hdus[0]) or (not hdus[0].get("NAXIS") and _is_row(hdus)))


def count(hdus):
    """Return the number of spectra."""
    return 1


def single(path, hdus):
    """Return the spectrum of a file, a `Single`; what `common.surveys.lamost.read` says holds."""
    table = None
    if _is_image(hdus[0]):
        wave, *vectors = image_rows(path, hdus[0].image(), hdus[:2])
        flux, ivar, mask, or_mask = (None if v is None else v[0] for v in vectors)
    else:
        table = hdus[1].table()[0]
        names = {name.strip().lower(): i for i, name in _columns(hdus[1])}
        unit = hdus[1].get(f"TUNIT{names['wavelength']}", "")
        wave = angstrom(path, table["wavelength"], unit, where="TUNIT")
        flux, ivar = float32(table["flux"]), float32(table["ivar"])
        mask = table["andmask"] != 0
        or_mask = table["ormask"] != 0 if "ormask" in table.dtype.names else None

    def known(*names):
        for name in () if table is None else map(str.lower, names):
            if name in table.dtype.names:
                value = table[name]
                return value.decode("latin1") if isinstance(value, bytes) else value
        return card(hdus[:2], *names)

    def number(*names):
        value = number_of(known(*names))
        return np.nan if value <= MISSING else value

    def text(*names):
        value = known(*names)
        return "" if value is None else str(value).strip()

    obsid, own = known("OBSID"), stem(path)
    obsid = "" if obsid is None else exact_ids(path, obsid, name="OBSID")[0]
    wave, frame = in_frame(path, hdus[:2], wave, "heliocentric")
    return Single(
        id=str(obsid) if str(obsid).isdecimal() and int(obsid) else own,
        meta={"file": str(path), "survey": "lamost", "snr": median_snr(flux[None], ivar[None])[0]}
        | properties(number, text),
        wavelength=wave,
        flux=flux,
        ivar=ivar,
        mask=mask,
        or_mask=or_mask,
        medium=medium_of(path, hdus[:2]),
        frame=frame,
        unit="",
        mask_is_warning=True,
    )


def _columns(hdu):
    """Yield number and name of the columns of a table."""
    for i in range(1, hdu.get("TFIELDS") + 1):
        yield i, str(hdu.get(f"TTYPE{i}", ""))


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the spectrum as `Spectra` (arguments: `common.surveys.read`)."""
    return gathered([single(path, hdus).checked()])
