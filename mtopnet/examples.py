"""The paper's Fig. 2: three spectra as they come, before any pre-processing."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from common.errors import MissingDataError


def draw_spectra(run_dir, config, *, offline=False):
    """Draw Fig. 2 of a run into its figures/: bright, average and quiescent, near z = 1.

    Parameters
    ----------
    run_dir : path-like
        The files are those of its --data-dir. A mock without one is not kept: its first galaxies
        are made again, which takes seconds.
    config : Config
    offline : bool
        Use no network.

    Returns
    -------
    Path
        Of the PNG.

    Raises
    ------
    MissingDataError
        If the files are gone, or no galaxy is near z = 1 with a known kind and F(Ha).
    """
    run_dir = Path(run_dir)
    data_dir = json.loads((run_dir / "config.json").read_text()).get("data_dir")
    if data_dir is None and config.is_mock:
        from mtopnet.mock.make import CHUNK, make_mock

        with TemporaryDirectory(prefix="mock-", dir=run_dir) as folder:
            n = CHUNK * (2 if config.mock == "both" else 1)  # whole files of both halves
            make_mock(n=min(n, config.n_galaxies), seed=config.seed, out_dir=folder,
                      exposures=config.exposures[:1], variant=config.mock, offline=offline,
                      progress=False)  # fmt: skip
            return _draw(run_dir, folder)
    if data_dir is None or not Path(data_dir).is_dir():
        raise MissingDataError(f"The spectra of {run_dir} are no longer in {data_dir}.")
    return _draw(run_dir, data_dir)


def _draw(run_dir, data_dir):
    from common.figures import save
    from common.spectra import Spectra
    from common.surveys import read_many
    from common.surveys.moons_labels import read_labels
    from mtopnet.data import spectrum_files
    from mtopnet.mock.figures import choose, examples

    labels = read_labels(data_dir)
    known = {"exposure", "z", "log_mass", "log_sfr", "m_h", "f_ha", "kind"} <= set(labels)
    found, wanted = [], choose(labels, float(labels["exposure"].min())) if known else ()
    inner = Path(data_dir) / "spectra"
    for spectra in read_many(spectrum_files(inner if inner.is_dir() else data_dir), rejects=[]):
        found += [spectra[[row]] for row in np.flatnonzero(np.isin(spectra.ids, wanted))]
        if len(found) == len(wanted):
            break
    if not found:
        raise MissingDataError(
            f"Fig. 2 shows galaxies near z = 1 by their kind and F(Ha), and {data_dir} has none."
        )
    found = sorted(found, key=lambda one: list(wanted).index(one.ids[0]))
    return save(examples(Spectra.concatenate(found), labels), run_dir / "figures" / "F2_spectra")
