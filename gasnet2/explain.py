"""What the networks look at: |dz/d lambda| and |dP/d lambda| (App. D, Fig. D1)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.commands import explain as command
from common.errors import SuiteError
from common.explain import saliency
from common.files import write_parquet
from common.paper import Option
from gasnet2.config import PAPER, extragalactic
from gasnet2.inputs import shown
from gasnet2.networks import load_networks

PER_CLASS = Option("--per-class", "test spectra of each class", short="-n",
                   more={"type": int, "default": 1})  # fmt: skip


def gradients(networks, x, names):
    """Return the gradients of redshift and class probability along each spectrum.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels)
        Normalised flux.
    names : sequence of str
        Class of each row, whose probability and redshift are explained.

    Returns
    -------
    dz, dp : ndarrays of shape (n, n_pixels)
        |dz/dflux| and |dP/dflux| in each pixel; dz is NaN where the class has no redshift network.
    """
    classes = networks.config.classes
    names = np.asarray(names)
    dp = np.abs(saliency(networks.classifier, x, output=[classes.index(n) for n in names]))
    dz = np.full_like(dp, np.nan)
    for name in np.unique(names):
        if name in networks.redshift:
            rows = names == name
            dz[rows] = np.abs(saliency(networks.redshift[name], x[rows]))
    return dz, dp


def _from_run(run_dir, config, per_class):
    """Choose test spectra of high S/N, a few of each extragalactic class (App. D)."""
    from common.pipeline import Shards
    from gasnet2.data import choose_split

    shards = Shards(Path(run_dir) / "data")
    labels = shards.labels
    split = choose_split(labels, config)
    rng = np.random.default_rng(config.seed)
    chosen = []
    for name in extragalactic(config.classes):
        rows = np.flatnonzero((labels["class"] == name).to_numpy() & (split == "test"))
        if not len(rows):
            rows = np.flatnonzero((labels["class"] == name).to_numpy() & (split != ""))
        snr = labels["snr"].to_numpy(dtype=float)[rows]
        rows = rows[snr >= np.nanquantile(snr, 0.75)] if np.isfinite(snr).any() else rows
        chosen += list(rng.permutation(rows)[:per_class])
    if not chosen:
        raise SuiteError(f"{run_dir}: no extragalactic spectrum to explain in this run's data.")
    return shards.rows(chosen), labels.iloc[chosen].reset_index(drop=True)


def _from_files(networks, paths):
    from common.inference import predict
    from gasnet2.predict import usable_chunks

    parts = list(usable_chunks(networks.config, paths, []))
    if not parts:
        raise SuiteError("None of the files holds a spectrum that can be used.")
    x = np.concatenate([p[1] for p in parts])
    labels = pd.concat([p[0] for p in parts], ignore_index=True)
    if networks.config.is_templates:
        return x, labels
    top = predict(networks.classifier, x).argmax(axis=1)
    known = labels["class"].isin(networks.config.classes)
    labels["class"] = np.where(known, labels["class"], np.array(networks.config.classes)[top])
    return x, labels


def explain_run(run_dir, paths=(), out=None, *, per_class=1):
    """Write gradients and Fig. D1 for spectra of a run's test split, or of files.

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like, optional
        Files or folders; test spectra of the run without them.
    out : path-like, optional
        Output folder; the run folder by default.
    per_class : int
        Test spectra of each extragalactic class.

    Returns
    -------
    DataFrame
        One row a spectrum: id, class, z, and the lists flux, dz, dp on the run's grid; also
        written to explain/gradients.parquet. Of the template network: id, class, z, best, second,
        constant, and the lists flux and added (see `gasnet2.templates.explain.Evidence`), also
        written to explain/evidence.parquet.
    """
    from common.figures import save
    from gasnet2.figures.classes import gradients as draw

    networks = load_networks(run_dir)
    config = networks.config
    x, labels = _from_files(networks, paths) if paths else _from_run(run_dir, config, per_class)
    if config.is_templates:
        return _evidence(networks, x, labels, Path(out or run_dir))
    dz, dp = gradients(networks, x, labels["class"])
    table = labels[["id", "class", "z", "snr"]].copy()
    for name, values in (("flux", x), ("dz", dz), ("dp", dp)):
        table[name] = list(values.astype("float32"))
    out = Path(out or run_dir)
    write_parquet(table, out / "explain" / "gradients.parquet")
    save(draw(table, wavelength=config.grid), out / "figures" / "D1_gradients")
    return table


def _evidence(trained, x, labels, out):
    """Write what each wavelength adds to the best solution over the second, and templates."""
    from common.figures import save
    from gasnet2.figures import templates as figures
    from gasnet2.templates.explain import evidence, templates_of
    from gasnet2.templates.inputs import grid

    found, wave = evidence(trained, x), grid()
    table = labels[["id", "class", "z", "snr"]].copy()
    table["best"], table["second"] = found.best, found.second
    table["constant"] = found.constant
    flux = shown(x, trained.config, wave)
    for name, values in (("flux", flux), ("added", found.added)):
        table[name] = list(values.astype("float32"))
    write_parquet(table, out / "explain" / "evidence.parquet")
    save(figures.evidence(found, flux, wavelength=wave), out / "figures" / "evidence")
    learned = templates_of(trained)
    save(figures.templates(learned, list(extragalactic(trained.config.classes))),
         out / "figures" / "templates")  # fmt: skip
    return table


def _explain(args):
    """Explain what the command line asks for."""
    table = explain_run(args.run_dir, args.paths, args.output, per_class=args.per_class)
    say(f"{len(table)} spectra explained -> {Path(args.output or args.run_dir) / 'figures'}")


main = partial(
    command.main,
    PAPER,
    "Gradients of redshift and class along the spectrum.",
    _explain,
    options=[PER_CLASS],
    paths="spectra to explain (default: test spectra of the run)",
)

if __name__ == "__main__":
    raise SystemExit(main())
