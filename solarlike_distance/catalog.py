"""From any number of LAMOST spectra to one catalogue of stars and distances (Table D.1)."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from common.catalog import check_format
from common.cli import parser, progress, run, say
from common.errors import SuiteError, UsageError
from common.pipeline import ahead
from common.sample import rejected
from common.surveys import read_many
from solarlike_distance.catalogue import columns
from solarlike_distance.catalogue.parts import Parts, assemble, fingerprint, jobs_of
from solarlike_distance.data import object_table, spectrum_files
from solarlike_distance.labels.photometry import read_photometry
from solarlike_distance.labels.starlabels import StarCatalogue
from solarlike_distance.networks import load_networks, predicted, with_distances
from solarlike_distance.preprocess import preprocess

KEPT = "Finished parts are kept in OUT.parts; go on with the same command."
CHUNK = 512  # spectra of a part


def star_table(networks, x, about, *, photometry=None, stars=None):
    """Predict prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels)
        From `preprocess`.
    about : DataFrame of n rows
        From `object_table`.
    photometry : Photometry, optional
        Without it there are no distances.
    stars : StarCatalogue, optional
        LASP's parameters and Gaia's ids.

    Returns
    -------
    DataFrame of n rows
        `about`, lasp_*, source_id, Gaia's columns, L_pred, L_sigma of every label L, and
        `solarlike_distance.distance.columns`.
    """
    table = about.reset_index(drop=True)
    if stars is not None:
        table = stars.fill(table)
    options = {}
    if photometry is not None:
        own = photometry.columns(photometry.find(table))
        if "source_id" in table:
            own["source_id"] = own["source_id"].fillna(table.pop("source_id"))
        table = pd.concat([table, own], axis=1)
        if photometry.extinction:
            options = {"ag": table["ag_given"], "ag_error": table["ag_given_error"]}
    table = pd.concat([table, predicted(networks, x, table["snr_g"])], axis=1)
    return with_distances(networks, table, **options)


def usable_batches(networks, files, rejects, *, skip=lambda batch: False):
    """Yield (batch number, Spectra, who they are, their network input), rejects left out.

    Parameters
    ----------
    networks : Networks
    files : sequence of path-like
    rejects : list
        Filled with what the reader rejects.
    skip : callable
        Batch number -> whether it is not wanted.

    Yields
    ------
    int, Spectra, DataFrame, ndarray of shape (n, n_pixels), list of dict
        The last: what pre-processing rejects of this batch.
    """
    stream = read_many(files, rejects=rejects, chunk=CHUNK, duplicates="keep", progress=False)
    for batch, spectra in enumerate(ahead(stream)):
        if skip(batch):
            continue
        prepared = preprocess(spectra, networks.config)
        about = object_table(spectra, prepared)
        use = prepared.usable
        lost = rejected(about, prepared)
        yield batch, spectra[use], about[use].reset_index(drop=True), prepared.x[use], lost


def part_of(networks, spectra, about, x, *, photometry=None, stars=None):
    """Return the rows of a catalogue's part, with the hashes that tell repeated spectra."""
    table = star_table(networks, x, about, photometry=photometry, stars=stars)
    table["name"] = columns.observation_name(table)
    extinction = photometry is not None and photometry.extinction is not None
    table["warnings"] = columns.joined(columns.flags(table, networks, extinction=extinction))
    part = columns.catalogue(table)
    # Only an obsid or a key names an observation; without them the file does.
    named = table["id"].astype(str).str.isdecimal() | (table["key"].astype(str) != "")
    name = part["name"].where(named, table["file"].astype(str) + "|" + part["name"])
    part["_name"] = [_number(str(v).encode()) for v in name]
    part["_content"] = [_content(spectra, row) for row in range(len(spectra))]
    return part.astype({"_name": "int64", "_content": "int64"})


def _number(text):
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


def _content(spectra, row):
    """Return a hash of a spectrum's values, int of 64 bits."""
    values = [np.asarray(spectra.wavelength_of(row)), np.asarray(spectra.flux[row])]
    values += [np.asarray(v[row]) for v in (spectra.ivar, spectra.mask) if v is not None]
    return _number(b"".join(v.tobytes() for v in values))


