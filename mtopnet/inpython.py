"""Redshifts, masses and star formation rates in a notebook."""

from __future__ import annotations

from common import inpython
from mtopnet.catalogue.columns import DESCRIPTIONS, UCDS, UNITS, catalogue
from mtopnet.config import PAPER
from mtopnet.predict import magnitudes_of, usable
from mtopnet.tables.redshifts import ENTROPY_CUT


def measure(spectra, *, run_dir=None, cut=ENTROPY_CUT, passes=0, medium="vacuum",
            frame="heliocentric", precision="float32"):  # fmt: skip
    """Return redshifts and more of spectra, as `python -m mtopnet.predict` gives them.

    Parameters
    ----------
    spectra : common.spectra.Spectra, specutils objects, or path-likes
        One, or a list; see `common.inpython.batches`.
    run_dir : path-like, optional
        Run folder, or name of a released network; the default released one without it.
    cut : float
        Entropy in nats below which quality is 1.
    passes : int
        Passes of MC dropout that PDFs are averaged over.
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
    from mtopnet.networks import load_networks

    networks, rejects = inpython.networks_of(PAPER, load_networks, run_dir, precision), []
    paths = inpython.as_paths(spectra)
    magnitudes = magnitudes_of(paths, networks.config) if paths else None

    def step(batch):
        about, x, lost = usable(networks, batch, magnitudes=magnitudes)
        return (catalogue(networks, x, about, cut=cut, passes=passes)[0] if len(x) else None), lost

    stream = inpython.batches(spectra, medium=medium, frame=frame, rejects=rejects)
    return inpython.table_of(
        stream, step, rejects, n=inpython.length(spectra), meta={"network": PAPER.network},
        notes={"units": UNITS, "ucds": UCDS, "descriptions": DESCRIPTIONS},
    )  # fmt: skip
