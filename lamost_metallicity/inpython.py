"""Star-forming galaxies and their metallicities in a notebook."""

from __future__ import annotations

from common import inpython
from lamost_metallicity.config import PAPER
from lamost_metallicity.networks import load_networks
from lamost_metallicity.predict import DESCRIPTIONS, UCDS, UNITS, catalogue, usable


def measure(spectra, *, run_dir=None, confidence=None, everything=False, medium="vacuum",
            frame="heliocentric", precision="float32"):  # fmt: skip
    """Return metallicities of spectra, as `python -m lamost_metallicity.predict` gives them.

    Parameters
    ----------
    spectra : common.spectra.Spectra, specutils objects, or path-likes
        One, or a list; see `common.inpython.batches`.
    run_dir : path-like, optional
        Run folder, or name of a released network; the default released one without it.
    confidence : float, optional
        p_sf from which a galaxy counts as star-forming; the run's own by default.
    everything : bool
        Metallicities of the other galaxies too.
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
    choice = {
        "confidence": networks.config.confidence if confidence is None else confidence,
        "everything": everything,
    }

    def step(batch):
        _, about, x, lost = usable(networks, batch)
        return (catalogue(networks, x, about, **choice) if len(x) else None), lost

    stream = inpython.batches(spectra, medium=medium, frame=frame, rejects=rejects)
    return inpython.table_of(
        stream, step, rejects, n=inpython.length(spectra), meta={"network": PAPER.network},
        notes={"units": UNITS, "ucds": UCDS, "descriptions": DESCRIPTIONS},
    )  # fmt: skip