def _files(paths):
    """Return the spectrum files among files and folders, each once."""
    if not paths:
        raise UsageError("No files given. Name files or folders that hold spectra.")
    return list(dict.fromkeys(f for path in paths for f in spectrum_files(path)))


def _stamp(path):
    """Return what tells a file from another, None without one."""
    if path is None:
        return None
    about = Path(path).stat()
    return [str(Path(path).resolve()), about.st_size, about.st_mtime_ns]


def make_catalogue(run_dir, paths, out, *, photometry=None, lasp=None, distances=None,
                   extinction=None, precision="float32"):  # fmt: skip
    """Predict files and folders and write one catalogue.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained networks.
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        Catalogue: .fits, .vot, .xml, .parquet, .ecsv or .csv.
    photometry : path-like, optional
        Table of Gaia's columns, see `read_photometry`; without it there are no distances.
    lasp : path-like, optional
        LAMOST's catalogue of stellar parameters.
    distances : path-like, optional
        Bailer-Jones et al.'s distances, joined to the photometry by source_id.
    extinction : str, optional
        Column of the photometry with A_G.
    precision : str
        What the networks compute in, which is chosen already.

    Returns
    -------
    rows, lost : int
        Spectra in the catalogue, and in OUT.rejects.ecsv.

    Raises
    ------
    UsageError
        If an option cannot be used, or OUT.parts holds parts of another catalogue.
    ReadError
        If the run is not finished or a table cannot be read.
    SuiteError
        If no spectrum can be used.

    Notes
    -----
    Memory holds one batch of spectra, the tables, the list of files and 16 bytes a spectrum.
    Finished batches are Parquet files in OUT.parts until the catalogue stands; the same command
    goes on after an interruption.
    """
    out = Path(out)
    check_format(out)
    if photometry is None and (extinction or distances):
        option = "--extinction" if extinction else "--distances"
        raise UsageError(f"{option} needs --photometry, the table that it belongs to.")
    files = _files(paths)
    networks = load_networks(run_dir)
    options = {
        "run": _stamp(Path(run_dir) / "config.json"), "photometry": _stamp(photometry),
        "lasp": _stamp(lasp), "distances": _stamp(distances), "extinction": extinction,
        "precision": precision, "chunk": CHUNK,
    }  # fmt: skip
    tables = {}
    if photometry is not None:
        tables["photometry"] = read_photometry(
            photometry, config=networks.config, extinction=extinction, distances=distances
        )
    if lasp is not None:
        tables["stars"] = StarCatalogue(lasp)
    parts = Parts(out, fingerprint(files, options))
    bar = progress(desc="catalogue", unit="spectra")
    for job, own in enumerate(jobs_of(files)):
        if not parts.finished(job):
            _work_on(job, own, networks, parts, tables, bar)
    bar.close()
    kinds, told = _tally(parts)
    meta = {"NETWORK": "Shen & Luo 2024", "TRAINED": networks.config.dataset,
            "SCALE": networks.config.scale, "RUN": Path(run_dir).name, "SPECTRA": kinds,
            "AG": extinction or "from bp_rp and cnn_bprp, as in the released code"}  # fmt: skip
    rows, lost = assemble(parts, out, options=columns.notes() | {"meta": meta})
    if not rows:
        first = next(parts.rejects(), {"reason": "none was found"})["reason"]
        parts.remove()
        raise SuiteError(
            f"None of the {len(files)} file(s) holds a spectrum that can be used; the reasons are "
            f"in {out}.rejects.ecsv. The first: {first}"
        )
    parts.remove()
    say(told)
    return rows, lost


def _work_on(job, files, networks, parts, tables, bar):
    """Make the parts of some files that are not there yet."""
    rejects = []
    batches = usable_batches(networks, files, rejects, skip=lambda k: parts.has(job, k))
    for batch, spectra, about, x, lost in batches:
        parts.write(job, batch, part_of(networks, spectra, about, x, **tables), lost)
        bar.update(len(x))
    parts.finish(job, rejects)


