"""Labels and distances of stars in a notebook."""

from __future__ import annotations

from common import inpython
from solarlike_distance.catalog import part_of, usable
from solarlike_distance.catalogue import columns
from solarlike_distance.config import PAPER
from solarlike_distance.labels.photometry import read_photometry
from solarlike_distance.networks import load_networks


def measure(spectra, *, run_dir=None, photometry=None, extinction=None, medium="vacuum",
            frame="heliocentric", precision="float32"):  # fmt: skip
    """Return labels and distances of stars, as `python -m solarlike_distance.catalog` gives them.

    Spectra that are there twice keep a row each.

    Parameters
    ----------
    spectra : common.spectra.Spectra, specutils objects, or path-likes
        One, or a list; see `common.inpython.batches`.
    run_dir : path-like, optional
        Run folder, or name of a released network; the default released one without it.
    photometry : path-like, optional
        Table of Gaia's columns, see `solarlike_distance.labels.photometry.read_photometry`; there
        are no distances without it.
    extinction : str, optional
        Column of the photometry with A_G.
    medium : {"vacuum", "air"}
    frame : {"heliocentric", "barycentric", "observed", "rest"}
        Of specutils objects, which do not say.
    precision : str
        As of the command lines.

    Returns
    -------
    astropy.table.Table
        A row a spectrum that could be used, with units and descriptions; the others are in
        `meta["rejects"]`.

    Raises
    ------
    UsageError
        If spectra are something else, or no network is released and none is named.
    SuiteError
        If none can be used.
    """
    networks, rejects = inpython.networks_of(PAPER, load_networks, run_dir, precision), []
    table = None
    if photometry is not None:
        table = read_photometry(photometry, config=networks.config, extinction=extinction)

    def step(batch):
        own, about, x, lost = usable(networks, batch)
        if not len(x):
            return None, lost
        part, more = part_of(networks, own, about, x, photometry=table)
        return (None if part is None else part[list(columns.COLUMNS)]), lost + more

    stream = inpython.batches(spectra, medium=medium, frame=frame, rejects=rejects)
    return inpython.table_of(stream, step, rejects, n=inpython.length(spectra),
                             meta={"network": PAPER.network}, notes=columns.notes())  # fmt: skip
