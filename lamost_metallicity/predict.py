"""From any number of spectrum files to one catalogue of metallicities (Sect. 5, Table 3)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from common.catalog import check_format, write_or_spare, write_table
from common.cli import parser, progress, run, say
from common.errors import MissingDataError, SuiteError, UsageError
from common.pipeline import ahead
from common.sample import rejected
from common.surveys import read_many
from lamost_metallicity import selection
from lamost_metallicity.data import label_folder, object_table, spectrum_files
from lamost_metallicity.networks import load_networks, predicted, prediction_table
from lamost_metallicity.preprocess import preprocess

OII, HA, NII = 3728.48, 6564.61, 6585.27  # Å, vacuum
MARGIN = 15.0  # Å, default: a line this close to the window's end is cut
BAD_PIXELS = 0.3  # default: a larger share of pixels without information is flagged

UNITS = {"ra": "deg", "dec": "deg", "oh": "dex", "oh_err": "dex", "log_mass": "dex(solMass)",
         "log_sfr": "dex(solMass / yr)"}  # fmt: skip
UCDS = {
    "id": "meta.id;meta.main",
    "ra": "pos.eq.ra;meta.main",
    "dec": "pos.eq.dec;meta.main",
    "snr_r": "stat.snr;em.opt.R",
    "z": "src.redshift",
    "p_sf": "stat.probability",
    "p_other": "stat.probability",
    "oh": "phys.abund",
    "oh_err": "stat.error;phys.abund",
    "log_mass": "phys.mass",
    "log_sfr": "phys.SFR",
    "warnings": "meta.code.qual",
}
DESCRIPTIONS = {
    "snr_r": "signal-to-noise ratio per pixel in the r band",
    "z": "redshift as the file gives it; the networks do not use it",
    "p_sf": "the classifier's confidence that it is a star-forming galaxy",
    "p_other": "its confidence that it is another galaxy",
    "oh": "12 + log(O/H) in the gas, by the paper's network; missing where not star-forming",
    "oh_err": "half-width of a 68 % interval about oh in dex, calibrated on held-out galaxies",
    "log_mass": "log stellar mass in the fibre (solar masses), by the multi-task network",
    "log_sfr": "log star formation rate in the fibre (solar masses a year), by the same network",
    "warnings": "semicolon-separated; empty where there is nothing to warn of",
}


def flags(networks, about, oh, star_forming):
    """Return what to warn of, dict of str to ndarray of bool, shape (n,).

    Parameters
    ----------
    networks : Networks
    about : DataFrame of n rows
        z, snr_r, bad_fraction, survey.
    oh : ndarray of shape (n,)
        Predicted metallicities.
    star_forming : ndarray of bool, shape (n,)
    """
    config = networks.config
    z = about["z"].to_numpy(dtype=float)

    def outside(rest):
        wave = rest * (1 + z)
        return (wave < config.wave_min + MARGIN) | (wave > config.wave_max - MARGIN)

    def range_of(name, value):
        low, high = networks.training_range.get(name, (-np.inf, np.inf))
        return (value < low) | (value > high)

    return {
        "NOT_STAR_FORMING": ~star_forming,
        "NO_Z": ~np.isfinite(z),
        "HA_NII_OUTSIDE": outside(HA) | outside(NII),
        "OII_OUTSIDE": outside(OII),
        "OH_RANGE": star_forming & range_of("oh", oh),
        "Z_RANGE": range_of("z", z),
        "SNR_RANGE": range_of("snr_r", about["snr_r"].to_numpy(dtype=float)),
        "BAD_PIXELS": about["bad_fraction"].to_numpy() > BAD_PIXELS,
        "OTHER_SURVEY": ~about["survey"].isin(["", "lamost"]).to_numpy(),
    }


def catalogue(networks, x, about, *, confidence, everything=False):
    """Predict prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels)
        From `preprocess`.
    about : DataFrame of n rows
        As from `object_table`.
    confidence : float
        p_sf from which a galaxy counts as star-forming (the paper: 0.85).
    everything : bool
        Give metallicity, mass and rate for the other galaxies too, flagged.

    Returns
    -------
    DataFrame of n rows
        id, file, ra, dec and the columns of `DESCRIPTIONS`.
    """
    values = predicted(networks, x, about["snr_r"])
    p = values["p_sf"].to_numpy()
    star_forming = (p >= confidence) & (p > values["p_other"].to_numpy())
    table = about[["id", "file", "ra", "dec", "snr_r", "z"]].reset_index(drop=True)
    table["p_sf"], table["p_other"] = p, values["p_other"]
    shown = star_forming | everything
    columns = {"oh": "oh_pred", "oh_err": "oh_sigma", "log_mass": "lgm_pred", "log_sfr": "sfr_pred"}
    for ours, theirs in columns.items():
        table[ours] = values[theirs].where(shown, np.nan).astype("float64")
    warn = flags(networks, about, values["oh_pred"].to_numpy(), star_forming)
    names = np.array(list(warn))
    table["warnings"] = [
        ";".join(names[row]) for row in np.stack(list(warn.values()), axis=1).astype(bool)
    ]
    return table


def usable_chunks(networks, files, rejects):
    """Yield Spectra, who they are, and the network input of those that can be used."""
    for spectra in ahead(read_many(files, rejects=rejects)):
        prepared = preprocess(spectra, networks.config)
        about = object_table(spectra, prepared)
        rejects += rejected(about, prepared)
        use = prepared.usable
        if use.any():
            yield spectra[use], about[use].reset_index(drop=True), prepared.x[use]


def files_of(paths):
    """Return the spectrum files among files and folders, each once."""
    if not paths:
        raise UsageError("No files given. Name files or folders that hold spectra.")
    return list(dict.fromkeys(f for path in paths for f in spectrum_files(path)))


def predict_files(run_dir, paths, out, *, confidence=None, everything=False):
    """Predict files and folders and write one catalogue.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained networks.
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        Catalogue: .fits, .parquet, .ecsv or .csv.
    confidence : float, optional
        As in `catalogue`; the run's own by default.
    everything : bool
        As in `catalogue`.

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
    files = files_of(paths)
    networks = load_networks(run_dir)
    confidence = networks.config.confidence if confidence is None else confidence
    if not 0 <= confidence <= 1:
        raise UsageError(f"--confidence must be within 0 and 1. Received {confidence:g}.")
    rejects, parts = [], []
    bar = progress(desc="predict", unit="spectra")
    try:
        for _, about, x in usable_chunks(networks, files, rejects):
            parts.append(
                catalogue(networks, x, about, confidence=confidence, everything=everything)
            )
            bar.update(len(x))
    except BaseException:
        partial = out.with_name(f"{out.stem}.partial{out.suffix}")
        if parts:
            _write(pd.concat(parts, ignore_index=True), partial, networks, run_dir)
            print(f"finished rows are in {partial}", file=sys.stderr)
        if rejects:
            write_table(_reject_table(rejects), partial.with_name(f"{partial.name}.rejects.ecsv"))
        raise
    finally:
        bar.close()
    lost = _reject_table(rejects)
    lost_path = out.with_name(out.name + ".rejects.ecsv")
    if len(lost):
        write_table(lost, lost_path)
    else:
        lost_path.unlink(missing_ok=True)  # of an earlier call
    if not parts:
        first = f" The first: {rejects[0]['reason']}" if rejects else ""
        raise SuiteError(
            f"None of the {len(files)} file(s) holds a spectrum that can be used; the reasons are "
            f"in {lost_path}.{first}"
        )
    table = pd.concat(parts, ignore_index=True)
    _write(table, out, networks, run_dir)
    return table, lost


