"""Figures of distances by other ways (Figs. 2, 3, 8, 10) and of other surveys (Fig. 11)."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Circle

from common.colours import BLACK, BLUE, COLOURS, GREEN, PURPLE, RED
from common.errors import SuiteError
from common.figures import Figure, panels, styled
from solarlike_distance.figures.sample import density_scatter, span
from solarlike_distance.tables import comparison
from solarlike_distance.tables import scatter as tables

CUTS = (5.0, 10.0, 20.0)  # parallax over its error, Fig. 2
CUT_COLOURS = (GREEN, BLUE, PURPLE)
GREYS, STYLES = (BLACK, "#777777", "#aaaaaa"), (":", "-.", "--")


def sources(df):
    """Return distances in pc by source: inverse parallax, corrected, geometric, GSP-Phot.

    Parameters
    ----------
    df : DataFrame
        Gaia's columns; a corrected parallax needs parallax_zeropoint, or what
        `common.surveys.gaia_source.parallax_zero_point` takes.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Those that the columns allow.
    """
    out = {}
    if "parallax" in df:
        parallax = df["parallax"].to_numpy(float)
        out["1/parallax"] = _inverse(parallax)
        zero = _zero_point(df)
        if zero is not None and np.isfinite(zero).any():
            out["1/parallax, corrected"] = _inverse(parallax - zero)
    for name, column in (("geometric", "r_med_geo"), ("GSP-Phot", "distance_gspphot")):
        if column in df and df[column].notna().any():
            out[name] = df[column].to_numpy(float)
    return out


def _inverse(parallax):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(parallax > 0, 1000 / parallax, np.nan)


def _zero_point(df):
    """Return zero points in mas, None where neither they nor their inputs are there."""
    if "parallax_zeropoint" in df and df["parallax_zeropoint"].notna().any():
        return df["parallax_zeropoint"].to_numpy(float)
    from common.surveys.gaia_source import ZERO_POINT, parallax_zero_point

    if not set(ZERO_POINT.values()) <= set(df):
        return None
    try:
        return parallax_zero_point(**{k: df[c].to_numpy(float) for k, c in ZERO_POINT.items()})
    except SuiteError:  # the package of the zero point is not installed
        return None


def parallax_ratio(df):
    """Return parallax over its error, ndarray of shape (n,), NaN where it is not known."""
    if "parallax_over_error" in df:
        return df["parallax_over_error"].to_numpy(float)
    if {"parallax", "parallax_error"} <= set(df):
        return (df["parallax"] / df["parallax_error"]).to_numpy(float)
    return np.full(len(df), np.nan)


@styled
def distance_histograms(df):
    """Draw Fig. 2: distances by three sources at parallax over error above 5, 10, 20."""
    found, ratio = sources(df), parallax_ratio(df)
    fixed = found.pop("1/parallax, corrected", None)
    if not found or not np.isfinite(ratio).any():
        raise SuiteError("no parallax with its error, r_med_geo or distance_gspphot is here")
    figure, axes = panels(len(found), columns=3, width=3.9, height=3.2, sharey=True)
    every = np.concatenate([v[ratio > CUTS[0]] for v in found.values()])
    top = np.nanpercentile(every, 99.5) if np.isfinite(every).any() else 1000.0
    bins = np.linspace(0, top, 61)
    for axis, letter, (name, value) in zip(axes, "abc", found.items(), strict=False):
        for cut, colour, style, grey in zip(
            CUTS, CUT_COLOURS, (":", "-.", "--"), GREYS, strict=True
        ):
            shown = ratio > cut
            axis.hist(value[shown & np.isfinite(value)], bins=bins, histtype="step", lw=1.4,
                      color=colour, label=rf"$\varpi/\sigma_\varpi > {cut:g}$")  # fmt: skip
            if fixed is not None:
                axis.hist(fixed[shown & np.isfinite(fixed)], bins=bins, histtype="step", lw=0.9,
                          color=grey, ls=style, label=f"1/corrected, > {cut:g}")  # fmt: skip
        axis.set(xlabel="distance (pc)", title=f"({letter}) {name}", xlim=(0, top))
    axes[0].set_ylabel("spectra")
    axes[0].legend(loc="upper right", fontsize=6.5)
    return figure


@styled
def gspphot_against_geometric(df):
    """Draw Fig. 3: GSP-Phot against geometric distances of stars with parallax over error > 5."""
    ratio = parallax_ratio(df)
    part = df[(ratio > CUTS[0])].dropna(subset=["distance_gspphot", "r_med_geo"])
    if len(part) < tables.FEWEST:
        raise SuiteError(f"only {len(part)} stars have distance_gspphot, r_med_geo and a parallax")
    x, y = part["r_med_geo"].to_numpy(float), part["distance_gspphot"].to_numpy(float)
    figure = Figure(figsize=(5.6, 6.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1))
    points = top.hexbin(x, y, gridsize=70, bins="log", cmap="viridis", mincnt=1, linewidths=0)
    figure.colorbar(points, ax=top, label="stars per cell", pad=0.01, aspect=25)
    low, high = 0, np.percentile(np.concatenate([x, y]), 99.7)
    top.plot([low, high], [low, high], ":", color=RED, lw=1.5)
    off = y - x
    order = np.argsort(parallax_ratio(part))
    colour = parallax_ratio(part)[order]
    dots = bottom.scatter(x[order], off[order], c=colour, s=3, lw=0, cmap="plasma", vmin=CUTS[0],
                          vmax=np.percentile(colour, 95), rasterized=True)  # fmt: skip
    figure.colorbar(dots, ax=bottom, label=r"$\varpi/\sigma_\varpi$", pad=0.01, aspect=25)
    bottom.axhline(0, color=RED, ls=":", lw=1.2)
    top.set(ylabel="GSP-Phot (pc)", xlim=(low, high), ylim=(low, high))
    bottom.set(xlabel="geometric distance (pc)", ylabel="GSP-Phot - geometric (pc)",
               ylim=span(off, share=0.5))  # fmt: skip
    return figure


@styled
def venn(df):
    """Draw Fig. 8: spectra without parallax, with a poor one, without GSP-Phot distance."""
    sets = tables.problem_sets(df)
    if "no_gspphot" not in sets:
        raise SuiteError("parallax, parallax_over_error and distance_gspphot are needed")
    if not any(v.any() for v in sets.values()):
        raise SuiteError("every star has a good parallax and a GSP-Phot distance")
    a, b, c = (sets[k] for k in ("no_parallax", "low_parallax", "no_gspphot"))
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    axis = figure.subplots()
    centres = {"a": (-0.62, 0.42), "b": (0.62, 0.42), "c": (0.0, -0.62)}
    names = {
        "a": f"no parallax\n{a.sum()}",
        "b": f"parallax_over_error ≤ 5\n{b.sum()}",
        "c": f"no GSP-Phot distance: {c.sum()}",
    }
    for (key, centre), colour in zip(centres.items(), (BLUE, RED, GREEN), strict=True):
        axis.add_patch(Circle(centre, 1.0, color=colour, alpha=0.3, lw=0))
        axis.add_patch(Circle(centre, 1.0, fill=False, ec=colour, lw=1.5))
        x, y = centre
        at = (x + (0.25 if x > 0 else -0.25) * (x != 0), y + 1.18 if y > 0 else y - 1.15)
        axis.text(*at, names[key], ha="center", va="center", fontsize=9, color=BLACK)
    parts = {
        (-1.0, 0.65): a & ~b & ~c, (1.0, 0.65): b & ~a & ~c, (0, -1.1): c & ~a & ~b,
        (0, 0.75): a & b & ~c, (-0.62, -0.22): a & c & ~b, (0.62, -0.22): b & c & ~a,
        (0, 0.1): a & b & c,
    }  # fmt: skip
    for at, mask in parts.items():
        axis.text(*at, f"{int(mask.sum())}", ha="center", va="center", fontsize=10, weight="bold")
    union = a | b | c
    axis.set_title(f"{int(union.sum())} of {len(df)} spectra ({100 * union.mean():.1f} %)")
    axis.set(xlim=(-2.1, 2.1), ylim=(-1.95, 1.85), aspect="equal")
    axis.set_axis_off()
    return figure


def _compare(axis, x, y, *, text, limits):
    """Fill an axis with a comparison: points by density, 1:1 line, 1-sigma lines."""
    density_scatter(axis, x, y)
    ends, sd = np.array(limits), np.nanstd(x - y)
    axis.plot(ends, ends, ":", color=BLACK, lw=1.2)
    for sign in (-1, 1):
        axis.plot(ends, ends + sign * sd, "--", color="#888888", lw=0.9)
    axis.text(0.04, 0.96, text, transform=axis.transAxes, va="top", fontsize=7.5,
              bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5})  # fmt: skip
    axis.set(xlim=limits, ylim=limits)


@styled
def pairwise_distances(table, others):
    """Draw Fig. 10: distances of this work and of other catalogues, pair by pair.

    Parameters
    ----------
    table : DataFrame
        From `comparison.distances`.
    others : sequence of comparison.External
    """
    wanted = [p for p in comparison.pairs(table.columns) if len(table[list(p)].dropna()) >= 2]
    if not wanted:
        raise SuiteError("no star is in one of the other catalogues of distances")
    figure, axes = panels(len(wanted), columns=3, width=3.6, height=3.4)
    for axis, (first, second) in zip(axes, wanted, strict=True):
        both = table[[first, second]].dropna()
        x, y = both[first].to_numpy(float), both[second].to_numpy(float)
        got = comparison.difference(both, first, second)
        text = (f"μ = {got['mean']:.0f}, σ = {got['sd']:.0f} pc\nfraction "
                f"{100 * got['mean_fraction']:+.1f} ± {100 * got['sd_fraction']:.1f} %\n"
                f"n = {got['n']}")  # fmt: skip
        high = np.percentile(np.concatenate([x, y]), 99.5) * 1.05
        _compare(axis, x, y, text=text, limits=(0, high))
        axis.set(xlabel=f"{comparison.label_of(first, others)} (pc)",
                 ylabel=f"{comparison.label_of(second, others)} (pc)")  # fmt: skip
    return figure


@styled
def surveys(df, others):
    """Draw Fig. 11: Teff, log g and [Fe/H] of this work and of other surveys."""
    rows = [(o, comparison.parameters(df, o)[0]) for o in others if o.is_survey]
    rows = [(o, both) for o, both in rows if len(both) >= 2]
    if not rows:
        raise SuiteError("no star is in a survey of parameters, or none passes the cuts")
    figure, axes = panels(3 * len(rows), columns=3, width=3.5, height=3.3)
    for i, (other, both) in enumerate(rows):
        for axis, key in zip(axes[3 * i : 3 * i + 3], comparison.PARAMETERS, strict=True):
            _parameter(axis, both, key, other.name)
    return figure


def _parameter(axis, both, key, name):
    what = tables.LABELS[key]
    rows = both.dropna(subset=[f"{key}_pred", f"{key}_true"])
    x, y = rows[f"{key}_pred"].to_numpy(float), rows[f"{key}_true"].to_numpy(float)
    if len(x) < 2:
        axis.text(0.5, 0.5, f"no {what.name} of {name}", ha="center", transform=axis.transAxes)
        return
    got = tables.spread(x - y)
    digits = 0 if what.unit == "K" else 3
    text = (f"μ = {got['bias']:+.{digits}f}\nσ = {got['sd']:.{digits}f} {what.unit}\n"
            f"n = {got['n']}")  # fmt: skip
    _compare(axis, x, y, text=text, limits=span(np.concatenate([x, y]), share=0.2))
    axis.set(xlabel=f"{what.symbol}, this work ({what.unit})",
             ylabel=f"{what.symbol}, {name} ({what.unit})")  # fmt: skip


@styled
def real_spectra(df, *, reference="LASP"):
    """Draw the predictions of real spectra against a catalogue's parameters, star by star.

    Parameters
    ----------
    df : DataFrame
        teff_pred, teff_true, ...; `flag_range` (or warning) marks stars beyond what was learned.
    reference : str
        Whose parameters the labels are.
    """
    known = [k for k in tables.LABELS if k in tables.quantities_of(df)]
    if not known:
        raise SuiteError("no spectrum has a catalogue's parameters")
    figure, axes = panels(len(known), columns=3, width=3.7, height=3.4)
    inside = np.ones(len(df), dtype=bool)
    if {"teff_true", "logg_true", "feh_true", "snr_g"} <= set(df):
        inside = tables.learned(df)
    kinds = {"solar-like, S/N_g >= 10": inside, "others: not what it learned": ~inside}
    for axis, key in zip(axes, known, strict=True):
        what = tables.LABELS[key]
        x, y = df[f"{key}_true"].to_numpy(float), df[f"{key}_pred"].to_numpy(float)
        good = np.isfinite(x) & np.isfinite(y)
        error = df[f"{key}_sigma"].to_numpy(float) if f"{key}_sigma" in df else None
        for (kind, of), colour, face in zip(kinds.items(), COLOURS, (None, "none"), strict=False):
            here = good & of
            if here.any():
                axis.errorbar(x[here], y[here], None if error is None else error[here], fmt="o",
                              ms=4, color=colour, mfc=face or colour, lw=0.8, alpha=0.8,
                              label=kind)  # fmt: skip
        low, high = span(np.concatenate([x[good], y[good]]), share=0, pad=0.06)
        axis.plot([low, high], [low, high], "--", color=BLACK, lw=1)
        judged = good & inside if (good & inside).any() else good
        got = tables.spread(y[judged] - x[judged])
        digits = 0 if what.unit == "K" else 3
        axis.set_title(f"bias {got['bias']:+.{digits}f}, scatter {got['sd']:.{digits}f} (MAD "
                       f"{got['mad_sigma']:.{digits}f}) {what.unit}, n = {got['n']}",
                       fontsize=8)  # fmt: skip
        axis.set(xlim=(low, high), ylim=(low, high))
        axis.set_xlabel(f"{what.symbol}, {reference} ({what.unit})")
        axis.set_ylabel(f"{what.symbol}, predicted ({what.unit})")
    axes[0].legend(loc="best", fontsize=6.5)
    return figure
