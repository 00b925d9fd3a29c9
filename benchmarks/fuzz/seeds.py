"""The files that are damaged: real ones, whole or cut down, and small ones written here."""

from __future__ import annotations

import gzip
import io
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits

PIXELS, ROWS, LINES = 48, 4, 6  # default: of what is cut down
LARGEST = 4 * 2**20  # bytes: larger real files are cut down before they count as whole
ENDING = re.compile(r"(?i)(\.gz|\.fz)$")


class Seed(NamedTuple):
    """One file: its name, what it is read as (see `benchmarks.fuzz.targets`), its bytes."""

    name: str
    kind: str
    content: bytes


def kind_of(name):
    """Return what a real file is read as."""
    name = ENDING.sub("", name).lower()
    if name.startswith("xp_continuous"):
        return "xp"
    if name.endswith(".csv") and name != "index.csv":
        return "rvs"
    if name.endswith((".csv", ".dat", ".ecsv", ".xml")):
        return "table"
    return "spectra"


def real(folder):
    """Return the real files under a folder, unpacked, whole; one of many alike of each survey.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    list of Seed
        Without files of more than `LARGEST` bytes.
    """
    seeds, alike = [], {}
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        same = (
            path.parent.name,
            path.stat().st_size // 8192 if path.parent.name == "spec" else path.name,
        )
        if same in alike:
            continue
        alike[same] = path
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        if len(content) <= LARGEST:
            seeds.append(Seed(path.name, kind_of(path.name), content))
    return seeds


def cut(seed):
    """Return a seed with a few pixels and rows; the same where that cannot be done."""
    if not seed.content.startswith(b"SIMPLE"):
        if seed.kind == "table" and not seed.content.lstrip().startswith(b"<"):
            return seed._replace(content=b"\n".join(seed.content.splitlines()[:LINES]) + b"\n")
        if seed.kind == "xp" and b"_correlations" in seed.content[:2000]:
            return seed
        return seed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(seed.content)) as hdus:
            out = fits.HDUList([_cut_hdu(hdu) for hdu in list(hdus)[:20]])
            buffer = io.BytesIO()
            out.writeto(buffer, output_verify="ignore")
    return seed._replace(content=buffer.getvalue())


