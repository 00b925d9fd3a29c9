"""Rows of a catalogue of the template network, and the file of its PDFs."""

from __future__ import annotations

import numpy as np

from common.catalog import joined
from common.catalogue.pdf_file import PdfWriter
from gasnet2.config import COARSE, SDSS_CLASSES
from gasnet2.templates.inputs import CHANNELS, N_PIXELS, STEP
from gasnet2.templates.solutions import coarse_probability, pdf, solve

FLAGS = {  # name: bit of zwarn
    "LITTLE_COVERAGE": 1, "LOW_PROBABILITY": 2, "SECOND_SOLUTION": 4, "Z_AT_EDGE": 8,
    "NO_OBJECT": 16, "LOW_SNR": 32, "BAD_PIXELS": 64, "AMBIGUOUS_CLASS": 128,
}  # fmt: skip
COVERAGE = 0.6  # default: less of the grid with information is flagged
PROBABLE = 0.9  # default: solutions less probable than this are flagged
SECOND = 0.05  # default: second solutions more probable than this are flagged
LOW_SNR = 2.0  # default: as of the paper's network
BAD_PIXELS = 0.3  # default: as of the paper's network
AMBIGUOUS = 0.5  # default: as of the paper's network

UCDS = {
    "coarse": "src.class",
    "z_err": "stat.error;src.redshift",
    "p_z": "stat.probability",
    "z_second": "src.redshift",
    "zwarn": "meta.code.qual",
}
DESCRIPTIONS = {
    "class": "most probable class of the best solution",
    "class_probability": "probability of that class, whatever the redshift",
    "class_13": "most probable of the 13 classes of Table 1 of the paper",
    "coarse": "STAR, GALAXY, QSO or NONE (no object, a failed fibre)",
    "z": "redshift of the best solution",
    "z_err": "half-width that holds the true redshift in 68 % of right solutions",
    "p_z": "probability that class (coarse) and redshift are right, calibrated on held-out mocks",
    "z_second": "redshift of the second solution",
    "coarse_second": "coarse class of the second solution",
    "p_second": "probability of the second solution",
    "zwarn": "0, or the sum of " + ", ".join(f"{bit} {name}" for name, bit in FLAGS.items()),
    "warnings": "semicolon-separated names of the bits of zwarn",
}


def catalogue(trained, x, about, *, every=False, pdfs=False):
    """Predict prepared spectra.

    Parameters
    ----------
    trained : gasnet2.templates.networks.TemplateNetwork
    x : ndarray of shape (n, n_input)
    about : DataFrame of n rows
        id, file, ra, dec, snr, bad_fraction.
    every : bool
        The best redshift of every class too.
    pdfs : bool
        A hidden column _pdf with the probability of each redshift.

    Returns
    -------
    DataFrame of n rows
        See `DESCRIPTIONS`; p_CLASS for each class; with `every` z_CLASS.
    """
    p = trained.probabilities(x)
    classes = np.array(trained.config.classes)
    found = trained.calibrate(solve(p, classes, each=every))
    i = np.arange(len(x))
    table = about[["id", "file", "ra", "dec", "snr"]].reset_index(drop=True)
    table["class"], table["class_probability"] = classes[found.best], found.p_class[i, found.best]
    thirteen = [k for k, name in enumerate(classes) if name in SDSS_CLASSES]
    if thirteen and len(thirteen) < len(classes):
        table["class_13"] = classes[thirteen][found.p_class[:, thirteen].argmax(axis=1)]
    table["coarse"] = found.coarse.astype(str)
    nothing = found.coarse == "NONE"
    table["z"] = np.where(nothing, np.nan, found.z)
    table["z_err"], table["p_z"] = np.where(nothing, np.nan, found.z_err), found.p
    table["z_second"] = np.where(found.coarse_second == "NONE", np.nan, found.z_second)
    table["coarse_second"], table["p_second"] = found.coarse_second.astype(str), found.p_second
    for kind, value in coarse_probability(found.p_class, classes).items():
        table[f"p_{kind}"] = value
    for k, name in enumerate(classes):
        if COARSE[name] != name:
            table[f"p_{name}"] = found.p_class[:, k]
        if every:
            table[f"z_{name}"] = found.z_class[:, k]
    known = x.reshape(len(x), CHANNELS, N_PIXELS)[:, 2] > 0
    flags = {
        "LITTLE_COVERAGE": known.mean(axis=1) < COVERAGE,
        "LOW_PROBABILITY": found.p < PROBABLE,
        "SECOND_SOLUTION": found.p_second > SECOND,
        "Z_AT_EDGE": found.edge,
        "NO_OBJECT": nothing,
        "LOW_SNR": about["snr"].to_numpy(dtype=float) < LOW_SNR,
        "BAD_PIXELS": about["bad_fraction"].to_numpy() > BAD_PIXELS,
        "AMBIGUOUS_CLASS": table["class_probability"].to_numpy() < AMBIGUOUS,
    }
    raised = np.stack([np.asarray(flags[name], dtype=bool) for name in FLAGS], axis=1)
    table["zwarn"] = raised @ np.array(list(FLAGS.values()))
    table["warnings"] = joined({name: flags[name] for name in FLAGS})
    if pdfs:
        table["_pdf"] = list(pdf(p, classes)[1].astype("float32"))
    return table


def write_pdfs(trained, meta):
    """Return what writes the PDFs of a catalogue's parts: see `common.catalogue.recipe.Beside`."""

    def write(parts, path):
        z = pdf(np.zeros((0, trained.model.output_shape[-1])), trained.config.classes)[0]
        half = STEP * np.log(10) / 2
        edges = np.append((1 + z) * np.exp(-half), (1 + z[-1]) * np.exp(half)) - 1
        writer = PdfWriter(path, edges, meta)
        try:
            for table in parts.tables(["id", "_pdf"]):
                writer.append(table["id"], np.stack(table["_pdf"]))
        finally:
            writer.close()

    return write


def told(parts):
    """Return how many rows have no flag, in words."""
    n = sum(int((table["zwarn"] == 0).sum()) for table in parts.tables(["zwarn"]))
    return f", {n} without a flag"
