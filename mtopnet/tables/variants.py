"""One network against others on the same spectra: ablations (Fig. 5) and what goes beyond."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import ReadError
from mtopnet import published
from mtopnet.tables import redshifts as tables

TASKS = {  # of an ablation: its name in tables, and the claim of its catastrophic fraction at 8 h
    ("lines", "mass", "sfr", "z"): ("multi-task", "catastrophic"),
    ("z",): ("redshift alone", "catastrophic-single"),
    ("lines", "z"): ("redshift and lines", "catastrophic-lines"),
    ("mass", "sfr", "z"): ("redshift, mass, SFR: no lines", None),
}


def read_variants(run_dir, *, config=None):
    """Read the predictions of a run's variants.

    Parameters
    ----------
    run_dir : path-like
        variants/NAME/predictions.parquet, with config.json beside it.
    config : Config, optional
        Of the run itself: what a variant changed is told by the difference.

    Returns
    -------
    dict of str to (DataFrame, dict)
        Folder's name -> its test rows with dz on its own bins, and what it changed.
    """
    import json

    out = {}
    for path in sorted(Path(run_dir).glob("variants/*/predictions.parquet")):
        try:
            about = json.loads((path.parent / "config.json").read_text())["config"]
        except (OSError, ValueError, KeyError) as error:
            raise ReadError(
                path.parent / "config.json",
                f"no configuration of this variant ({error})",
                "the run folder of a finished variant",
                "Train it again, or take its folder away.",
            ) from None
        df = tables.read_predictions(path)
        if "split" in df:
            df = df[df["split"] == "test"]
        n = int(np.rint((about["z_max"] - about["z_min"]) / about["dz"]))
        edges = np.linspace(about["z_min"], about["z_max"], n + 1)
        changed = {}
        if config is not None:
            own = json.loads(json.dumps(vars(config), default=str))
            changed = {k: v for k, v in about.items() if k in own and v != own[k]}
        out[path.parent.name] = (
            tables.labelled(tables.with_dz(df, edges)),
            {"tasks": tuple(sorted(about.get("tasks", ()))), "dz": about["dz"], "changed": changed},
        )
    return out


def name_of(folder, about):
    """Return what a variant is called in tables: by its tasks if they are all that it changed."""
    if about["changed"].keys() <= {"tasks"} and about["tasks"] in TASKS and about["changed"]:
        return TASKS[about["tasks"]][0]
    return folder


def compare(first, second, *, limit=None, seed=1, n_resamples=300):
    """Return the paired difference of two networks on the spectra that both have.

    Parameters
    ----------
    first, second : DataFrame
        With id, galaxy, dz. The difference is second - first.
    limit : float, optional
        Compare the fraction with |dz| below it; the catastrophic fraction without it.

    Returns
    -------
    dict
        n, first, second, difference, error (by resampling of galaxies).
    """
    both = first[["id", "galaxy", "dz"]].merge(second[["id", "dz"]], on="id", suffixes=("", "_2"),
                                               validate="1:1")  # fmt: skip
    measure = tables.catastrophic if limit is None else (lambda dz: tables.success(dz, limit))
    if len(both) < tables.FEWEST:
        return {"n": len(both)}
    a, b = measure(both["dz"]).astype(float), measure(both["dz_2"]).astype(float)
    code = pd.factorize(both["galaxy"])[0]
    count, total = np.bincount(code), np.bincount(code, weights=b - a)
    draws = np.random.default_rng(seed).integers(0, len(count), (n_resamples, len(count)))
    error = np.std(total[draws].sum(axis=1) / count[draws].sum(axis=1), ddof=1)
    return {"n": len(both), "first": a.mean(), "second": b.mean(), "difference": (b - a).mean(),
            "error": float(error)}  # fmt: skip


def variant_table(df, variants, *, own="this network"):
    """Return Fig. 5 in numbers: each network on the same test spectra.

    Parameters
    ----------
    df : DataFrame
        Of the run itself (`tables.with_dz`).
    variants : dict
        As `read_variants` gives them.
    own : str
        What to call the run itself.

    Returns
    -------
    DataFrame
        network, sample ("8 h", "all"), n, success (|dz| < 0.01), success_minus_own, its error,
        catastrophic (|dz| > 0.5), catastrophic_minus_own, its error, published (catastrophic, 8 h).
    """
    rows = []
    for sample in ("8 h", "all"):
        here = df if sample == "all" else df[tables.exposed(df, 8)]
        if len(here) < tables.FEWEST:
            continue
        told = published.value("catastrophic") if sample == "8 h" else np.nan
        rows.append({"network": own, "sample": sample, "n": len(here),
                     "success": tables.success(here["dz"]).mean(),
                     "catastrophic": tables.catastrophic(here["dz"]).mean(),
                     "published": told})  # fmt: skip
        for folder, (other, about) in variants.items():
            good, bad = compare(here, other, limit=tables.GOOD), compare(here, other)
            if "error" not in good:
                continue
            name = name_of(folder, about)
            claim = next((c for n, c in TASKS.values() if n == name), None)
            told = np.nan if claim is None else published.value(claim)
            rows.append({"network": name, "sample": sample, "n": good["n"],
                         "success": good["second"], "success_minus_own": good["difference"],
                         "success_err": good["error"], "catastrophic": bad["second"],
                         "catastrophic_minus_own": bad["difference"],
                         "catastrophic_err": bad["error"],
                         "published": told if sample == "8 h" else np.nan})  # fmt: skip
    columns = ["network", "sample", "n", "success", "success_minus_own", "success_err"]
    columns += ["catastrophic", "catastrophic_minus_own", "catastrophic_err", "published"]
    return pd.DataFrame(rows, columns=columns)


def bin_width_table(df, variants, *, dz):
    """Return what finer bins give: the same spectra by networks with different bins.

    Parameters
    ----------
    df : DataFrame
        Of the run itself.
    variants : dict
        As `read_variants` gives them; those of other bins are compared.
    dz : float
        Width of the run's own bins.

    Returns
    -------
    DataFrame
        network, dz, n, success (|z_peak - z_true| < 0.01), sigma (of the Gaussian fit of
        z_peak - z_true), mad (median |z_peak - z_true| of those within 0.01), km/s of it.
    """
    rows = []
    others = {k: v for k, v in variants.items() if not np.isclose(v[1]["dz"], dz)}
    if not others:
        return pd.DataFrame()
    common = set(df["id"]).intersection(*(set(v[0]["id"]) for v in others.values()))
    for name, table, width in (("this network", df, dz),
                               *((k, v[0], v[1]["dz"]) for k, v in others.items())):  # fmt: skip
        part = table[table["id"].isin(common)]
        off = (part["z_peak"] - part["z_true"]).to_numpy(float)
        good = tables.success(off)
        if good.sum() < tables.FEWEST:
            continue
        speed = 299792.458 * np.abs(off) / (1 + part["z_true"].to_numpy(float))
        rows.append({"network": name, "dz": width, "n": len(part), "success": good.mean(),
                     "sigma": tables.gaussian_fit(off[good])["sigma"],
                     "mad": np.median(np.abs(off[good])),
                     "mad_kms": np.median(speed[good])})  # fmt: skip
    return pd.DataFrame(rows)
