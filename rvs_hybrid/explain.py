"""What the network looks at: gradients of the labels along RVS, XP and XP coefficients.

The proceedings ask for it (Sect. 2): derivatives of a label by wavelength show whether the network
learns from the label's own lines.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import parser, run, say
from common.errors import SuiteError
from common.explain import input_gradients, line_weight
from rvs_hybrid.config import RVS_GRID, UNITS, XP_GRID
from rvs_hybrid.inputs import split_row
from rvs_hybrid.networks import group, load_networks, physical

GRIDS = {"rvs": RVS_GRID / 10, "xp": XP_GRID / 10}  # nm, vacuum
GRIDS |= {f"{name}_line": wave for name, wave in GRIDS.items()}
PER = {
    "rvs": "unit of normalised flux in a pixel of 0.01 nm",
    "rvs_line": "unit of normalised flux times 0.01 nm in an unresolved line",
    "xp": "unit of flux over its median in a sample of 2 nm",
    "xp_line": "unit of flux over its median times 2 nm in an unresolved line",
    "xp_coefficients": "unit of c_i / c_0 of the band",
}
CA_TRIPLET = ((850.036, 0.3), (854.444, 0.3), (866.452, 0.3))  # nm, vacuum: centre, half width
WINDOWS = {
    "rvs_line": {"Ca II triplet": CA_TRIPLET},
    "xp_line": {
        "Balmer lines": ((486.27, 6.0), (656.46, 6.0)),
        "Ca H and K": ((395.2, 6.0),),
        "Mg b": ((518.0, 6.0),),
    },
}
RESOLUTION = {
    "rvs": (11500.0,),
    "xp": (100.0, 30.0, 100.0, 70.0),
}
"""lambda / FWHM: RVS (Cropper et al. 2018, A&A 616, A5), and the ends of BP (330 and 640 nm) and RP
(640 and 1050 nm; Carrasco et al. 2021, A&A 652, A86), straight lines between."""
N_RANDOM = 1000


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


def line_spread(name):
    """Return what Gaia makes of an unresolved line at each pixel.

    Single pixels cannot change alone in what Gaia observes: ``gradient @ line_spread(name)`` is how
    a label changes with a line.

    Parameters
    ----------
    name : {"rvs", "xp"}

    Returns
    -------
    ndarray of shape (n_pixels, n_pixels)
        Columns are Gaussians of the instrument's resolution with sum 1.
    """
    wave, resolution = GRIDS[name], RESOLUTION[name]
    if name == "xp":
        bp, rp = resolution[:2], resolution[2:]
        resolution = np.where(
            wave < 640, np.interp(wave, (330, 640), bp), np.interp(wave, (640, 1050), rp)
        )
    sigma = wave / resolution / np.sqrt(8 * np.log(2))
    spread = np.exp(-0.5 * ((wave[:, None] - wave[None, :]) / sigma) ** 2)
    return spread / spread.sum(axis=0)


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


def line_weights(table, *, seed=0):
    """Return how much more a network looks at known lines than at random windows.

    Parameters
    ----------
    table : DataFrame
        As `average` gives it.
    seed : int
        Of the random windows.

    Returns
    -------
    DataFrame
        group, label, input, lines, weight, random, ratio, p_value: see
        `common.explain.line_weight`.
    """
    rows = []
    for (which, label, name), part in table.groupby(["group", "label", "input"], sort=False):
        for lines, windows in WINDOWS.get(name, {}).items():
            rng = np.random.default_rng(seed)
            weight = line_weight(part["mean_abs"].to_numpy(), part["x"].to_numpy(), windows,
                                 n_random=N_RANDOM, rng=rng)  # fmt: skip
            rows.append(dict(group=which, label=label, input=name, lines=lines, **weight))
    return pd.DataFrame(rows)


def _from_run(run_dir, networks, per_class):
    """Return inputs and groups of held-out stars that have every spectrum of the network."""
    from common.pipeline import Shards

    shards = Shards(Path(run_dir) / "data")
    stars = shards.labels
    good = (stars["split"] == "test").to_numpy()
    for name in GRIDS.keys() & set(networks.config.inputs):
        good = good & stars[f"has_{name}"].to_numpy(bool)
    rows = np.random.default_rng(networks.config.seed).permutation(np.flatnonzero(good))
    return _choose(networks, split_row(shards.rows(np.sort(rows)), networks.config), per_class)


def _from_files(networks, paths, per_class):
    """Return inputs and groups of the user's sources that have every spectrum of the network."""
    from rvs_hybrid.inputs import inputs_of
    from rvs_hybrid.sources import read_sources

    sources = read_sources(paths)
    spectra = dict(xp=sources.xp, xp_error=sources.xp_error, rvs=sources.rvs)
    inputs = inputs_of(sources.stars, networks.config, **spectra)
    good = np.ones(len(sources), bool)
    for name in GRIDS.keys() & inputs.keys():
        good &= np.isfinite(inputs[name]).all(axis=1)
    return _choose(networks, {name: values[good] for name, values in inputs.items()}, per_class)


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
    from common.files import atomic_path
    from rvs_hybrid import figures_explain

    networks = load_networks(run_dir)
    names = [name for name in GRIDS if name in networks.config.inputs]
    if not names:
        raise SuiteError(f"{run_dir}: this network takes no spectra ({networks.config.name}).")
    if paths:
        inputs, groups = _from_files(networks, paths, per_class)
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
    weights = line_weights(table, seed=networks.config.seed)
    out = Path(out or run_dir)
    with atomic_path(out / "explain" / "gradients.parquet") as part:
        table.to_parquet(part)
    with atomic_path(out / "explain" / "line_weights.csv") as part:
        weights.to_csv(part, index=False)
    note = "semi-synthetic RVS" if networks.config.rvs == "semi-synthetic" else ""
    note = "trained on semi-synthetic RVS" if note and paths else note
    for name in found.keys() - set(names):
        save(
            figures_explain.gradients(table, name, note=note), out / "figures" / f"gradients_{name}"
        )
    return table, weights


def _arguments():
    p = parser("python -m rvs_hybrid.explain", "Gradients of the labels along RVS and XP spectra.")
    p.add_argument("--run-dir", type=Path, required=True, help="run folder of rvs_hybrid.train")
    p.add_argument("-o", "--output", type=Path, help="output folder (default: the run folder)")
    p.add_argument("-n", "--per-class", type=int, default=200, help="stars of each group, at most: "
                   "giants and dwarfs")  # fmt: skip
    p.add_argument("paths", nargs="*", type=Path, metavar="FILE_OR_FOLDER",
                   help="Gaia's files to explain (default: test stars of the run)")  # fmt: skip
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    choose("float32")
    table, weights = explain_run(args.run_dir, args.paths, args.output, per_class=args.per_class)
    counts = table.groupby("group")["n_stars"].max()
    say(", ".join(f"{n} {name}s" for name, n in counts.items()) + " explained")
    if len(weights):
        say(weights.to_string(index=False, float_format=lambda v: f"{v:.3g}"))
    say(f"figures: {Path(args.output or args.run_dir) / 'figures'}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
