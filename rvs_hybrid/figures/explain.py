"""Figures of what the network looks at."""

from __future__ import annotations

import numpy as np

from common.colours import BLUE, RED
from common.figures import mark_lines, panels, styled
from rvs_hybrid.config import NAMES, UNITS

LINES = {
    "rvs_line": {
        "Ca II": 850.036, "Ti I": 852.069, "Ca II ": 854.444, "Si I": 855.913, "Fe I": 861.417,
        "Fe I ": 862.398, "Si I ": 865.084, "Ca II  ": 866.452, "Fe I  ": 867.713,
        "Fe I   ": 869.101,
    },
    "xp_line": {
        "Ca H K": 395.2, "CH G": 430.5, "Hβ": 486.27, "Mg b": 518.0, "Na D": 589.4,
        "Hα": 656.46, "TiO": 705.6, "TiO ": 759.0, "Ca II": 857.0,
    },
}  # fmt: skip
"""nm, vacuum; spaces tell lines of one ion apart."""
AXES = {
    "rvs_line": "wavelength (nm, vacuum)",
    "xp_line": "wavelength (nm, vacuum)",
    "xp_coefficients": "number of the coefficient (BP 0-54, RP 55-109)",
}
PER = {
    "rvs_line": "per (flux x 0.01 nm) in a line",
    "xp_line": "per (flux / median x 2 nm) in a line",
    "xp_coefficients": "times the standard deviation of c_i / c_0",
}
TITLES = {
    "rvs_line": "RVS spectra, by unresolved lines",
    "xp_line": "XP spectra, by unresolved lines",
    "xp_coefficients": "XP coefficients",
}
COLOURS = {"giant": RED, "dwarf": BLUE}


@styled
def gradients(table, name, *, note=""):
    """Return a figure of the mean gradients along one input: a panel a label, a line a group.

    Parameters
    ----------
    table : DataFrame
        As `rvs_hybrid.gradients.average` gives it.
    name : str
        "rvs_line", "xp_line" or "xp_coefficients".
    note : str
        What the title has to say besides, such as "semi-synthetic RVS".
    """
    table = table[table["input"] == name]
    if name == "xp_coefficients":  # high orders hardly vary: a unit of them says nothing
        table = table.assign(**{k: table[k] * table["spread"] for k in ("mean", "mean_abs")})
    labels = list(dict.fromkeys(table["label"]))
    title = f"Mean gradients of the labels along {TITLES[name]}" + (f" ({note})" if note else "")
    figure, axes = panels(len(labels), columns=1, width=8.5, height=1.9, title=title, sharex=True)
    for axis, label in zip(axes, labels, strict=True):
        for which, part in table[table["label"] == label].groupby("group", sort=False):
            colour, x = COLOURS.get(which, BLUE), part["x"].to_numpy()
            text = f"{which}s (n = {part['n_stars'].iloc[0]})"
            style = dict(color=colour, lw=0.8)
            if name == "xp_coefficients":
                style |= dict(marker=".", ms=3)
            axis.plot(x, part["mean"], label=text, **style)
            axis.fill_between(
                x, -part["mean_abs"], part["mean_abs"], color=colour, alpha=0.15, lw=0
            )
        axis.axhline(0, color="#888888", lw=0.5)
        axis.set_xlim(x[0], x[-1])
        high = np.nanmax(table.loc[table["label"] == label, "mean_abs"])
        axis.set_ylim(-1.1 * high, 1.1 * high)
        axis.set_ylabel(f"{NAMES[label]} ({UNITS[label]})")
        if name in LINES:
            mark_lines(axis, LINES[name])
        else:
            axis.axvline(54.5, color="#888888", lw=0.5, ls=":")
    axes[0].legend(loc="lower right", ncols=2)
    what = f"line: mean, shade: mean size of the gradient {PER[name]}"
    axes[-1].set_xlabel(f"{AXES[name]}\n{what}")
    return figure
