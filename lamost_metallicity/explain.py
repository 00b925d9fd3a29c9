"""Where the metallicity network looks: saliency at rest wavelengths, by redshift."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims
from common.cli import say
from common.commands import explain as command
from common.errors import SuiteError
from common.explain import saliency
from common.files import write_parquet
from common.paper import Option
from lamost_metallicity.config import PAPER

REST = np.arange(3100.0, 7901.0, 2.0)  # Å, vacuum
FEWEST = 5  # spectra of a bin that is drawn
Z_EDGES = (0.0, 0.05, 0.10, 0.15, 0.20, 0.25)
LINE_WINDOWS = {  # Å at rest, vacuum
    "Hα + [N II]": (6530.0, 6605.0),
    "Hβ": (4837.0, 4889.0),
    "[O III]": (4940.0, 5026.0),
    "[O II]": (3710.0, 3748.0),
    "[S II]": (6700.0, 6752.0),
}
PER_BIN = Option("--per-bin", "test galaxies of each bin of redshift", short="-n",
                 more={"type": int, "default": 60})  # fmt: skip
FREE = ((4440.0, 4660.0), (5060.0, 5180.0), (5220.0, 5500.0), (5530.0, 5740.0), (5940.0, 6270.0),
        (6390.0, 6500.0))  # Å at rest: no strong emission line, no Na D, outside Mg b  # fmt: skip


def relative_saliency(model, x, *, output=None, channels=1):
    """Return |d output / d input|, divided by its mean over each spectrum.

    Parameters
    ----------
    model : keras.Model
        (n, n_pixels * channels) -> (n, n_outputs).
    x : ndarray of shape (n, n_pixels * channels)
        Network input.
    output : int, optional
        Which output; the mean over all without it.
    channels : int
        Values of each pixel, whose gradients are added.

    Returns
    -------
    ndarray of shape (n, n_pixels)
        1 is a pixel of average influence.
    """
    which = None if output is None else np.full(len(x), output)
    value = np.abs(saliency(model, x, output=which)).astype(float)
    value = value.reshape(len(x), -1, channels).sum(axis=2)
    mean = value.mean(axis=1, keepdims=True)
    return value / np.where(mean > 0, mean, 1.0)


def at_rest(values, z, *, wavelength, rest=REST):
    """Return values on observed wavelengths, one row a spectrum, at rest wavelengths.

    Parameters
    ----------
    values : ndarray of shape (n, n_pixels)
    z : ndarray of shape (n,)
    wavelength : ndarray of shape (n_pixels,)
        Å, observed.
    rest : ndarray of shape (m,)
        Å.

    Returns
    -------
    ndarray of shape (n, m)
        NaN where a spectrum does not reach, and in rows without a redshift.
    """
    out = np.full((len(values), len(rest)), np.nan)
    for i in np.flatnonzero(np.isfinite(z)):
        out[i] = np.interp(rest, wavelength / (1 + z[i]), values[i], left=np.nan, right=np.nan)
    return out


def window_weights(values, *, rest=REST):
    """Return the mean weight in each line window and in line-free windows of the same width.

    Parameters
    ----------
    values : ndarray of shape (n, m)
        Relative saliency at rest wavelengths (`at_rest`).
    rest : ndarray of shape (m,)
        Å.

    Returns
    -------
    DataFrame
        window, low, high (Å), n (spectra that cover it), weight (mean over them), free (median of
        the line-free windows of this width in the same spectra), highest_free (the largest of
        them), ratio (weight over free).
    """
    rows = []
    for name, (low, high) in LINE_WINDOWS.items():
        inside = (rest >= low) & (rest <= high)
        part = values[np.isfinite(values[:, inside]).all(axis=1)]
        row = {"window": name, "low": low, "high": high, "n": len(part)}
        if len(part):
            free = np.array(_free_weights(part, rest, high - low))
            row |= {"weight": part[:, inside].mean(), "free": np.median(free),
                    "highest_free": free.max()}  # fmt: skip
            row["ratio"] = row["weight"] / row["free"] if row["free"] > 0 else np.inf
        rows.append(row)
    columns = ["window", "low", "high", "n", "weight", "free", "highest_free", "ratio"]
    return pd.DataFrame(rows, columns=columns)


def _free_weights(values, rest, width):
    """Return the mean weight of every line-free window of a width, side by side."""
    out = []
    for low, high in FREE:
        for start in np.arange(low, high - width + 1, width):
            part = values[:, (rest >= start) & (rest <= start + width)]
            if np.isfinite(part).any():
                out.append(np.nanmean(part))
    return out or [np.nan]


def by_redshift(values, z, *, edges=Z_EDGES):
    """Return {bin: (n, mean over its spectra, ndarray of shape (m,))}; NaN where few reach.

    Bins of fewer than `FEWEST` spectra are left out, unless there is no other.
    """
    if not any(((z >= a) & (z < b)).sum() >= FEWEST for a, b in pairwise(edges)):
        edges = (min(edges), max(edges))
    out = {}
    for low, high in pairwise(edges):
        part = values[(z >= low) & (z < high)]
        if len(part) < (FEWEST if len(edges) > 2 else 1):
            continue
        reach = np.isfinite(part).sum(axis=0)
        with np.errstate(invalid="ignore"):
            mean = np.nansum(part, axis=0) / np.where(
                reach >= max(1, 0.3 * len(part)), reach, np.nan
            )
        out[f"{low:g} ≤ z < {high:g}"] = (len(part), mean)
    return out


def _from_run(run_dir, per_bin):
    """Choose star-forming test galaxies, at most `per_bin` of each bin of redshift, best S/N."""
    from common.pipeline import Shards
    from lamost_metallicity.tables.regression import read_predictions, regression_rows

    shards = Shards(Path(run_dir) / "data")
    labels = shards.labels
    held = regression_rows(read_predictions(Path(run_dir) / "predictions.parquet"))
    test = labels["id"].astype(str).isin(held.loc[held["split"] == "test", "id"]).to_numpy()
    z, snr = labels["z"].to_numpy(dtype=float), labels["snr_r"].fillna(0).to_numpy(dtype=float)
    chosen = []
    for low, high in pairwise(Z_EDGES):
        rows = np.flatnonzero(test & (z >= low) & (z < high))
        chosen += list(rows[np.argsort(-snr[rows])][:per_bin])
    if not chosen:
        raise SuiteError(f"{run_dir}: no star-forming galaxy to explain in this run's data.")
    return shards.rows(chosen), labels.iloc[chosen].reset_index(drop=True)


def _from_files(networks, paths):
    from lamost_metallicity.data import spectrum_files
    from lamost_metallicity.predict import usable_chunks

    rejects = []
    parts = [(about, x) for _, about, x in usable_chunks(networks, spectrum_files(paths), rejects)]
    if not parts:
        first = f" The first: {rejects[0]['reason']}" if rejects else ""
        raise SuiteError(f"None of the files holds a spectrum that can be used.{first}")
    return np.concatenate([p[1] for p in parts]), pd.concat([p[0] for p in parts],
                                                            ignore_index=True)  # fmt: skip


def explain_run(run_dir, paths=(), out=None, *, per_bin=60):
    """Write saliency by redshift, the weights of line windows, and a figure.

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like, optional
        Files or folders; star-forming test galaxies of the run without them.
    out : path-like, optional
        Output folder; the run folder by default.
    per_bin : int
        Test galaxies of each bin of redshift, those of highest S/N_r.

    Returns
    -------
    DataFrame
        As `window_weights`, with the column z (bin, or "all"); also in
        tables/saliency_windows.ecsv. The mean saliency of each bin is in
        explain/saliency.parquet: rest wavelength (Å) and one column a bin.
    """
    from common.figures import save
    from lamost_metallicity.figures.explain import saliency_by_redshift
    from lamost_metallicity.networks import load_networks
    from lamost_metallicity.preprocess import shape_of

    networks = load_networks(run_dir)
    x, about = _from_files(networks, paths) if paths else _from_run(run_dir, per_bin)
    z = about["z"].to_numpy(dtype=float)
    if not np.isfinite(z).any():
        raise SuiteError("No spectrum has a redshift: saliency at rest wavelengths needs one.")
    config = networks.config
    weight = relative_saliency(networks.models["regressor"], x, channels=config.channels)
    shift = 0 * z if config.at_rest else z  # what the networks see at rest already
    values = at_rest(weight, shift, wavelength=config.grid)
    flux = at_rest(shape_of(x, config), shift, wavelength=config.grid)
    bins = by_redshift(values, z)
    parts = [window_weights(values).assign(z="all")]
    for (low, high), name in zip(pairwise(Z_EDGES), _names(), strict=True):
        here = (z >= low) & (z < high)
        if here.any():
            parts.append(window_weights(values[here]).assign(z=name))
    table = pd.concat(parts, ignore_index=True)
    out = Path(out or run_dir)
    curves = pd.DataFrame({"rest": REST, **{name: mean for name, (_, mean) in bins.items()}})
    write_parquet(curves, out / "explain" / "saliency.parquet")
    claims.write(table, out / "tables" / "saliency_windows.ecsv", dataset=config.trained)
    figure = saliency_by_redshift(
        rest=REST, bins=bins, flux={n: m for n, (_, m) in by_redshift(flux, z).items()}, table=table
    )
    save(figure, out / "figures" / "saliency")
    return table


def _names():
    return [f"{low:g} ≤ z < {high:g}" for low, high in pairwise(Z_EDGES)]


def _explain(args):
    """Explain what the command line asks for."""
    table = explain_run(args.run_dir, args.paths, args.output, per_bin=args.per_bin)
    for row in table[table["z"] == "all"].dropna().itertuples():
        say(f"{row.window:12s} {row.ratio:5.1f} times a line-free window ({row.n} spectra)")
    say(f"figure: {Path(args.output or args.run_dir) / 'figures' / 'saliency.png'}")


main = partial(
    command.main,
    PAPER,
    "Which lines the metallicity network looks at, by redshift.",
    _explain,
    options=[PER_BIN],
    paths="spectra to explain (default: test galaxies of the run)",
)

if __name__ == "__main__":
    raise SystemExit(main())
