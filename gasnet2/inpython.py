"""Classes and redshifts in a notebook."""

from __future__ import annotations

from common import inpython
from gasnet2.config import PAPER
from gasnet2.networks import MIN_PROBABILITY, load_networks
from gasnet2.predict import Rows, notes_of


def classify(spectra, *, run_dir=None, all_classes=False, min_probability=MIN_PROBABILITY,
             medium="vacuum", frame="heliocentric", precision="float32"):  # fmt: skip
    """Return classes and redshifts of spectra, as `python -m gasnet2.predict` gives them.

    Parameters
    ----------
    spectra : common.spectra.Spectra, specutils objects, or path-likes
        One, or a list; see `common.inpython.batches`.
    run_dir : path-like, optional
        Run folder, or name of a released network; the default released one without it.
    all_classes : bool
        Redshifts by every class's network, or templates.
    min_probability : float
        Classes less probable than this get no redshift (the paper's networks).
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
        If spectra are something else.
    SuiteError
        If none can be used.
    """
    networks = inpython.networks_of(PAPER, load_networks, run_dir, precision)
    config, rejects = networks.config, []
    rows = Rows(run_dir, networks=networks, all_classes=all_classes,
                min_probability=min_probability, pdfs=False)  # fmt: skip

    def step(batch):
        return rows(inpython.with_snr(batch))

    stream = inpython.batches(spectra, medium=medium, frame=frame, grid=config.table_grid,
                              rejects=rejects)  # fmt: skip
    return inpython.table_of(
        stream, step, rejects, notes=notes_of(config), n=inpython.length(spectra),
        meta={"network": PAPER.network, "trained": config.trained},
    )  # fmt: skip
