"""From any number of MOONS spectra to one catalogue: redshift and its PDF, mass, rate, lines."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common.catalogue.files import make_of_files
from common.catalogue.make import ALONE
from common.catalogue.pdf_file import PdfWriter, check_name
from common.catalogue.recipe import Beside
from common.catalogue.step import Step
from common.commands import predict as command
from common.errors import MissingDataError, UsageError
from common.paper import Option, number, whole
from common.rows import collected
from common.sample import rejected
from common.surveys import read_many
from common.surveys.ids import place_of
from mtopnet.catalogue.columns import DESCRIPTIONS, UCDS, UNITS, catalogue, object_table
from mtopnet.config import PAPER
from mtopnet.tables import redshifts as tables


def usable(networks, spectra, *, magnitudes=None):
    """Return who the spectra of a batch that can be used are, their input, and the rejects.

    Parameters
    ----------
    networks : Networks
    spectra : Spectra
    magnitudes : DataFrame, optional
        id -> mag_BAND, for networks that take photometry.

    Returns
    -------
    DataFrame, ndarray of shape (n, n_input), list of dict
    """
    from mtopnet.preprocess import preprocess

    if magnitudes is not None:
        for name in magnitudes:
            rows = place_of(magnitudes.index, spectra.ids)
            values = np.append(magnitudes[name].to_numpy(float), np.nan)
            spectra.meta[name] = values[rows]  # the last where there is none
    prepared = preprocess(spectra, networks.config)
    about, use = object_table(spectra, prepared), prepared.usable
    return about[use].reset_index(drop=True), prepared.inputs[use], rejected(about, prepared)


def magnitudes_of(paths, config):
    """Return mag_BAND by id from tables of labels beside the spectra; None where not needed."""
    from mtopnet.data import label_table

    if not config.photometry:
        return None
    parts = []
    for folder in dict.fromkeys(p if p.is_dir() else p.parent for p in map(Path, paths)):
        try:
            table = label_table(folder).set_index("id")
        except MissingDataError:
            continue
        parts.append(table[[c for c in table if str(c).startswith("mag_")]])
    if not parts:
        return None  # `preprocess` says what is missing, unless the spectra themselves have it
    table = pd.concat(parts)
    return table[~table.index.duplicated()]


class Rows:
    """The networks of a run, and rows of the catalogue for any number of batches.

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Where tables of magnitudes lie, for networks that take them.
    cut, passes
        As in `catalogue`.
    pdfs : bool
        Whether each row gets its PDFs.
    """

    def __init__(self, run_dir, *, paths, cut, passes, pdfs):
        from mtopnet.networks import load_networks

        self.networks = load_networks(run_dir)
        self.magnitudes = magnitudes_of(paths, self.networks.config)
        self._choice, self._pdfs = {"cut": cut, "passes": passes}, pdfs

    def __call__(self, batch):
        """Return the rows of a batch (None where it has none) and the rejects."""
        about, x, lost = usable(self.networks, batch, magnitudes=self.magnitudes)
        if not len(x):
            return None, lost
        table, probabilities = catalogue(self.networks, x, about, **self._choice)
        if self._pdfs:
            every = {"": probabilities, **_scalar_pdfs(self.networks, x)}
            table = table.assign(**{f"_pdf{name}": list(value) for name, value in every.items()})
        return table, lost


def predict_files(run_dir, paths, out, *, pdf=None, cut=tables.ENTROPY_CUT, passes=0,
                  precision="float32", how=ALONE):  # fmt: skip
    """Predict files and folders and write one catalogue, or go on with it after a kill.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained network.
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        Catalogue, see `common.catalogue.make.make`.
    pdf : path-like, optional
        File of PDFs to write too (see `common.catalogue.pdf_file`): .fits.
    cut, passes
        As in `catalogue`.
    precision : str
        What the network computes in, which is chosen already.
    how : common.catalogue.how.How
        By whom, and as one file or many.

    Returns
    -------
    common.catalogue.recipe.Made
        Spectra in the catalogue, and in OUT.rejects.ecsv.
    """
    from mtopnet.data import spectrum_files

    how.check(out)
    pdf = None if pdf is None else check_name(pdf)
    if pdf is not None and pdf.resolve() == Path(out).resolve():
        raise UsageError(f"--pdf and -o name the same file, {out}. Choose two names.")
    if not cut > 0 or passes < 0:
        raise UsageError(
            f"--entropy-cut must be above 0, --passes not below 0. Received {cut:g}, {passes}."
        )
    choice = {"cut": cut, "passes": passes}
    rows = Step(Rows, run_dir, precision=precision, paths=list(paths), pdfs=pdf is not None,
                **choice)  # fmt: skip
    files, networks = spectrum_files(paths), rows.here.networks
    magnitudes = rows.here.magnitudes

    def write_pdfs(parts, path):
        more = _scalar_edges(networks)
        writer = PdfWriter(path, networks.edges, PAPER.header(networks.config, run_dir), more)
        try:
            for table in parts.tables(["id", "_pdf", *(f"_pdf{name}" for name in more)]):
                pdfs = {name: np.stack(table[f"_pdf{name}"]) for name in more}
                writer.append(table["id"], np.stack(table["_pdf"]), **pdfs)
        finally:
            writer.close()

    def told(parts):
        n = sum(int(table["quality"].sum()) for table in parts.tables(["quality"]))
        return f", {n} with entropy below {cut:g}"

    known = None if magnitudes is None else pd.util.hash_pandas_object(magnitudes).sum()
    return make_of_files(
        files, rows, out, paper=PAPER, config=networks.config, run_dir=run_dir, told=told,
        how=how,
        options=choice | {"pdf": pdf is not None, "magnitudes": known, "precision": precision},
        notes={"units": UNITS, "ucds": UCDS, "descriptions": DESCRIPTIONS},
        beside=() if pdf is None else (Beside("PDFs", pdf, write_pdfs),),
    )  # fmt: skip


def _scalar_edges(networks):
    """Return the edges of the bins of mass and rate of a network that has PDFs of them, else {}."""
    from mtopnet.networks import GRIDS

    if not networks.config.scalar_pdf:
        return {}
    return {k: np.linspace(low, high, round((high - low) / step) + 1)
            for k, (low, high, step) in GRIDS.items()}  # fmt: skip


def _scalar_pdfs(networks, x):
    """Return the PDFs of mass and rate of a network that has them, else {}."""
    from mtopnet.networks import scalar_pdfs

    if not networks.config.scalar_pdf:
        return {}
    return {k: pdf for k, (pdf, _) in scalar_pdfs(networks, x).items()}


def predict_labelled(run_dir, paths, verdicts=None):
    """Predict files with labels for an evaluation: the table that `evaluate` reads.

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Folders of spectra with labels.fits (see `common.surveys.moons.read_labels`) beside.
    verdicts : DataFrame, optional
        Redshifts in place of the labels' (see `common.inspect.verdicts.read_verdicts`): of the
        spectra that they name, which then need no labels.

    Returns
    -------
    DataFrame, ndarray of shape (n, n_bins), DataFrame
        Predictions with the labels, split "real"; their PDFs; the rejects.

    Raises
    ------
    SuiteError
        If no spectrum that can be used has a label.
    """
    from mtopnet.data import by_eye, label_table, spectrum_files
    from mtopnet.networks import load_networks, predicted

    networks, pdf = load_networks(run_dir), []
    if verdicts is None:
        labels = pd.concat([label_table(path) for path in paths], ignore_index=True)
    else:
        labels = pd.concat([by_eye(verdicts, path) for path in paths], ignore_index=True)
    labels = labels.drop_duplicates("id", ignore_index=True)
    magnitudes = magnitudes_of(paths, networks.config)

    def step(batch):
        about, x, lost = usable(networks, batch, magnitudes=magnitudes)
        rows = place_of(labels["id"], about["id"])
        known = rows >= 0
        for row in about[~known].itertuples():
            lost.append({"file": row.file, "id": row.id, "reason": "no label of this id"})
        if not known.any():
            return None, lost
        values, probabilities = predicted(networks, x[known])
        own = labels.iloc[rows[known]].reset_index(drop=True)
        own["id"] = about.loc[known, "id"].to_numpy()
        values = values.drop(columns=[c for c in own if c in values])
        pdf.append(probabilities)
        return pd.concat([own, values.reset_index(drop=True)], axis=1), lost

    table, rejects = collected(read_many(spectrum_files(paths)), step)
    return table.assign(split="real", dataset="files"), np.concatenate(pdf), rejects


OPTIONS = (
    Option("--pdf", "write the redshift PDFs too: a FITS table, a record a row",
           more={"type": Path, "metavar": "FILE"}),
    number("--entropy-cut", "entropy in nats below which quality is 1 (the paper: 2)",
           dest="cut", default=tables.ENTROPY_CUT, metavar="ENTROPY_CUT"),
    whole("--passes", "average the PDFs of N passes of MC dropout (the paper: 50)", default=0,
          zero=True, metavar="N"),
)  # fmt: skip


main = partial(
    command.main,
    PAPER,
    "Redshifts with their PDFs, stellar masses and star formation rates, as one catalogue.",
    predict=predict_files,
    options=OPTIONS,
)

if __name__ == "__main__":
    raise SystemExit(main())
