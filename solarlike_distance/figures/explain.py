"""Figs. 15 and 16: normalised mean |SHAP| of the five labels along the spectrum."""

from __future__ import annotations

from common import attribution
from common.colours import BLUE, COLOURS
from common.figures import Figure, mark_lines, styled
from solarlike_distance.lines import LINES, RANGE
from solarlike_distance.tables.scatter import LABELS

STYLES = (("#CC79A7", "-"), (BLUE, ":"))  # as the paper: pink lines, blue dotted lines


@styled
def by_kind(*, wavelength, parts):
    """Draw normalised mean |SHAP| of two kinds of stars, a panel for each label.

    Parameters
    ----------
    wavelength : ndarray of shape (n_pixels,)
        Å, vacuum, at rest.
    parts : dict of str to ndarray of shape (5, n_pixels)
        Kind of star → normalised mean |SHAP| of each label.
    """
    figure, axes = _panels()
    for i, (axis, what) in enumerate(zip(axes, LABELS.values(), strict=True)):
        for (name, curves), (colour, style) in zip(parts.items(), STYLES, strict=False):
            axis.plot(wavelength, curves[i], style, color=colour, lw=0.9, label=name)
        axis.set_ylabel(what.symbol)
    return _finish(figure, axes, "normalised mean |SHAP|")


@styled
def methods(*, wavelength, made):
    """Draw SHAP, integrated gradients and gradients side by side, a panel for each label.

    Parameters
    ----------
    wavelength : ndarray of shape (n_pixels,)
    made : dict of str to ndarray of shape (n, 5, n_pixels)
    """
    figure, axes = _panels()
    for k, (name, values) in enumerate(made.items()):
        curves = attribution.normalised(values)
        for i, axis in enumerate(axes):
            axis.plot(wavelength, curves[i], "-", color=COLOURS[k], lw=0.7, alpha=0.9, label=name)
    for axis, what in zip(axes, LABELS.values(), strict=True):
        axis.set_ylabel(what.symbol)
    return _finish(figure, axes, "normalised mean |attribution|")


def _panels():
    figure = Figure(figsize=(10.0, 8.6), layout="constrained")
    return figure, figure.subplots(len(LABELS), 1, sharex=True)


def _finish(figure, axes, text):
    for axis in axes:
        axis.set(xlim=RANGE, ylim=(0, 1.05))
        axis.grid(axis="y", visible=False)
        for wave in LINES.values():
            axis.axvline(wave, color="#bbbbbb", lw=0.5, ls=":", zorder=0)
    mark_lines(axes[0], LINES)
    axes[0].legend(loc="upper right")
    axes[-1].set_xlabel("wavelength (Å, vacuum, rest frame)")
    figure.supylabel(text, fontsize=9)
    return figure
