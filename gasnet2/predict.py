"""From any number of spectrum files to one catalogue of classes and redshifts (Eq. 1)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from common.catalog import joined
from common.catalogue.files import make_of_files
from common.catalogue.make import ALONE
from common.catalogue.pdf_file import check_name
from common.catalogue.recipe import Beside
from common.catalogue.step import Step
from common.commands import predict as command
from common.errors import UsageError
from common.paper import Option, number
from common.pipeline import ahead
from common.rows import collected, of_files
from common.sample import rejected
from common.surveys import find_files, read_many
from gasnet2.config import COARSE, PAPER
from gasnet2.data import by_eye, label_table
from gasnet2.inputs import prepared
from gasnet2.networks import MIN_PROBABILITY, load_networks, routed

AMBIGUOUS = 0.5  # default: a most probable class below this is flagged
BAD_PIXELS = 0.3  # default: a larger fraction of pixels without information is flagged
LOW_SNR = 2.0  # default: Sect. 2.3 leaves out spectra below this

UNITS = {"ra": "deg", "dec": "deg"}
UCDS = {
    "id": "meta.id;meta.main",
    "ra": "pos.eq.ra;meta.main",
    "dec": "pos.eq.dec;meta.main",
    "snr": "stat.snr",
    "class": "src.class",
    "class_probability": "stat.probability",
    "z": "src.redshift",
    "sigma_z": "stat.error;src.redshift",
    "warnings": "meta.code.qual",
}
DESCRIPTIONS = {
    "snr": "median signal-to-noise ratio per pixel",
    "class": "most probable class",
    "class_probability": "probability of that class",
    "z": "redshift: mean of the class's ensemble (Eq. 7)",
    "sigma_z": "standard deviation over the ensemble (Eq. 8); not a calibrated error",
    "robust": "sigma_z is at most the validation MAE of the class (Sect. 4.2.3)",
    "z_alt": "redshift by the second class, where that matters",
    "warnings": "semicolon-separated; empty where there is nothing to warn of",
}


def catalogue(networks, x, about, *, min_probability=MIN_PROBABILITY, all_classes=False):
    """Predict prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels)
        Normalised flux.
    about : DataFrame of n rows
        id, file, ra, dec, snr, and bad_fraction.
    min_probability, all_classes
        As in `gasnet2.networks.routed`.

    Returns
    -------
    DataFrame of n rows
        See `DESCRIPTIONS`; p_CLASS for each class; with `all_classes` z_CLASS and sigma_z_CLASS.
    """
    from common.inference import predict

    classes = np.array(networks.config.classes)
    p = predict(networks.classifier, x)
    mean, error, _ = routed(
        networks, x, p, min_probability=min_probability, all_classes=all_classes
    )
    i, top = np.arange(len(x)), p.argmax(axis=1)
    star = np.array([COARSE[c] == "STAR" for c in classes])
    table = about[["id", "file", "ra", "dec", "snr"]].reset_index(drop=True)
    table["class"], table["class_probability"] = classes[top], p[i, top]
    table["z"] = np.where(star[top], 0.0, mean[i, top])
    table["sigma_z"] = np.where(star[top], 0.0, error[i, top])
    limit = np.array([networks.validation_mae.get(c, np.nan) for c in classes])
    table["robust"] = star[top] | (table["sigma_z"] <= limit[top])
    other = np.where(star | np.isnan(mean), -1.0, p)
    other[i, top] = -1.0
    second = other.argmax(axis=1)
    has = other[i, second] >= min_probability
    table["class_alt"] = np.where(has, classes[second], "")
    table["z_alt"] = np.where(has, mean[i, second], np.nan)
    table["sigma_z_alt"] = np.where(has, error[i, second], np.nan)
    for k, name in enumerate(classes):
        table[f"p_{name}"] = p[:, k]
        if all_classes:
            table[f"z_{name}"], table[f"sigma_z_{name}"] = mean[:, k], error[:, k]
    flags = {
        "AMBIGUOUS_CLASS": p[i, top] < AMBIGUOUS,
        "UNSTABLE_Z": ~table["robust"].to_numpy(),
        "NO_Z_NETWORK": np.array([not s and c not in networks.redshift
                                  for s, c in zip(star, classes, strict=True)])[top],
        "LOW_SNR": about["snr"].to_numpy(dtype=float) < LOW_SNR,
        "BAD_PIXELS": about["bad_fraction"].to_numpy() > BAD_PIXELS,
    }  # fmt: skip
    table["warnings"] = joined(flags)
    return table


def usable(config, spectra):
    """Return labels and network input of the spectra of a batch that can be used, and the rejects.

    Parameters
    ----------
    config : Config
    spectra : Spectra

    Returns
    -------
    DataFrame, ndarray of shape (n, n_pixels), list of dict
        The first with bad_fraction.
    """
    labels = label_table(spectra, config.survey)
    ready = prepared(spectra, config)
    labels["bad_fraction"] = ready.bad_fraction
    use = ready.usable
    return labels[use].reset_index(drop=True), ready.x[use], rejected(labels, ready)


def usable_chunks(config, paths, rejects):
    """Yield labels (with bad_fraction) and network input of the spectra that can be used."""
    for spectra in ahead(read_many(paths, rejects=rejects, grid=config.table_grid)):
        labels, x, lost = usable(config, spectra)
        rejects += lost
        if len(x):
            yield labels, x


class Rows:
    """The networks of a run, and rows of the catalogue for any number of batches.

    Parameters
    ----------
    run_dir : path-like
    all_classes, min_probability
        As in `predict_files`.
    pdfs : bool
        Whether each row gets its PDF.
    networks : Networks or gasnet2.templates.networks.TemplateNetwork, optional
        Those of the run folder, where they are loaded already.
    """

    def __init__(self, run_dir, *, all_classes, min_probability, pdfs, networks=None):
        self.networks = load_networks(run_dir) if networks is None else networks
        self._choice = {"all_classes": all_classes, "min_probability": min_probability}
        self._pdfs = pdfs

    def __call__(self, batch):
        """Return the rows of a batch (None where it has none) and the rejects."""
        labels, x, lost = usable(self.networks.config, batch)
        return (self._predicted(labels, x) if len(x) else None), lost

    def _predicted(self, labels, x):
        if not self.networks.config.is_templates:
            return catalogue(self.networks, x, labels, **self._choice)
        from gasnet2.templates.catalogue import catalogue as templates

        every = self._choice["all_classes"]
        return templates(self.networks, x, labels, every=every, pdfs=self._pdfs)


def predict_files(run_dir, paths, out, *, all_classes=False, min_probability=MIN_PROBABILITY,
                  pdf=None, precision="float32", how=ALONE):  # fmt: skip
    """Predict files and folders and write one catalogue, or go on with it after a kill.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained networks.
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        Catalogue, see `common.catalogue.make.make`.
    all_classes : bool
        Redshifts by every class's network (Eq. 1), or templates.
    min_probability : float
        See `gasnet2.networks.routed`.
    pdf : path-like, optional
        File of PDFs to write too (see `common.catalogue.pdf_file`): .fits. Of the template network.
    precision : str
        What the networks compute in, which is chosen already.
    how : common.catalogue.how.How
        By whom, and as one file or many.

    Returns
    -------
    common.catalogue.recipe.Made
        Spectra in the catalogue, and in OUT.rejects.ecsv.
    """
    how.check(out)
    pdf = None if pdf is None else check_name(pdf)
    choice = {"all_classes": all_classes, "min_probability": min_probability}
    rows = Step(Rows, run_dir, precision=precision, pdfs=pdf is not None, **choice)
    files, networks = find_files(paths), rows.here.networks
    config = networks.config
    if config.is_templates:
        choice, recipe = _of_templates(networks, run_dir, all_classes, pdf)
    elif pdf is not None:
        raise UsageError(
            f"--pdf: the paper's networks give no PDF, and {run_dir} holds those. Train with "
            "--network templates."
        )
    else:
        recipe = {}
    return make_of_files(
        files, rows, out, paper=PAPER, config=config, run_dir=run_dir, grid=config.table_grid,
        how=how, options=choice | {"precision": precision}, notes=notes_of(config), **recipe,
    )  # fmt: skip


def notes_of(config):
    """Return what is said of the columns of a catalogue: units, ucds, descriptions."""
    if not config.is_templates:
        return {"units": UNITS, "ucds": UCDS, "descriptions": DESCRIPTIONS}
    from gasnet2.templates import catalogue as templates

    more = templates.DESCRIPTIONS
    return {"units": UNITS, "ucds": UCDS | templates.UCDS, "descriptions": DESCRIPTIONS | more}


def _of_templates(networks, run_dir, every, pdf):
    """Return the options of a catalogue of the template network, and how it differs."""
    from gasnet2.templates import catalogue as templates

    meta = PAPER.header(networks.config, run_dir) | {"NETWORK": "templates at rest"}
    beside = () if pdf is None else (Beside("PDFs", pdf, templates.write_pdfs(networks, meta)),)
    options = {"every": every, "pdf": pdf is not None}
    return options, {"meta": meta, "beside": beside, "told": templates.told}


def predict_labelled(run_dir, paths, verdicts=None):
    """Predict labelled files: the table that `evaluate` reads, with split "real".

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Files, or folders to search.
    verdicts : DataFrame, optional
        Labels in place of the files' own, see `common.inspect.verdicts.read_verdicts`.

    Returns
    -------
    DataFrame, DataFrame
        As `gasnet2.networks.prediction_table`, for spectra with a class or a redshift; and the
        rejects.

    Raises
    ------
    SuiteError
        If no spectrum can be used and has a label.
    """
    networks = load_networks(run_dir)
    config = networks.config

    def step(batch):
        labels, x, lost = usable(config, batch)
        if verdicts is not None:
            labels = by_eye(labels, verdicts)
        known = ((labels["class"] != "") | np.isfinite(labels["z"].astype(float))).to_numpy()
        for f, i in zip(labels["file"][~known], labels["id"][~known], strict=True):
            lost.append({"file": f, "id": i, "reason": "no class and no redshift to compare"})
        if not known.any():
            return None, lost
        x, labels = x[known], labels[known].reset_index(drop=True)
        split = np.full(len(x), "real", dtype=object)
        table = networks.table(lambda rows: x[rows], labels, split=split)
        return table.assign(dataset=of_files(labels["mock"])), lost

    stream = read_many(paths, grid=config.table_grid)
    return collected(stream, step, what="labelled spectrum")


main = partial(
    command.main,
    PAPER,
    "Classes and redshifts of spectra, as one catalogue.",
    predict=predict_files,
    options=(
        Option(
            "--all-classes",
            "redshifts by every class's network (the paper's triples)",
            more={"action": "store_true"},
        ),
        number(
            "--min-probability",
            "classes less probable than this get no redshift",
            default=MIN_PROBABILITY,
            zero=True,
        ),
        Option(
            "--pdf",
            "write the PDFs of redshift too (template network): a FITS table, a record a row",
            more={"type": Path, "metavar": "FILE"},
        ),
    ),
)

if __name__ == "__main__":
    raise SystemExit(main())
