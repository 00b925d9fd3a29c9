"""From any number of spectrum files to one catalogue of classes and redshifts (Eq. 1)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from common.catalog import check_format, write_or_spare, write_table
from common.cli import parser, progress, run, say
from common.errors import SuiteError
from common.pipeline import ahead
from common.sample import rejected
from common.surveys import find_files, read_many
from gasnet2.config import COARSE
from gasnet2.data import label_table
from gasnet2.networks import MIN_PROBABILITY, load_networks, prediction_table, routed
from gasnet2.preprocess import preprocess

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
    names = np.array(list(flags))
    table["warnings"] = [
        ";".join(names[row]) for row in np.stack(list(flags.values()), axis=1).astype(bool)
    ]
    return table


def usable_chunks(config, paths, rejects):
    """Yield labels (with bad_fraction) and network input of the spectra that can be used."""
    for spectra in ahead(read_many(paths, rejects=rejects, grid=config.table_grid)):
        labels = label_table(spectra, config.survey)
        prepared = preprocess(spectra, config)
        labels["bad_fraction"] = prepared.bad_fraction
        ok = prepared.usable
        rejects += rejected(labels, prepared)
        if ok.any():
            yield labels[ok].reset_index(drop=True), prepared.x[ok]


def predict_files(run_dir, paths, out, *, all_classes=False, min_probability=MIN_PROBABILITY):
    """Predict files and folders and write one catalogue.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained networks.
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        Catalogue: .fits, .parquet, .ecsv or .csv.
    all_classes : bool
        Redshifts by every class's network (Eq. 1).
    min_probability : float
        See `gasnet2.networks.routed`.

    Returns
    -------
    DataFrame, DataFrame
        The catalogue, and the rejects with their reasons.

    Notes
    -----
    Spectra that cannot be used go to OUT.rejects.ecsv. If the work is interrupted, what is
    finished is written to a file beside `out` with ``.partial`` in its name.
    """
    out = Path(out)
    check_format(out)
    files = find_files(paths)
    networks = load_networks(run_dir)
    rejects, parts = [], []
    bar = progress(desc="predict", unit="spectra")
    try:
        for labels, x in usable_chunks(networks.config, files, rejects):
            parts.append(
                catalogue(
                    networks, x, labels, min_probability=min_probability, all_classes=all_classes
                )
            )
            bar.update(len(x))
    except BaseException:
        if parts:
            partial = out.with_name(f"{out.stem}.partial{out.suffix}")
            _write(pd.concat(parts, ignore_index=True), partial, networks, run_dir)
            print(f"finished rows are in {partial}", file=sys.stderr)
        if rejects:
            lost = pd.DataFrame(rejects).astype(str)
            write_table(lost, out.with_name(f"{out.stem}.partial{out.suffix}.rejects.ecsv"))
        raise
    finally:
        bar.close()
    reject_table = pd.DataFrame(rejects, columns=["file", "id", "reason"]).astype(str)
    reject_path = out.with_name(out.name + ".rejects.ecsv")
    table = pd.concat(parts, ignore_index=True) if parts else None
    if parts:
        _write(table, out, networks, run_dir)
    if len(reject_table):
        write_table(reject_table, reject_path)
    else:
        reject_path.unlink(missing_ok=True)  # of an earlier call
    if not parts:
        first = f" The first: {rejects[0]['reason']}" if rejects else ""
        raise SuiteError(
            f"None of the {len(files)} file(s) holds a spectrum that can be used; the reasons are "
            f"in {reject_path}.{first}"
        )
    return table, reject_table


def _write(table, out, networks, run_dir):
    meta = {"NETWORK": "GaSNet-II", "TRAINED": networks.config.dataset,
            "SCALE": networks.config.scale, "RUN": Path(run_dir).name}  # fmt: skip
    write_or_spare(table, out, units=UNITS, ucds=UCDS, descriptions=DESCRIPTIONS, meta=meta)


def predict_labelled(run_dir, paths):
    """Predict labelled files: the table that `evaluate` reads, with split "real".

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Files, or folders to search.

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
    rejects, parts = [], []
    for labels, x in usable_chunks(networks.config, find_files(paths), rejects):
        known = ((labels["class"] != "") | np.isfinite(labels["z"].astype(float))).to_numpy()
        for f, i in zip(labels["file"][~known], labels["id"][~known], strict=True):
            rejects.append({"file": f, "id": i, "reason": "no class and no redshift to compare"})
        if known.any():
            x, labels = x[known], labels[known].reset_index(drop=True)
            split = np.full(len(x), "real", dtype=object)
            part = prediction_table(networks, lambda r, x=x: x[r], labels, split=split)
            parts.append(part.assign(dataset=np.where(labels["mock"], "mock files", "real files")))
    if not parts:
        reasons = {r["reason"] for r in rejects}
        raise SuiteError(f"No labelled spectrum to evaluate on: {'; '.join(sorted(reasons)[:3])}.")
    return pd.concat(parts, ignore_index=True), pd.DataFrame(rejects)


def _arguments():
    p = parser("python -m gasnet2.predict", "Classes and redshifts of spectra, as one catalogue.")
    p.add_argument("--run-dir", type=Path, required=True, help="run folder of gasnet2.train")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                   help="catalogue: .fits, .parquet, .ecsv or .csv")  # fmt: skip
    p.add_argument("--all-classes", action="store_true",
                   help="redshifts by every class's network (the paper's triples)")  # fmt: skip
    p.add_argument("--min-probability", type=float, default=MIN_PROBABILITY,
                   help="classes less probable than this get no redshift")  # fmt: skip
    p.add_argument("--precision", default="auto", help="as in gasnet2.train")
    p.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER", help="what to predict")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    check_format(args.output)
    choose(args.precision)
    table, rejects = predict_files(
        args.run_dir,
        args.paths,
        args.output,
        all_classes=args.all_classes,
        min_probability=args.min_probability,
    )
    say(f"{len(table)} spectra -> {args.output}")
    if len(rejects):
        say(f"{len(rejects)} could not be used -> {args.output}.rejects.ecsv")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept="Finished rows are kept, see above.")


if __name__ == "__main__":
    sys.exit(main())