def _middle(n):
    """Return which pixels of n are kept: ends may be empty."""
    return slice(n // 3, n // 3 + PIXELS) if n > 2 * PIXELS else slice(PIXELS)


def _cut_hdu(hdu):
    if hdu.data is None:
        return type(hdu)(header=hdu.header)
    if not isinstance(hdu, fits.BinTableHDU):
        axes = (*(slice(5) for _ in hdu.data.shape[:-1]), _middle(hdu.data.shape[-1]))
        return type(hdu)(data=hdu.data[axes].copy(), header=hdu.header)
    scalar = all(column.dtype.shape in ((), (1,)) for column in hdu.columns)
    rows, data = _middle(len(hdu.data)) if scalar else slice(ROWS), hdu.data
    columns = []
    for column in hdu.columns:
        values = data.field(column.name)[rows]
        form = column.format
        if values.ndim == 2 and values.shape[1] > PIXELS and values.dtype.kind in "fiub":
            values, form = (
                values[:, _middle(values.shape[1])],
                f"{PIXELS}{form.lstrip('0123456789')[:1]}",
            )
        columns.append(fits.Column(column.name, form, unit=column.unit, array=values))
    keep = ("EXTNAME", "COEFF0", "COEFF1", "CRVAL1", "CDELT1", "NAME")
    header = fits.Header([hdu.header.cards[k] for k in keep if k in hdu.header])
    if "COEFF0" not in header and "plate" in (c.name.lower() for c in columns):
        header["COEFF0"], header["COEFF1"] = 3.6, 1e-4  # the grid goes by the number of pixels
    return fits.BinTableHDU.from_columns(columns, header=header)


def written():
    """Return small files of layouts that are not among the real ones, or in place of these."""
    rng = np.random.default_rng(1)
    flux = rng.normal(size=(3, PIXELS)).astype("f4")
    loglam = (3.6 + 1e-4 * np.arange(PIXELS)).astype("f4")
    one = dict.fromkeys(("PLATE", "MJD", "FIBERID"), 300)

    def table(name="", **columns):
        kinds = {"f": "D", "i": "K", "u": "K", "b": "L"}
        made = []
        for key, values in columns.items():
            values = np.asarray(values)
            code = kinds.get(values.dtype.kind, "12A")
            size = values.shape[1] if values.ndim == 2 else ""
            made.append(
                fits.Column(key, f"{size}{'E' if values.dtype == 'f4' else code}", array=values)
            )
        return fits.BinTableHDU.from_columns(made, name=name)

    def primary(**cards):
        hdu = fits.PrimaryHDU()
        hdu.header.update({k.upper(): v for k, v in cards.items()})
        return hdu

    pixels = dict(flux=flux[0], loglam=loglam, ivar=np.ones(PIXELS, "f4"),
                  and_mask=np.zeros(PIXELS, int))  # fmt: skip
    row = {k: [v] for k, v in one.items()} | {"CLASS": ["QSO"], "Z": [1.0], "ZWARNING": [0]}
    many = {k: [v] * 3 for k, v in one.items()} | {"CLASS": ["QSO"] * 3, "Z": [1.0] * 3}
    spec = [primary(telescop="SDSS 2.5-M"), table("COADD", **pixels), table("SPECOBJ", **row)]
    rows = [primary(coeff0=3.6, coeff1=1e-4), table("T", flux=flux, ivar=flux**2, **many)]
    image = fits.PrimaryHDU(np.stack([flux[0], flux[0] ** 2, 10**loglam, flux[0] * 0, flux[0] * 0]))
    image.header.update({"TELESCOP": "LAMOST", "OBSID": 12, "COEFF0": 3.6, "COEFF1": 1e-4})
    vectors = dict(FLUX=flux, IVAR=flux**2, WAVELENGTH=np.tile(10**loglam, (3, 1)).astype("f4"),
                   ANDMASK=flux * 0, ORMASK=flux * 0)  # fmt: skip
    lamost = [primary(telescop="LAMOST"), table("COADD", **vectors)]
    eso = [primary(instrume="QMOST"), table("PHASE3SPECTRUM", WAVE=np.tile(10**loglam, (3, 1)),
                                            FLUX=flux, ERR_FLUX=np.abs(flux))]  # fmt: skip
    desi = [primary(), table("FIBERMAP", TARGETID=[1, 2, 3])]
    for arm, first in (("B", 3600.0), ("R", 3620.0), ("Z", 3640.0)):
        for name, data in (("WAVELENGTH", first + 0.8 * np.arange(PIXELS)), ("FLUX", flux),
                           ("IVAR", flux**2), ("MASK", (flux > 3).astype("i4"))):  # fmt: skip
            desi.append(fits.ImageHDU(data, name=f"{arm}_{name}"))
    packed = [primary(telescop="LAMOST"), fits.CompImageHDU(image.data, header=image.header)]
    moons = [primary(inst="MOONS")]
    for arm, first in (("RI", 6500.0), ("YJ", 9500.0), ("H", 15000.0)):
        for what in ("DATA", "ERR"):
            hdu = fits.ImageHDU(np.abs(flux[0]))
            hdu.header.update({"NAME": f"{what}_{arm}", "CRVAL1": first, "CDELT1": 1.0})
            moons.append(hdu)
    ids = [5853498713190525696 + 128 * i for i in range(4)]
    exposures = [*desi[:1], table("FIBERMAP", TARGETID=[1, 2, 1], EXPID=[7, 7, 8]), *desi[2:]]
    redshifts = [primary(), table("REDSHIFTS", TARGETID=[1, 2, 3], Z=[0.1, 0.2, 0.3],
                                  ZWARN=[0, 4, 0], SPECTYPE=["QSO", "STAR", "GALAXY"])]  # fmt: skip
    apstar = [primary(nvisits=1, vhelio=3.5, objid="2M00283971+8530377")]
    for values in (flux, np.abs(flux) + 1, (flux > 3).astype("i2")):
        hdu = fits.ImageHDU(values)
        hdu.header.update({"CRVAL1": 4.179, "CDELT1": 6e-6, "CRPIX1": 1})
        apstar.append(hdu)
    matrix = [primary(), fits.ImageHDU(flux, name="FLUX"), fits.CompImageHDU(flux**2, name="SIGMA"),
              table("LABELS", NAME=["a", "b", "c"], Z=[3.0] * 3),
              fits.ImageHDU(10 ** loglam.astype(float), name="WAVE")]  # fmt: skip
    xp = {"source_id": ids} | {f"{b}_coeff_{i}": [1.0] * 4 for b in ("bp", "rp") for i in range(55)}
    source = "source_id,ra,dec,parallax,phot_g_mean_mag\n" + "".join(
        f"{i},1.5,2.5,0.5,12.{k}\n" for k, i in enumerate(ids)
    )
    ecsv = "# %ECSV 1.0\n# ---\n# datatype:\n" + "".join(
        f"# - {{name: {n}, datatype: {t}}}\n"
        for n, t in (("source_id", "int64"), ("ra", "float64"), ("parallax", "float64"))
    ) + "source_id ra parallax\n" + "".join(f"{i} 1.5 0.5\n" for i in ids)  # fmt: skip
    vot = ('<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
           "<RESOURCE><TABLE><FIELD name='source_id' datatype='long'/><FIELD name='ra' "
           "datatype='double' unit='deg'/><FIELD name='parallax' datatype='double'/><DATA>"
           "<TABLEDATA>" + "".join(f"<TR><TD>{i}</TD><TD>1.5</TD><TD>0.5</TD></TR>" for i in ids)
           + "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>")  # fmt: skip
    lasp = "obsid|teff|teff_err|logg|feh|snrg\n" + "".join(
        f"90000001{i}|5777|50|4.4|0.0|55\n" for i in range(4)
    )
    star = {"APOGEE_ID": ["2M00283971"] * 3, "TEFF": [5e3] * 3, "LOGG": [4.0] * 3,
            "SNR": [9.0] * 3, "GAIAEDR3_SOURCE_ID": ids[:3], "RA": [1.0] * 3}  # fmt: skip
    info = {"SPECOBJID": ["299490500000000"] * 3, "PLATEID": [266] * 3, "MJD": [51630] * 3,
            "FIBERID": [1, 2, 3], "RA": [1.0] * 3, "DEC": [1.0] * 3, "Z": [0.1] * 3}  # fmt: skip
    grid = np.linspace(846.0, 870.0, 2401)
    rvs = "source_id,wavelength,flux,flux_error\n" + "".join(
        f"{ids[0]},{w:.2f},0.99,0.01\n" for w in grid
    )
    arrays = dict(source_id=ids[:2], flux=np.ones((2, 2401), "f4"),
                  flux_error=np.full((2, 2401), 0.01, "f4"))  # fmt: skip
    lists = (
        "source_id,bp_coefficients,rp_coefficients,bp_coefficient_errors,rp_coefficient_errors\n"
    )
    lists += "".join(
        f"{i},{','.join([repr(str([1.0] * 55)).replace(chr(39), chr(34))] * 4)}\n" for i in ids
    )
    labels = "id,z,log_mass,kind\n" + "".join(f"{i},1.{i},10.2,galaxy\n" for i in range(4))
    built = {
        "spec.fits": ("spectra", spec), "rows.fits": ("spectra", rows),
        "image.fits": ("spectra", [image]), "packed.fits.fz": ("spectra", packed),
        "lamost.fits": ("spectra", lamost), "eso.fits": ("spectra", eso),
        "coadd-x.fits": ("spectra", desi), "spectra-x.fits": ("spectra", exposures),
        "apStar.fits": ("spectra", apstar), "matrix.fits": ("spectra", matrix),
        "redrock-x.fits": ("redshifts", redshifts), "moons.fits": ("spectra", moons),
        "xp.fits": ("xp", [primary(), table("XP", **xp)]),
        "rvs.fits": ("rvs", [primary(), table("RVS", **arrays)]),
        "source.fits": ("table", [primary(), table("S", source_id=ids, ra=[1.5] * 4)]),
        "allStar.fits": ("allstar", [primary(), table("STARS", **star)]),
        "galSpecInfo.fits": ("mpajhu", [primary(), table("INFO", **info)]),
    }  # fmt: skip
    seeds = [Seed(name, kind, _bytes(hdus)) for name, (kind, hdus) in built.items()]
    texts = {"source.csv": ("table", source), "source.ecsv": ("table", ecsv),
             "source.vot": ("table", vot), "lasp.csv": ("lasp", lasp),
             "labels.csv": ("labels", labels), "rvs.csv": ("rvs", rvs),
             "xp.csv": ("xp", lists)}  # fmt: skip
    return seeds + [Seed(name, kind, text.encode()) for name, (kind, text) in texts.items()]


def _bytes(hdus):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()