def _reject_table(rejects):
    return pd.DataFrame(rejects, columns=["file", "id", "reason"]).astype(str)


def _write(table, out, networks, run_dir):
    meta = {"NETWORK": "Feng, Wang & Li 2026", "TRAINED": networks.config.dataset,
            "SCALE": networks.config.scale, "RUN": Path(run_dir).name}  # fmt: skip
    write_or_spare(table, out, units=UNITS, ucds=UCDS, descriptions=DESCRIPTIONS, meta=meta)


def predict_labelled(run_dir, paths):
    """Predict files for an evaluation: the table that `evaluate` reads, with split "real".

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Files, or folders to search. Where a folder holds MPA-JHU tables too (or in labels/), they
        give the labels.

    Returns
    -------
    DataFrame, DataFrame
        As `lamost_metallicity.networks.prediction_table`, for every spectrum that can be used,
        with its strong lines, survey and dataset; and the rejects.

    Raises
    ------
    SuiteError
        If no spectrum can be used.
    """
    from lamost_metallicity.stronglines import strong_lines

    networks, mpajhu = load_networks(run_dir), _labels(paths)
    rejects, parts = [], []
    for spectra, about, x in usable_chunks(networks, files_of(paths), rejects):
        labels = about if mpajhu is None else selection.label(about, mpajhu)
        if mpajhu is not None:
            labels["in_class"] = labels["is_sf"].notna()
            labels["in_oh"] = labels["is_sf"].eq(True) & labels["oh_true"].notna()
        labels = pd.concat([labels, strong_lines(spectra)], axis=1)
        split = np.full(len(x), "real", dtype=object)
        part = prediction_table(networks, lambda r, x=x: x[r], labels, split=split)
        part["survey"] = about["survey"].to_numpy()
        parts.append(part.assign(dataset=np.where(about["mock"], "mock files", "real files")))
    if not parts:
        reasons = {r["reason"] for r in rejects}
        raise SuiteError(f"No spectrum to evaluate on: {'; '.join(sorted(reasons)[:3])}.")
    return pd.concat(parts, ignore_index=True), _reject_table(rejects)


def _labels(paths):
    """Return the MPA-JHU table of the first folder that has one, else None."""
    from common.surveys.mpajhu import read_mpajhu

    for path in paths:
        if Path(path).is_dir():
            try:
                return read_mpajhu(label_folder(path))
            except MissingDataError:
                continue
    return None


def _arguments():
    p = parser(
        "python -m lamost_metallicity.predict",
        "Star-forming galaxies among spectra and their gas-phase metallicities, as one catalogue.",
    )
    p.add_argument("--run-dir", type=Path, required=True,
                   help="run folder of lamost_metallicity.train")  # fmt: skip
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                   help="catalogue: .fits, .parquet, .ecsv or .csv")  # fmt: skip
    p.add_argument("--confidence", type=float, help="p_sf from which a galaxy counts as "
                   "star-forming (default: the run's, 0.85)")  # fmt: skip
    p.add_argument("--all", action="store_true", help="metallicities of the other galaxies too")
    p.add_argument("--precision", default="auto", help="as in lamost_metallicity.train")
    p.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER", help="what to predict")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    check_format(args.output)
    choose(args.precision)
    table, rejects = predict_files(
        args.run_dir, args.paths, args.output, confidence=args.confidence, everything=args.all
    )
    n = int((~table["warnings"].str.contains("NOT_STAR_FORMING")).sum())
    say(f"{len(table)} spectra, {n} of them star-forming galaxies -> {args.output}")
    if len(rejects):
        say(f"{len(rejects)} could not be used -> {args.output}.rejects.ecsv")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept="Finished rows are kept, see above.")


if __name__ == "__main__":
    sys.exit(main())
