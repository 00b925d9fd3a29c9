"""What the network looks at: gradients of the labels along RVS, XP and XP coefficients.

The proceedings ask for it (Sect. 2): derivatives of a label by wavelength show whether the network
learns from the label's own lines.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from common.cli import say
from common.commands import explain as command
from common.errors import SuiteError
from common.paper import Option
from rvs_hybrid.config import PAPER
from rvs_hybrid.gradients import average, by_coefficients, gradients
from rvs_hybrid.inputs import split_row
from rvs_hybrid.lines import GRIDS, line_spread, line_weights
from rvs_hybrid.networks import group, load_networks, physical
from rvs_hybrid.tables import SYNTHETIC

PER_CLASS = Option("--per-class", "stars of each group, at most: giants and dwarfs", short="-n",
                   more={"type": int, "default": 200})  # fmt: skip


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
    inputs = inputs_of(sources.stars, networks.config, **sources.spectra)
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
    config = networks.config
    made = config.dataset if config.is_mock else SYNTHETIC if networks.rvs_made else ""
    note = f"trained on {made}" if made and paths else made
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
    from common.surveys.gaia_rvs import read_rvs
    from rvs_hybrid.figures.rvs import compare, compare_figure
    from rvs_hybrid.predict import chunks
    from rvs_hybrid.stars.sources import find_sources, kind_of, read_sources

    labels = {}
    for stars, inputs in chunks(networks, read_sources(paths)):
        mean, *_ = physical(networks, inputs)
        for source, row in zip(stars["source_id"], mean, strict=True):
            labels[str(source)] = dict(zip(networks.config.labels, row.tolist(), strict=True))
    parts = [read_rvs(f) for f in find_sources(paths) if kind_of(f) == "RVS spectra"]
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


main = partial(
    command.main,
    PAPER,
    "Gradients of the labels along RVS and XP spectra.",
    _explain,
    options=[PER_CLASS],
    paths="Gaia's files to explain (default: test stars of the run)",
)

if __name__ == "__main__":
    raise SystemExit(main())
