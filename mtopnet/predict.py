"""From any number of MOONS spectra to one catalogue: redshift and its PDF, mass, rate, lines."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd

from common.catalog import check_format, write_or_spare, write_table
from common.cli import parser, progress, run, say
from common.errors import MissingDataError, SuiteError, UsageError
from common.files import atomic_path
from common.pipeline import ahead
from common.sample import rejected
from common.surveys import read_many
from mtopnet.catalogue.columns import DESCRIPTIONS, UCDS, UNITS, catalogue, object_table
from mtopnet.catalogue.pdf_file import PdfWriter, check_name
from mtopnet.tables import redshifts as tables


def usable_chunks(networks, files, rejects, *, magnitudes=None):
    """Yield who they are and the network input of the spectra that can be used.

    Parameters
    ----------
    networks : Networks
    files : sequence of Path
    rejects : list
        Gets file, id and reason of those that cannot.
    magnitudes : DataFrame, optional
        id -> mag_BAND, for networks that take photometry.
    """
    from mtopnet.preprocess import preprocess

    for spectra in ahead(read_many(files, rejects=rejects)):
        if magnitudes is not None:
            for name in magnitudes:
                known = magnitudes[name].reindex(spectra.ids).to_numpy(float)
                spectra.meta[name] = known
        prepared = preprocess(spectra, networks.config)
        about = object_table(spectra, prepared)
        rejects += rejected(about, prepared)
        use = prepared.usable
        if use.any():
            yield about[use].reset_index(drop=True), prepared.inputs[use]


def _files(paths):
    """Return the spectrum files among files and folders, each once; tables of labels are left."""
    from mtopnet.data import spectrum_files

    if not paths:
        raise UsageError("No files given. Name files or folders that hold spectra.")
    return list(dict.fromkeys(f for path in paths for f in spectrum_files(path)))


def _magnitudes(paths, config):
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


def predict_files(run_dir, paths, out, *, pdf=None, cut=tables.ENTROPY_CUT, passes=0):
    """Predict files and folders and write one catalogue.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained network.
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        Catalogue: .fits, .vot, .xml, .parquet, .ecsv or .csv.
    pdf : path-like, optional
        File of PDFs to write too (see `mtopnet.catalogue.pdf_file`): .fits.
    cut, passes
        As in `catalogue`.

    Returns
    -------
    DataFrame, DataFrame
        The catalogue, and the rejects with their reasons.

    Notes
    -----
    Spectra that cannot be used go to OUT.rejects.ecsv. If the work is interrupted, what is
    finished is written to a file beside `out` (and `pdf`) with ``.partial`` in its name.
    """
    from mtopnet.networks import load_networks

    out = Path(out)
    check_format(out)
    pdf = None if pdf is None else check_name(pdf)
    if pdf is not None and pdf.resolve() == out.resolve():
        raise UsageError(f"--pdf and -o name the same file, {out}. Choose two names.")
    if not cut > 0 or passes < 0:
        raise UsageError(
            f"--entropy-cut must be above 0, --passes not below 0. Received {cut:g}, {passes}."
        )
    files = _files(paths)
    networks = load_networks(run_dir)
    meta, magnitudes = _meta(networks, run_dir), _magnitudes(paths, networks.config)
    rejects, parts = [], []
    bar = progress(desc="predict", unit="spectra")
    with nullcontext() if pdf is None else atomic_path(pdf) as temporary:
        more = _scalar_edges(networks)
        writer = None if pdf is None else PdfWriter(temporary, networks.edges, meta, more)
        try:
            for about, x in usable_chunks(networks, files, rejects, magnitudes=magnitudes):
                table, probabilities = catalogue(networks, x, about, cut=cut, passes=passes)
                if writer is not None:
                    writer.append(table["id"], probabilities, **_scalar_pdfs(networks, x))
                parts.append(table)
                bar.update(len(x))
        except BaseException:
            _keep_partial(parts, rejects, out, meta, writer, pdf, temporary)
            raise
        finally:
            bar.close()
        if not parts:
            if writer is not None:
                writer.close()
            _raise_empty(rejects, out, files)
        if writer is not None:
            writer.close()
    lost = _reject_table(rejects)
    lost_path = out.with_name(out.name + ".rejects.ecsv")
    if len(lost):
        write_table(lost, lost_path)
    else:
        lost_path.unlink(missing_ok=True)  # of an earlier call
    table = pd.concat(parts, ignore_index=True)
    _write(table, out, meta)
    return table, lost


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


def _raise_empty(rejects, out, files):
    path = out.with_name(out.name + ".rejects.ecsv")
    if rejects:
        write_table(_reject_table(rejects), path)
    first = f" The first: {rejects[0]['reason']}" if rejects else ""
    raise SuiteError(
        f"None of the {len(files)} file(s) holds a spectrum that can be used; the reasons are "
        f"in {path}.{first}"
    )


def _keep_partial(parts, rejects, out, meta, writer, pdf, temporary):
    """Write what is finished of an interrupted call beside the files that it was to make."""
    partial = out.with_name(f"{out.stem}.partial{out.suffix}")
    if parts:
        _write(pd.concat(parts, ignore_index=True), partial, meta)
        print(f"finished rows are in {partial}", file=sys.stderr)
    if rejects:
        write_table(_reject_table(rejects), partial.with_name(f"{partial.name}.rejects.ecsv"))
    if writer is not None:
        writer.close(rows=sum(len(p) for p in parts))
        if parts:
            kept = pdf.with_name(f"{pdf.stem}.partial{pdf.suffix}")
            os.replace(temporary, kept)
            print(f"their PDFs are in {kept}", file=sys.stderr)


def _reject_table(rejects):
    return pd.DataFrame(rejects, columns=["file", "id", "reason"]).astype(str)


def _meta(networks, run_dir):
    return {"NETWORK": "M-TOPnet, Ginolfi et al. 2025", "TRAINED": networks.config.dataset,
            "SCALE": networks.config.scale, "RUN": Path(run_dir).name}  # fmt: skip


def _write(table, out, meta):
    write_or_spare(table, out, units=UNITS, ucds=UCDS, descriptions=DESCRIPTIONS, meta=meta)


def predict_labelled(run_dir, paths):
    """Predict files with labels for an evaluation: the table that `evaluate` reads.

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Folders of spectra with labels.fits (see `common.surveys.moons.read_labels`) beside.

    Returns
    -------
    DataFrame, ndarray of shape (n, n_bins), DataFrame
        Predictions with the labels, split "real"; their PDFs; the rejects.

    Raises
    ------
    SuiteError
        If no spectrum that can be used has a label.
    """
    from mtopnet.data import label_table
    from mtopnet.networks import load_networks, predicted

    networks, rejects, parts, pdf = load_networks(run_dir), [], [], []
    labels = pd.concat([label_table(path) for path in paths], ignore_index=True)
    labels = labels.drop_duplicates("id").set_index("id")
    magnitudes = _magnitudes(paths, networks.config)
    for about, x in usable_chunks(networks, _files(paths), rejects, magnitudes=magnitudes):
        known = about["id"].isin(labels.index).to_numpy()
        for row in about[~known].itertuples():
            rejects.append({"file": row.file, "id": row.id, "reason": "no label of this id"})
        if not known.any():
            continue
        values, probabilities = predicted(networks, x[known])
        own = labels.loc[about.loc[known, "id"]].reset_index()
        values = values.drop(columns=[c for c in own if c in values])
        parts.append(pd.concat([own, values.reset_index(drop=True)], axis=1))
        pdf.append(probabilities)
    if not parts:
        reasons = {r["reason"] for r in rejects}
        raise SuiteError(f"No spectrum to evaluate on: {'; '.join(sorted(reasons)[:3])}.")
    table = pd.concat(parts, ignore_index=True).assign(split="real", dataset="files")
    return table, np.concatenate(pdf), _reject_table(rejects)


def _arguments():
    p = parser(
        "python -m mtopnet.predict",
        "Redshifts with their PDFs, stellar masses and star formation rates, as one catalogue.",
    )
    p.add_argument("--run-dir", type=Path, required=True, help="run folder of mtopnet.train")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                   help="catalogue: .fits, .vot, .parquet, .ecsv or .csv")  # fmt: skip
    p.add_argument("--pdf", type=Path, metavar="FILE",
                   help="write the redshift PDFs too: a FITS table, a record a row")  # fmt: skip
    p.add_argument("--entropy-cut", type=float, default=tables.ENTROPY_CUT,
                   help="entropy in nats below which quality is 1 (the paper: 2)")  # fmt: skip
    p.add_argument("--passes", type=int, default=0, metavar="N",
                   help="average the PDFs of N passes of MC dropout (the paper: 50)")  # fmt: skip
    p.add_argument("--precision", default="auto", help="as in mtopnet.train")
    p.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER", help="what to predict")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    check_format(args.output)
    choose(args.precision)
    table, rejects = predict_files(
        args.run_dir, args.paths, args.output, pdf=args.pdf, cut=args.entropy_cut,
        passes=args.passes,
    )  # fmt: skip
    n = int(table["quality"].sum())
    say(f"{len(table)} spectra, {n} with entropy below {args.entropy_cut:g} -> {args.output}")
    if args.pdf is not None:
        say(f"PDFs -> {args.pdf}")
    if len(rejects):
        say(f"{len(rejects)} could not be used -> {args.output}.rejects.ecsv")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept="Finished rows are kept, see above.")


if __name__ == "__main__":
    sys.exit(main())
