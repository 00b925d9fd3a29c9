"""Where the redshift comes from: saliency per channel, and worked examples (Figs 9, 10)."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims
from common.cli import say
from common.commands import explain as command
from common.errors import SuiteError, UsageError
from common.files import write_parquet
from common.lines import LINES_MOONS
from common.paper import Option
from common.rows import held_out
from common.runs import predictions_of
from mtopnet import linemap
from mtopnet.config import PAPER
from mtopnet.tables import pdf as tables_pdf
from mtopnet.tables import redshifts as tables

REST = np.arange(2500.0, 10001.0, 5.0)  # Å, vacuum: edges of the bins of the mean saliency
Z_EDGES = (0.6, 1.0, 1.5, 2.0, 3.0)
HALF = 8.0  # Å at rest, default: half width of a line's window
CLEAR = 25.0  # Å at rest, default: line-free channels are at least this far from every line
GROUPS = {  # lines that the windows join, by the names of common.lines
    "Hα + [N II]": ("Ha", "[NII] 6550", "[NII] 6585"),
    "[O III]": ("[OIII] 4960", "[OIII] 5008"),
    "Hβ": ("Hb",),
    "[O II]": ("[OII] 3727", "[OII] 3730"),
    "Hγ, Hδ": ("Hg", "Hd"),
    "Ca II H, K": ("CaII H", "CaII K"),
    "Mg b": ("MgI 5169", "MgI 5174", "MgI 5185"),
    "Na D": ("NaI 5892", "NaI 5898"),
    "[S II]": ("[SII] 6718", "[SII] 6733"),
    "[S III]": ("[SIII] 9071", "[SIII] 9533"),
    "Mg II": ("MgII 2796", "MgII 2804"),
}
OPTIONS = (
    Option("--spectra", "test spectra that the saliency is averaged over", short="-n",
           more={"type": int, "default": 300}),
    Option("--id", "test spectrum to show as an example; repeatable",
           more={"action": "append", "default": [], "metavar": "ID"}),
)  # fmt: skip


def log_probability(model):
    """Return a function of inputs that gives the logarithms of a model's probabilities.

    The probability of a sure redshift is saturated at 1 and has no gradient left; its logarithm
    has (default: the paper differentiates "the model predictions").
    """
    import tensorflow as tf

    def value(batch, training=False):
        return tf.math.log(tf.maximum(tf.cast(model(batch, training=training), tf.float32), 1e-30))

    return value


def redshift_saliency(model, x, bins, *, batch_size=32):
    """Return d ln p(bin) / d input of each spectrum.

    Parameters
    ----------
    model : keras.Model
        (n, n_input) -> (n, n_bins).
    x : ndarray of shape (n, n_input)
    bins : ndarray of int, shape (n,)
        The bin to explain: that of the highest probability.

    Returns
    -------
    ndarray of shape (n, n_input), float32
    """
    from common.explain import saliency

    return saliency(log_probability(model), x, output=bins, batch_size=batch_size)


def line_weights(gradient, x, z, wavelength, *, groups=None):
    """Return how much channels of lines count, against line-free ones of the same spectra.

    Parameters
    ----------
    gradient : ndarray of shape (n, n_pixels)
        d ln p / d flux.
    x : ndarray of shape (n, n_pixels)
        Network input: channels that are exactly 0 are masked and do not count.
    z : ndarray of shape (n,)
    wavelength : ndarray of shape (n_pixels,)
        Å, observed.
    groups : dict of str to tuple of str, optional
        `GROUPS` by default.

    Returns
    -------
    DataFrame
        lines, n (spectra that show them), weight and free (means of |gradient| over the spectrum's
        mean, averaged over spectra), ratio, error (of the ratio, over spectra), share (of all of
        the |gradient|). The last row, "no line", is what all line-free channels hold together.
    """
    size = np.abs(gradient) * (x != 0)
    total = size.sum(axis=1)
    use = np.isfinite(z) & (total > 0)
    size, x, z, total = size[use], x[use], z[use], total[use]
    rest = wavelength[None] / (1 + z[:, None])
    free = np.ones(rest.shape, bool)
    for wave in LINES_MOONS.values():
        free &= np.abs(rest - wave) > CLEAR
    seen = x != 0
    mean = total / np.maximum(seen.sum(axis=1), 1)
    base = _means(size, free & seen) / mean
    rows = []
    for name, members in (groups or GROUPS).items():
        near = np.zeros(rest.shape, bool)
        for member in members:
            near |= np.abs(rest - LINES_MOONS[member]) <= HALF
        inside = near & seen
        value = _means(size, inside) / mean
        known = np.isfinite(value) & np.isfinite(base) & (inside.sum(axis=1) >= 3)
        row = {"lines": name, "n": int(known.sum())}
        if known.any():
            row |= {"weight": value[known].mean(), "free": base[known].mean()}
            row["ratio"] = row["weight"] / row["free"] if row["free"] > 0 else np.inf
            row["error"] = np.std(value[known]) / np.sqrt(known.sum()) / max(row["free"], 1e-30)
            row["share"] = np.mean((size * inside).sum(axis=1)[known] / total[known])
        rows.append(row)
    if len(size):
        rows.append({"lines": "no line", "n": len(size),
                     "share": np.mean((size * (free & seen)).sum(axis=1) / total)})  # fmt: skip
    columns = ["lines", "n", "weight", "free", "ratio", "error", "share"]
    return pd.DataFrame(rows, columns=columns)


def _means(values, use):
    """Return the mean of each row over the entries in use, NaN without any."""
    n = use.sum(axis=1)
    return np.where(n > 0, (values * use).sum(axis=1) / np.maximum(n, 1), np.nan)


def at_rest(gradient, x, z, wavelength, *, edges=REST):
    """Return the mean |gradient| (1: a channel of average influence) in bins of rest wavelength.

    Returns
    -------
    ndarray of shape (len(edges) - 1,)
        NaN in bins that fewer than a tenth of the spectra, or fewer than 3, reach.
    """
    total, count, spectra = np.zeros((3, len(edges) - 1))
    for row, flux, redshift in zip(np.abs(gradient), x, z, strict=True):
        seen = flux != 0
        if not np.isfinite(redshift) or not row[seen].any():
            continue
        where = np.searchsorted(edges, wavelength[seen] / (1 + redshift), side="right") - 1
        inside = (where >= 0) & (where < len(total))
        weight = row[seen][inside] / row[seen].mean()
        total += np.bincount(where[inside], weight, len(total))
        here = np.bincount(where[inside], minlength=len(total))
        count, spectra = count + here, spectra + (here > 0)
    enough = spectra >= max(3, 0.1 * len(z))
    return np.where(enough, total / np.maximum(count, 1), np.nan)


def choose_examples(df, *, seed=1):
    """Return the ids of Figs 9 and 10: two right redshifts, and two wrong ones.

    Of the wrong ones the first has a second peak that is right, the second has not (as in Fig. 10).
    Right: |dz| < 0.003; wrong: |dz| >= 0.01. Drawn at random by the seed.

    Parameters
    ----------
    df : DataFrame
        id, dz, z_peak2, z_label.

    Returns
    -------
    dict of str to str
        What it is an example of -> id; kinds that do not occur are left out.
    """
    rng = np.random.default_rng(seed)
    right, good = tables.success(df["dz"], 0.003), tables.success(df["dz"])
    second = tables.success(df["z_peak2"] - df["z_label"])
    out, pools = {}, {"right (1)": right, "right (2)": right, "wrong, second peak right": ~good &
                      second, "wrong, second peak wrong": ~good & ~second}  # fmt: skip
    for name, rows in pools.items():
        ids = np.setdiff1d(df.loc[rows, "id"], list(out.values()))
        if len(ids):
            out[name] = str(rng.choice(ids))
    return out


def _test_rows(run_dir, config):
    """Return shards, their row numbers of the test split, and its predictions, joined by id."""
    from common.pipeline import Shards

    shards = Shards(Path(run_dir) / "data")
    own = tables.read_predictions(predictions_of(run_dir, PAPER.package))
    df = tables.labelled(tables.with_dz(held_out(own), config.edges))
    at = pd.Series(np.arange(len(shards)), index=shards.labels["id"].astype(str))
    rows = at.reindex(df["id"])
    df = df[rows.notna().to_numpy()].reset_index(drop=True)
    if not len(df):
        raise SuiteError(f"{run_dir}: no test spectrum of predictions.parquet is in its data.")
    return shards, rows.dropna().to_numpy().astype(int), df


def explain_run(run_dir, out=None, *, n=300, ids=()):
    """Write saliency by line and by redshift, worked examples, and their figures.

    Parameters
    ----------
    run_dir : path-like
    out : path-like, optional
        Output folder; the run folder by default.
    n : int
        Test spectra that the saliency is averaged over, drawn by the run's seed.
    ids : sequence of str
        Test spectra to show as examples; chosen as in Figs 9 and 10 without any.

    Returns
    -------
    DataFrame
        As `line_weights`, for right redshifts, with the column redshifts; also in
        tables/saliency_lines.ecsv. How well the line branch does is in tables/line_map.ecsv, how
        far the PDFs of mass and rate (of a network that has them) can be trusted in
        tables/scalar_pdf.ecsv, the mean saliency at rest in explain/saliency.parquet.

    Raises
    ------
    UsageError
        If an id is not one of the test split.
    """
    from common.figures import save
    from mtopnet.figures import explain as drawn
    from mtopnet.networks import line_map, load_networks, predicted, redshift_model, scalar_pdfs
    from mtopnet.preprocess import grid

    networks = load_networks(run_dir)
    config = networks.config
    wavelength = grid(config)
    shards, rows, df = _test_rows(run_dir, config)
    unknown = sorted(set(map(str, ids)) - set(df["id"]))
    if unknown:
        raise UsageError(
            f"--id {unknown[0]}: no test spectrum of this run. Its ids are in predictions.parquet, "
            f"such as {df['id'].iloc[0]}."
        )
    out, model = Path(out or run_dir), redshift_model(networks)
    some = np.sort(np.random.default_rng(config.seed).permutation(len(df))[:n])
    x, part = shards.rows(rows[some]), df.iloc[some].reset_index(drop=True)
    good = tables.success(part["dz"])
    _, pdf = predicted(networks, x)
    gradient = redshift_saliency(model, x, np.argmax(pdf, axis=1))[:, : config.n_pixels]
    flux, z = x[:, : config.n_pixels], part["z_true"].to_numpy(float)
    parts = []
    for name, use in (("right", good), ("wrong", ~good)):
        if use.any():
            weights = line_weights(gradient[use], flux[use], z[use], wavelength)
            parts.append(weights.assign(redshifts=name))
    table = pd.concat(parts, ignore_index=True)
    claims.write(table, out / "tables" / "saliency_lines.ecsv", dataset=config.dataset)
    if "lines" in config.tasks:
        own = linemap.map_table(
            line_map(networks, x), z, wavelength, good, margin=config.line_margin
        )
        claims.write(own, out / "tables" / "line_map.ecsv", dataset=config.dataset)
    if config.scalar_pdf:
        own = tables_pdf.scalar_table(scalar_pdfs(networks, x), part)
        claims.write(own, out / "tables" / "scalar_pdf.ecsv", dataset=config.dataset)
    curves = {}
    for low, high in pairwise(Z_EDGES):
        use = good & (z >= low) & (z < high)
        if use.sum() >= 3:
            name = f"{low:g} ≤ z < {high:g}"
            curves[name] = (int(use.sum()), at_rest(gradient[use], flux[use], z[use], wavelength))
    if curves:
        middle = (REST[1:] + REST[:-1]) / 2
        kept = pd.DataFrame({"rest": middle, **{k: v for k, (_, v) in curves.items()}})
        write_parquet(kept, out / "explain" / "saliency.parquet")
        save(drawn.saliency_at_rest(middle, curves, table), out / "figures" / "saliency")
    shown = {str(i): str(i) for i in ids} or choose_examples(df, seed=config.seed)
    cases = _cases(networks, model, shards, rows, df, shown, wavelength)
    save(drawn.examples(cases, config.edges, wavelength), out / "figures" / "F9_F10_examples")
    return table


def _cases(networks, model, shards, rows, df, shown, wavelength):
    """Return what the figure of examples needs of each: a list of dict."""
    from mtopnet.networks import line_map, predicted

    n = networks.config.n_pixels
    at = [int(np.flatnonzero(df["id"] == i)[0]) for i in shown.values()]
    x = shards.rows(rows[at])
    _, pdf = predicted(networks, x)
    gradient = redshift_saliency(model, x, np.argmax(pdf, axis=1))
    has_lines = "lines" in networks.config.tasks
    maps = line_map(networks, x) if has_lines else np.zeros((len(x), n))
    cases = []
    for k, (name, row) in enumerate(zip(shown, at, strict=True)):
        one = df.iloc[row]
        cases.append({
            "title": name, "id": one["id"], "z_true": one["z_true"], "z_peak": one["z_peak"],
            "dz": one["dz"], "exposure": one.get("exposure", np.nan), "m_h": one.get("m_h", np.nan),
            "entropy": one.get("entropy", np.nan), "flux": x[k, :n],
            "saliency": np.abs(gradient[k, :n]), "pdf": pdf[k],
            "places": linemap.marked_places(maps[k], wavelength),
        })  # fmt: skip
    return cases


def _explain(args):
    """Explain what the command line asks for."""
    table = explain_run(args.run_dir, args.output, n=args.spectra, ids=args.id)
    for row in table[table["redshifts"] == "right"].dropna(subset=["ratio"]).itertuples():
        say(f"{row.lines:12s} {row.ratio:5.1f} times a line-free channel ({row.n} spectra)")
    say(f"figures: {Path(args.output or args.run_dir) / 'figures'}")


main = partial(
    command.main,
    PAPER,
    "Which channels the redshift rests on, and worked examples.",
    _explain,
    options=OPTIONS,
)

if __name__ == "__main__":
    raise SystemExit(main())
