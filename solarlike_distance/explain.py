"""Where the network looks: SHAP, integrated gradients, gradients, by kind of star (Sect. 5.1)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common import attribution, claims
from common.cli import say
from common.commands import explain as command
from common.errors import SuiteError
from common.figures import save
from common.files import write_parquet
from common.paper import Option
from solarlike_distance.config import PAPER, TARGETS
from solarlike_distance.figures import explain as figures_explain
from solarlike_distance.lines import LINES, RANGE

TEFF_SPLIT, FEH_SPLIT = 5000.0, 0.0  # K, dex: Figs. 15 and 16
BACKGROUND = 100  # default: reference stars whose mean prediction SHAP explains against
SAMPLES = {"smoke": 8, "demo": 32, "paper": 200}  # default: draws a star
STEPS = {"smoke": 4, "demo": 8, "paper": 32}  # default: of integrated gradients
FEWEST = 3  # stars of a kind that is drawn
HALF = 6.0  # Å: half width of a line's window
BROAD = {"Mg I b": 14.0, "CH G": 14.0}  # Å: blends
OPTIONS = (
    Option("--stars", "test stars (default: of the run's scale)", short="-n", more={"type": int}),
    Option("--samples", "draws of SHAP for each star (default: of the run's scale)",
           more={"type": int}),
)  # fmt: skip


def stars_to_explain(labels, config, *, stars=None):
    """Return rows of test stars, the same number of each kind as far as there are any.

    Parameters
    ----------
    labels : DataFrame
        Of the run's shards: split, teff_true, feh_true.
    config : Config
    stars : int, optional
        `Config.explain_stars` by default.

    Returns
    -------
    ndarray of int
    """
    wanted = config.explain_stars if stars is None else stars
    test = np.flatnonzero((labels["split"] == "test").to_numpy())
    if len(test) <= wanted:
        return test
    rng = np.random.default_rng(config.seed)
    test = rng.permutation(test)
    hot = labels["teff_true"].to_numpy(float)[test] > TEFF_SPLIT
    poor = labels["feh_true"].to_numpy(float)[test] < FEH_SPLIT
    kinds = [test[(hot == a) & (poor == b)] for a in (True, False) for b in (True, False)]
    taken, left = [], wanted
    for i, kind in enumerate(sorted(kinds, key=len)):
        share = min(len(kind), left // (len(kinds) - i))
        taken.append(kind[:share])
        left -= share
    return np.sort(np.concatenate(taken))


def groups(*, teff, feh):
    """Return {"teff": {name: mask}, "feh": {name: mask}}: the kinds of Figs. 15 and 16."""
    teff, feh = np.asarray(teff, float), np.asarray(feh, float)
    return {
        "teff": {f"hot, > {TEFF_SPLIT:g} K": teff > TEFF_SPLIT,
                 f"cool, ≤ {TEFF_SPLIT:g} K": teff <= TEFF_SPLIT},
        "feh": {"metal-rich, ≥ 0": feh >= FEH_SPLIT, "metal-poor, < 0": feh < FEH_SPLIT},
    }  # fmt: skip


def line_table(curves, wavelength):
    """Return how much each label looks at each line.

    Parameters
    ----------
    curves : ndarray of shape (5, n_pixels)
        Mean |SHAP|.
    wavelength : ndarray of shape (n_pixels,)
        Å, vacuum, at rest.

    Returns
    -------
    DataFrame
        line, wavelength (Å), and for each label the mean in the line's window over the mean
        between 3925 and 5500 Å; red: the same of everything beyond 5500 Å.
    """
    inside = (wavelength >= RANGE[0]) & (wavelength <= RANGE[1])
    rows = []
    for name, centre in LINES.items():
        here = np.abs(wavelength - centre) <= BROAD.get(name, HALF)
        ratio = curves[:, here].mean(axis=1) / curves[:, inside].mean(axis=1)
        rows.append({"line": name, "wavelength": centre} | dict(zip(TARGETS, ratio, strict=True)))
    red = curves[:, ~inside].mean(axis=1) / curves[:, inside].mean(axis=1)
    rows.append({"line": f"beyond {RANGE[1]:g} Å", "wavelength": np.nan}
                | dict(zip(TARGETS, red, strict=True)))  # fmt: skip
    return pd.DataFrame(rows)


def explain(model, x, background, *, n_samples, seed=1, steps=16):
    """Return the three attributions of a network's five labels.

    Parameters
    ----------
    model : keras.Model
        (n, n_pixels) -> (n, 5).
    x, background : ndarray of shape (n, n_pixels), (m, n_pixels)
    n_samples, seed, steps : int
        Of SHAP, and of integrated gradients.

    Returns
    -------
    dict of str to ndarray of shape (n, 5, n_pixels)
        "SHAP", "integrated gradients", "gradient".
    DataFrame
        method, and for each label how far the values are from adding up
        (`common.attribution.completeness`); the gradient adds up to nothing.
    """
    outputs, mean = range(len(TARGETS)), background.mean(axis=0)
    made = {
        "SHAP": attribution.shap_values(model, x, background=background, outputs=outputs,
                                        n_samples=n_samples, seed=seed),
        "integrated gradients": attribution.integrated_gradients(
            model, x, baseline=mean, outputs=outputs, steps=steps
        ),
        "gradient": attribution.gradients(model, x, outputs=outputs),
    }  # fmt: skip
    rows = []
    for name, reference in (("SHAP", background), ("integrated gradients", mean)):
        off = attribution.completeness(made[name], model=model, x=x, reference=reference,
                                       outputs=outputs)  # fmt: skip
        rows.append({"method": name} | dict(zip(TARGETS, off, strict=True)))
    return made, pd.DataFrame(rows)


def explain_run(run_dir, out=None, *, stars=None, samples=None):
    """Draw Figs. 15 and 16 from the test stars of a run, for its first network.

    Writes explain/shap.parquet (wavelength, mean |SHAP| of each label and kind of star),
    tables/shap.ecsv (weight of lines), tables/shap_sums.ecsv, and the figures.

    Parameters
    ----------
    run_dir : path-like
        A finished run with its data/.
    out : path-like, optional
        Output folder; the run folder by default.
    stars, samples : int, optional
        Test stars, and draws of SHAP for each; by default what the run's scale says.

    Returns
    -------
    DataFrame
        `line_table` of all stars.

    Raises
    ------
    SuiteError
        If the run is not finished, its prepared spectra are gone, or shap is not installed.
    """
    from common.pipeline import Shards, finished
    from solarlike_distance.networks import load_networks

    run_dir = Path(run_dir)
    networks = load_networks(run_dir)
    config, out = networks.config, Path(out or run_dir)
    if not finished(run_dir / "data"):
        raise SuiteError(f"{run_dir} lacks its prepared spectra (data/), which are explained.")
    shards = Shards(run_dir / "data")
    labels = shards.labels.reset_index(drop=True)
    rows = stars_to_explain(labels, config, stars=stars)
    if not len(rows):
        raise SuiteError(f"{run_dir}: no spectrum of the test set is in data/.")
    reference = np.flatnonzero((labels["split"] == "reference").to_numpy())
    rng = np.random.default_rng(config.seed)
    background = shards.rows(np.sort(rng.permutation(reference)[:BACKGROUND]))
    made, sums = explain(networks.models[0], shards.rows(rows), background, seed=config.seed,
                         n_samples=samples or SAMPLES[config.scale],
                         steps=STEPS[config.scale])  # fmt: skip
    about = labels.iloc[rows]
    return keep(made, sums, out=out, wavelength=config.grid, teff=about["teff_true"],
                feh=about["feh_true"], dataset=config.dataset)  # fmt: skip


def keep(made, sums, *, out, wavelength, teff, feh, dataset):
    """Write curves, tables and figures of attributions; return `line_table` of all stars."""
    values = made["SHAP"]
    curves = {"wavelength": wavelength}
    kinds = groups(teff=teff, feh=feh)
    every = {"all": np.ones(len(values), bool)} | kinds["teff"] | kinds["feh"]
    for name, here in every.items():
        for i, label in enumerate(TARGETS):
            if here.sum() >= FEWEST or name == "all":
                curves[f"{label}, {name}"] = np.abs(values[here, i]).mean(axis=0)
    write_parquet(pd.DataFrame(curves), out / "explain" / "shap.parquet")
    table = line_table(np.abs(values).mean(axis=0), wavelength)
    claims.write(table, out / "tables" / "shap.ecsv", dataset=dataset, stars=len(values))
    claims.write(sums, out / "tables" / "shap_sums.ecsv", dataset=dataset, stars=len(values))
    for by, name in (("teff", "F15_shap_teff"), ("feh", "F16_shap_feh")):
        parts = {f"{kind} ({here.sum()} stars)": attribution.normalised(values[here])
                 for kind, here in kinds[by].items() if here.sum() >= FEWEST}  # fmt: skip
        if parts:
            figure = figures_explain.by_kind(wavelength=wavelength, parts=parts)
            save(figure, out / "figures" / name)
    figure = figures_explain.methods(wavelength=wavelength, made=made)
    save(figure, out / "figures" / "attributions")
    return table


def _explain(args):
    """Explain what the command line asks for."""
    table = explain_run(args.run_dir, args.output, stars=args.stars, samples=args.samples)
    say("mean |SHAP| in the windows of lines, 1: average of 3925-5500 Å")
    say(table.to_string(index=False, float_format="%.2f"))
    say(f"figures: {Path(args.output or args.run_dir) / 'figures' / 'F15_shap_teff.png'}")


main = partial(
    command.main,
    PAPER,
    "Which wavelengths the five labels come from (Figs. 15, 16).",
    _explain,
    options=OPTIONS,
)

if __name__ == "__main__":
    raise SystemExit(main())
