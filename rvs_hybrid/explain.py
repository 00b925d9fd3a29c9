"""What the network looks at: gradients of the labels along RVS, XP and XP coefficients.

The proceedings ask for it (Sect. 2): derivatives of a label by wavelength show whether the network
learns from the label's own lines.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.commands import explain as command
from common.errors import SuiteError
from common.explain import input_gradients
from common.paper import Option
from rvs_hybrid.config import PAPER, UNITS
from rvs_hybrid.inputs import split_row
from rvs_hybrid.lines import GRIDS, line_spread, line_weights
from rvs_hybrid.networks import group, load_networks, physical

PER = {
    "rvs": "unit of normalised flux in a pixel of 0.01 nm",
    "rvs_line": "unit of normalised flux times 0.01 nm in an unresolved line",
    "xp": "unit of flux over its median in a sample of 2 nm",
    "xp_line": "unit of flux over its median times 2 nm in an unresolved line",
    "xp_coefficients": "unit of c_i / c_0 of the band",
}
PER_CLASS = Option("--per-class", "stars of each group, at most: giants and dwarfs", short="-n",
                   more={"type": int, "default": 200})  # fmt: skip


def gradients(networks, inputs, *, names):
    """Return how an ensemble's labels change with its inputs.

    Parameters
    ----------
    networks : Networks
    inputs : dict of str to ndarray
        As `rvs_hybrid.inputs.inputs_of` gives them, n rows.
    names : sequence of str
        The inputs to look along; without gaps in these rows.

    Returns
    -------
    dict of str to ndarray of shape (n, n_labels, columns)
        d label / d input of the mean over members, K and dex per unit of the input.
    """
    labels = range(len(networks.config.labels))
    total = {}
    for model in networks.members:
        for name, part in input_gradients(model, inputs, names=names, outputs=labels).items():
            total[name] = total.get(name, 0) + part / len(networks.members)
    return {name: values * networks.scale[:, None] for name, values in total.items()}


def coefficient_gradients(gradient, xp, *, matrix, first):
    """Return gradients by XP coefficients from those by sampled flux (chain rule).

    Parameters
    ----------
    gradient : ndarray of shape (n, n_labels, 343)
        By flux over its median.
    xp : ndarray of shape (n, 343)
        Flux over its median.
    matrix : ndarray of shape (110, 343)
        Flux of each coefficient of value 1, `common.surveys.gaia_xp.design_matrix()`.
    first : ndarray of shape (n, 2)
        c_0 of BP and of RP of that flux.

    Returns
    -------
    ndarray of shape (n, n_labels, 110)
        By c_i / c_0 of the band, BP's 55 before RP's; what a change does through the median that
        the flux is divided by is in it.
    """
    xp = np.asarray(xp, dtype=float)
    direct = np.array(gradient, dtype=float)
    middle = np.argsort(xp, axis=1, kind="stable")[:, xp.shape[1] // 2]  # the pixel of the median
    through = np.einsum("nlp,np->nl", direct, xp)
    rows = np.arange(len(xp))
    direct[rows, :, middle] -= through
    return direct @ matrix.T * np.repeat(first, matrix.shape[0] // 2, axis=1)[:, None, :]


def by_coefficients(gradient, xp):
    """Return `coefficient_gradients` by GaiaXPy's matrix, and c_i / c_0; needs extra gaia.

    Parameters
    ----------
    gradient, xp
        As `coefficient_gradients` takes them.

    Returns
    -------
    gradient : ndarray of shape (n, n_labels, 110)
    relative : ndarray of shape (n, 110)
        c_i / c_0 of the band, fitted to the flux.
    """
    from common.surveys.gaia_xp import design_matrix, from_sampled

    fitted = from_sampled(xp)
    first = np.stack([fitted.bp[:, 0], fitted.rp[:, 0]], axis=1)
    relative = np.concatenate([fitted.bp / first[:, :1], fitted.rp / first[:, 1:]], axis=1)
    return coefficient_gradients(gradient, xp, matrix=design_matrix(), first=first), relative


def average(found, groups, labels, *, inputs=None):
    """Return mean gradients of each group of stars as one long table.

    Parameters
    ----------
    found : dict of str to ndarray of shape (n, n_labels, columns)
        As `gradients` gives them; NaN rows do not count.
    groups : ndarray of str, shape (n,)
    labels : sequence of str
    inputs : dict of str to ndarray of shape (n, columns), optional
        What the gradients are by, for `spread`.

    Returns
    -------
    DataFrame
        group, n_stars, label, input, x (wavelength in nm, or number of the coefficient), mean,
        mean_abs, unit, and spread: the standard deviation of the input over the group's stars.
    """
    parts = []
    for name, values in found.items():
        x = GRIDS.get(name, np.arange(values.shape[2]))
        known = np.isfinite(values).all(axis=(1, 2))
        for which in np.unique(groups):
            rows = known & (groups == which)
            if not rows.any():
                continue
            mean, size = values[rows].mean(axis=0), np.abs(values[rows]).mean(axis=0)
            spread = np.std(inputs[name][rows], axis=0) if name in (inputs or ()) else np.nan
            for i, label in enumerate(labels):
                columns = dict(group=which, n_stars=int(rows.sum()), label=label, input=name, x=x,
                               mean=mean[i], mean_abs=size[i], spread=spread,
                               unit=f"{UNITS[label]} per {PER[name]}")  # fmt: skip
                parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _from_run(run_dir, networks, per_class):
    """Return inputs and groups of held-out stars that have every spectrum of the network."""
    from common.pipeline import Shards

    shards = Shards(Path(run_dir) / "data")
    stars = shards.labels
    good = (stars["split"] == "test").to_numpy()
    for name in GRIDS.keys() & set(networks.config.inputs):
        good = good & stars[f"has_{name}"].to_numpy(bool)
    rows = np.random.default_rng(networks.config.seed).permutation(np.flatnonzero(good))
    return _choose(networks, split_row(shards.rows(rows), networks.config), per_class)


def _from_files(networks, paths, per_class):
    """Return inputs and groups of the user's sources, and which spectra all of them have.

    Those are the network's spectra that any source has: a folder of RVS files is explained along
    RVS, whatever else the network could take.
    """
    from rvs_hybrid.inputs import inputs_of
    from rvs_hybrid.stars.sources import read_sources

    sources = read_sources(paths)
    spectra = dict(xp=sources.xp, xp_error=sources.xp_error, rvs=sources.rvs)
    inputs = inputs_of(sources.stars, networks.config, **spectra)
    whole = {n: np.isfinite(inputs[n]).all(axis=1) for n in GRIDS if n in inputs}
    names = [name for name, rows in whole.items() if rows.any()]
    good = np.logical_and.reduce([whole[name] for name in names] or [np.zeros(len(sources), bool)])
    inputs = {name: values[good] for name, values in inputs.items()}
    return (*_choose(networks, inputs, per_class), names)


def _choose(networks, inputs, per_class):
    """Keep the first `per_class` stars of each group."""
    groups = group(physical(networks, inputs)[0], networks.config)
    chosen = [np.flatnonzero(groups == name)[:per_class] for name in np.unique(groups)]
    chosen = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, int)
    return {name: values[chosen] for name, values in inputs.items()}, groups[chosen]


def explain_run(run_dir, paths=(), out=None, *, per_class=200):
    """Write mean gradients, their weight on known lines, and figures.

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like, optional
        Gaia's files or folders of them; test stars of the run without them.
    out : path-like, optional
        Output folder; the run folder by default.
    per_class : int
        Stars of each group (giants, dwarfs by their predicted log g), at most.

    Returns
    -------
    gradients, weights : DataFrames
        As `average` and `line_weights` give them; also written to explain/gradients.parquet and
        explain/line_weights.csv.

    Raises
    ------
    SuiteError
        If the network takes no spectra, or no star has all of them.
    """
    from common.figures import save
    from common.files import atomic_path, write_parquet
    from rvs_hybrid.figures import explain as figures_explain

    networks = load_networks(run_dir)
    names = [name for name in GRIDS if name in networks.config.inputs]
    if not names:
        raise SuiteError(f"{run_dir}: this network takes no spectra ({networks.config.name}).")
    out = Path(out or run_dir)
    if paths:
        inputs, groups, names = _from_files(networks, paths, per_class)
        if "rvs" in names:
            beside_synthetic(networks, paths, out)
    else:
        inputs, groups = _from_run(run_dir, networks, per_class)
    if not len(groups):
        raise SuiteError(f"{run_dir}: no star to explain has all of {', '.join(names)}.")
    found = gradients(networks, inputs, names=names)
    for name in names:
        found[f"{name}_line"] = found[name] @ line_spread(name)
    if "xp" in found:
        found["xp_coefficients"], relative = by_coefficients(found["xp"], inputs["xp"])
        inputs["xp_coefficients"] = relative
    table = average(found, groups, networks.config.labels, inputs=inputs)
    weights = line_weights(
        {name: found[name] for name in names},
        inputs,
        groups,
        networks.config.labels,
        seed=networks.config.seed,
    )
    write_parquet(table, out / "explain" / "gradients.parquet")
    with atomic_path(out / "explain" / "line_weights.csv") as part:
        weights.to_csv(part, index=False)
    note = "semi-synthetic RVS" if networks.config.rvs == "semi-synthetic" else ""
    note = "trained on semi-synthetic RVS" if note and paths else note
    for name in found.keys() - set(names):
        save(
            figures_explain.gradients(table, name, note=note), out / "figures" / f"gradients_{name}"
        )
    return table, weights


def beside_synthetic(networks, paths, out, *, most=6):
    """Draw real RVS spectra over the semi-synthetic ones at the labels that the network gives.

    Parameters
    ----------
    networks : Networks
        Of a run with RVS.
    paths : sequence of path-like
        Gaia's files.
    out : path-like
        Output folder: figures/rvs_beside_synthetic.
    most : int
        Spectra that are shown.

    Returns
    -------
    list of dict
        Of each star the labels and the agreement, as `rvs_hybrid.figures.rvs.compare` gives them.
    """
    from common.figures import save
    from common.mocks.rvs import RVS
    from common.spectra import Spectra
    from common.surveys.find import find_files
    from common.surveys.gaia_rvs import read_rvs
    from rvs_hybrid.figures.rvs import compare, compare_figure
    from rvs_hybrid.predict import chunks
    from rvs_hybrid.stars.sources import ENDINGS, kind_of, read_sources

    labels = {}
    for stars, inputs in chunks(networks, read_sources(paths)):
        mean, *_ = physical(networks, inputs)
        for source, row in zip(stars["source_id"], mean, strict=True):
            labels[str(source)] = dict(zip(networks.config.labels, row.tolist(), strict=True))
    parts = [read_rvs(f) for f in find_files(paths, ENDINGS) if kind_of(f) == "RVS spectra"]
    spectra = Spectra.concatenate(parts)[:most]
    wanted = ("teff", "logg", "fe_h", "alpha_m")
    known = {
        source: {name: found[name] for name in wanted}
        for source, found in labels.items()
        if set(wanted) <= set(found)
    }
    arrays, numbers = compare(spectra, model=RVS(), labels=known)
    save(compare_figure(**arrays), Path(out) / "figures" / "rvs_beside_synthetic")
    return numbers


def _explain(args):
    """Explain what the command line asks for."""
    table, weights = explain_run(args.run_dir, args.paths, args.output, per_class=args.per_class)
    counts = table.groupby("group")["n_stars"].max()
    say(", ".join(f"{n} {name}s" for name, n in counts.items()) + " explained")
    if len(weights):
        say(weights.to_string(index=False, float_format=lambda v: f"{v:.3g}"))
    say(f"figures: {Path(args.output or args.run_dir) / 'figures'}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return command.main(
        PAPER,
        "Gradients of the labels along RVS and XP spectra.",
        _explain,
        argv,
        options=[PER_CLASS],
        paths="Gaia's files to explain (default: test stars of the run)",
    )


if __name__ == "__main__":
    sys.exit(main())
