"""Template fitting beside the network, on the same spectra."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from mtopnet import published
from mtopnet.tables import redshifts as tables
from mtopnet.tables.variants import compare

LIMITS = (0.003, 0.01, 0.1)
EDGES = tables.M_H_EDGES


def peer_table(df):
    """Return right redshifts of the peer and of the network by exposure and m_H, and by kind.

    Parameters
    ----------
    df : DataFrame
        id, galaxy, z_true, z_peak (the network's), z_peer, and where known exposure, m_h and kind.

    Returns
    -------
    DataFrame
        kind ("all", "quiescent" ...), exposure ("all", "2 h", ...), low, high (mag; NaN: all), n,
        and for each limit L of |z -
        z_true| peer_L, network_L, network_minus_peer_L and its error _err, by resampling of
        galaxies. NaN below `FEWEST` spectra.
    """
    rows = []
    every = np.ones(len(df), bool)
    hours = {f"{h:g} h": tables.exposed(df, h) for h in tables.EXPOSURES}
    m_h = df["m_h"].to_numpy(float) if "m_h" in df else np.full(len(df), np.nan)
    bins = {(np.nan, np.nan): every}
    bins |= {(a, b): (m_h >= a) & (m_h < b) for a, b in pairwise(EDGES)}
    kind = df["kind"] if "kind" in df else pd.Series("", index=df.index)
    groups = [("all", when, limits, exposed & inside)
              for when, exposed in {"all": every, **hours}.items()
              for limits, inside in bins.items()]  # fmt: skip
    groups += [(name, "all", (np.nan, np.nan), (kind == name).to_numpy())
               for name in sorted(set(kind) - {""})]  # fmt: skip
    for name, when, (low, high), chosen in groups:
        here = df[chosen]
        if not len(here):
            continue
        row = {"kind": name, "exposure": when, "low": low, "high": high, "n": len(here)}
        peer = here.assign(dz=here["z_peer"] - here["z_true"])
        own = here.assign(dz=here["z_peak"] - here["z_true"])
        for limit in LIMITS:
            found = compare(peer, own, limit=limit)
            row |= {
                f"peer_{limit:g}": found.get("first", np.nan),
                f"network_{limit:g}": found.get("second", np.nan),
                f"network_minus_peer_{limit:g}": found.get("difference", np.nan),
                f"network_minus_peer_{limit:g}_err": found.get("error", np.nan),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def floor_table(df):
    """Return residuals of mass and rate by a fit that knows the redshift, and by the network.

    Parameters
    ----------
    df : DataFrame
        lgm_true, lgm_peer, lgm_pred and the same of sfr; exposure where known.

    Returns
    -------
    DataFrame
        exposure, quantity, n, peer_mu, peer_sigma, network_mu, network_sigma (Gaussian fits, dex),
        peer_rms, network_rms, published_sigma.
    """
    rows = []
    hours = {f"{h:g} h": tables.exposed(df, h) for h in tables.EXPOSURES}
    for name, exposed in {"all": np.ones(len(df), bool), **hours}.items():
        for column, quantity in (("lgm", "log M"), ("sfr", "log SFR")):
            here = df[exposed]
            row = {"exposure": name, "quantity": quantity, "n": len(here)}
            for side, end in (("peer", "peer"), ("network", "pred")):
                if f"{column}_{end}" not in here:
                    continue
                off = (here[f"{column}_{end}"] - here[f"{column}_true"]).to_numpy(float)
                fit = tables.gaussian_fit(off)
                row |= {f"{side}_mu": fit["mu"], f"{side}_sigma": fit["sigma"],
                        f"{side}_rms": float(np.sqrt(np.nanmean(off**2)))}  # fmt: skip
            told = published.fit(quantity)[1] if name == "all" else np.nan
            if len(here) >= tables.FEWEST:
                rows.append(row | {"published_sigma": told})
    return pd.DataFrame(rows)