def _tally(parts):
    """Return what the spectra are ("observed", "mock", "observed and mock"), and a line of counts.

    The line says how many have a distance and what is warned of, before repeats are looked for.
    """
    kinds, warned, distances = set(), Counter(), 0
    for table in parts.tables(["mock", "cnn_distance", "warnings"]):
        kinds |= {"mock" if v else "observed" for v in table["mock"].unique()}
        distances += int(table["cnn_distance"].notna().sum())
        for text in table["warnings"]:
            warned.update(filter(None, text.split(";")))
    told = ", ".join(f"{name} {n}" for name, n in warned.most_common())
    return " and ".join(sorted(kinds)[::-1]), f"{distances} distances; warnings: {told or 'none'}"


def predict_labelled(run_dir, paths):
    """Predict files for an evaluation: the table that `evaluate` reads, with split "real".

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Files, or folders to search. Tables in a folder (or in labels/ there) give labels: a star
        catalogue (LASP's, or index.csv), APOGEE's allStar in its place where it has the star, and
        Gaia's columns with geometric distances.

    Returns
    -------
    DataFrame, DataFrame
        As predictions.parquet of a run (docs/run-folder.md), for every spectrum that can be used;
        and the rejects.

    Raises
    ------
    SuiteError
        If no spectrum can be used.
    """
    from solarlike_distance.labelled import Labels

    networks = load_networks(run_dir)
    labels = Labels(paths, networks.config)
    rejects, tables = [], []
    for _, _, about, x, lost in usable_batches(networks, _files(paths), rejects):
        rejects += lost
        if len(x):
            table = star_table(networks, x, about, **labels.tables)
            tables.append(labels.label(table))
    lost = pd.DataFrame(rejects, columns=["file", "id", "reason"]).astype(str)
    if not tables:
        reasons = sorted(set(lost["reason"]))[:3]
        raise SuiteError(f"No spectrum to evaluate on: {'; '.join(reasons)}.")
    return pd.concat(tables, ignore_index=True), lost


def _arguments():
    p = parser(
        "python -m solarlike_distance.catalog",
        "Labels, absolute magnitudes and distances of stars from LAMOST spectra, as one catalogue.",
    )
    p.add_argument("--run-dir", type=Path, required=True,
                   help="run folder of solarlike_distance.train")  # fmt: skip
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                   help="catalogue: .fits, .vot, .parquet, .ecsv or .csv")  # fmt: skip
    p.add_argument("--photometry", type=Path, metavar="TABLE", help="columns of Gaia's gaia_source "
                   "(csv, ecsv, FITS, VOTable), joined by obsid, else source_id, else position "
                   "within 3 arcsec; without it there are no distances")  # fmt: skip
    p.add_argument("--distances", type=Path, metavar="TABLE", help="distances of Bailer-Jones et "
                   "al. (2021), joined to the photometry by source_id")  # fmt: skip
    p.add_argument("--extinction", metavar="COLUMN", help="column of the photometry with A_G, such "
                   "as ag_gspphot (default: from observed and predicted colour, as in the released "
                   "code)")  # fmt: skip
    p.add_argument("--lasp", type=Path, metavar="TABLE", help="LAMOST's catalogue of stellar "
                   "parameters, joined by obsid, else by night, plan and fibre")  # fmt: skip
    p.add_argument("--precision", default="auto", help="as in solarlike_distance.train")
    p.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER", help="what to predict")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    check_format(args.output)
    precision = choose(args.precision).precision
    rows, lost = make_catalogue(
        args.run_dir, args.paths, args.output, photometry=args.photometry, lasp=args.lasp,
        distances=args.distances, extinction=args.extinction, precision=precision,
    )  # fmt: skip
    say(f"{rows} spectra -> {args.output}")
    if lost:
        say(f"{lost} could not be used -> {args.output}.rejects.ecsv")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=KEPT)


if __name__ == "__main__":
    sys.exit(main())
