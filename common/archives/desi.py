"""DESI's public tree: coadded spectra and redshifts, one pair of files a healpixel."""

from __future__ import annotations

from common.archives.tap import by_ids, query
from common.archives.tree import Item, fetch_many
from common.assets.registry import server

RELEASE = ("edr", "fuji")
TABLE = "desi_edr.zpix"
SIZE = 300_000_000  # bytes of a healpixel's files, about
PIXEL = ("survey", "program", "healpix")


def paths_of(*, survey, program, healpix, release=RELEASE):
    """Return the paths of a healpixel's coadd and redrock files in DESI's tree."""
    name, run = release
    place = f"{name}/spectro/redux/{run}/healpix/{survey}/{program}/{healpix // 100}/{healpix}"
    end = f"{survey}-{program}-{healpix}.fits"
    return f"{place}/coadd-{end}", f"{place}/redrock-{end}"


def fetch_pixels(pixels, folder, *, web, shown=True):
    """Fetch the files of healpixels.

    Parameters
    ----------
    pixels : DataFrame
        survey, program, healpix.
    folder : path-like
    web, shown
        As of `common.archives.tree.fetch_many`, with its errors.

    Returns
    -------
    common.archives.tree.Fetched
    """
    items = []
    for survey, program, healpix in pixels[list(PIXEL)].itertuples(index=False):
        for path in paths_of(survey=survey, program=program, healpix=int(healpix)):
            name = path.rsplit("/", 1)[-1]
            items.append(Item(name, f"{server('desi')}/{path}", name))
    return fetch_many(items, folder, web=web, label="DESI files", shown=shown)


def pixels_of(targetids, target, *, web, table=TABLE):
    """Return which healpixels hold some targets, by a query of the Astro Data Lab.

    Parameters
    ----------
    targetids : array-like of int, shape (n,)
    target : path-like
        FITS table that the answer is kept in.
    web : common.assets.web.Web
    table : str

    Returns
    -------
    DataFrame
        targetid, survey, program, healpix.
    """
    adql = (
        f"SELECT z.targetid, z.survey, z.program, z.healpix FROM {table} AS z "
        "JOIN TAP_UPLOAD.ids AS ids ON z.targetid = ids.targetid"
    )
    file = by_ids(server("datalab-tap"), adql, targetids, target, web=web, column="targetid")
    return frame_of(file)


def counts(target, *, web, surveys, table=TABLE):
    """Return how many objects of each class each healpixel holds, those with ZWARN = 0.

    Parameters
    ----------
    target : path-like
        FITS table that the answer is kept in.
    web : common.assets.web.Web
    surveys : sequence of str
        Such as ("sv1", "sv3").
    table : str

    Returns
    -------
    DataFrame
        survey, program, healpix, spectype, n.
    """
    named = ", ".join(f"'{name}'" for name in surveys)
    adql = (
        f"SELECT survey, program, healpix, spectype, COUNT(*) AS n FROM {table} "
        f"WHERE zwarn = 0 AND survey IN ({named}) GROUP BY survey, program, healpix, spectype"
    )
    return frame_of(query(server("datalab-tap"), adql, target, web=web))


def frame_of(file):
    """Return a FITS table as a DataFrame with lower-case names and text without padding."""
    from astropy.table import Table

    frame = Table.read(file).to_pandas()
    frame.columns = [name.lower() for name in frame.columns]
    for name in frame:
        if frame[name].dtype == object:
            frame[name] = [
                (v.decode() if isinstance(v, bytes) else str(v)).strip() for v in frame[name]
            ]
    return frame
