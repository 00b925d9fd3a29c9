"""What a notebook shows of `Spectra`: what the batch is, and its first spectra in small."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

FIRST = 5  # spectra that are drawn
WIDTH, HEIGHT, POINTS = 260, 42, 130  # pixels of a drawing, and points of its line
SHOWN = ("survey", "ra", "dec", "snr", "class", "z")


def html_of(spectra):
    """Return HTML for a batch of `common.spectra.Spectra`."""
    n, cells = len(spectra), []
    meta = [name for name in SHOWN if name in spectra.meta and spectra.meta[name].notna().any()]
    for i in range(min(n, FIRST)):
        values = "".join(f"<td>{escape(_text(spectra.meta[name].iloc[i]))}</td>" for name in meta)
        cells.append(f"<tr><td>{escape(str(spectra.ids[i]))}</td>{values}"
                     f"<td>{drawing(spectra, i)}</td></tr>")  # fmt: skip
    ends = [spectra.wavelength_of(i)[[0, -1]] for i in range(n if spectra.is_ragged else min(n, 1))]
    reach = f"{min(e[0] for e in ends):.0f}–{max(e[1] for e in ends):.0f} Å" if ends else "empty"
    grid = "own grids" if spectra.is_ragged else "one grid"
    head = "".join(f"<th>{escape(name)}</th>" for name in ("id", *meta, "flux"))
    more = f"<p>and {n - FIRST} more</p>" if n > FIRST else ""
    return (
        f"<div><b>Spectra</b>: {n}, {reach}, {grid}, {escape(spectra.medium)}, "
        f"{escape(spectra.frame)}, flux in {escape(spectra.unit)}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(cells)}</tbody></table>{more}</div>"
    )


def _text(value):
    if isinstance(value, float | np.floating):
        return f"{value:.5g}"
    return "" if pd.isna(value) else str(value)


def drawing(spectra, i):
    """Return a small SVG of a spectrum: means of neighbouring pixels that count."""
    flux = np.where(spectra.informative(i), np.asarray(spectra.flux[i], dtype=float), np.nan)
    parts = [p[np.isfinite(p)] for p in np.array_split(flux, min(POINTS, max(len(flux), 1)))]
    level = np.array([p.mean() if len(p) else np.nan for p in parts])
    known = np.isfinite(level)
    if not known.any():
        return "no information"
    low, high = np.quantile(level[known], [0.005, 0.995])
    y = HEIGHT - 2 - (HEIGHT - 4) * np.clip((level - low) / ((high - low) or 1.0), 0, 1)
    x = np.linspace(1, WIDTH - 1, len(level))
    points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x[known], y[known], strict=True))
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="flux"><polyline '
        f'points="{points}" fill="none" stroke="currentColor" stroke-width="1"/></svg>'
    )
