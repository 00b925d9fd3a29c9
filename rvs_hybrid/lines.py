"""Lines that labels come from: where they are, what Gaia makes of them, how much they weigh."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.explain import line_weight
from rvs_hybrid.config import RVS_GRID, XP_GRID

GRIDS = {"rvs": RVS_GRID / 10, "xp": XP_GRID / 10}  # nm, vacuum
GRIDS |= {f"{name}_line": wave for name, wave in GRIDS.items()}
CA_TRIPLET = ((850.036, 0.5), (854.444, 1.2), (866.452, 1.1))
"""nm, vacuum: centres and half widths of the lines with their wings in late-type stars."""
WINDOWS = {
    "rvs": {"Ca II triplet": CA_TRIPLET},
    "xp": {
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
N_RANDOM = 500
FEWEST = 10  # stars of a group whose lines are weighed


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


def line_weights(found, inputs, groups, labels, *, seed=0):
    """Return how much more a network looks at known lines than at random windows.

    Parameters
    ----------
    found : dict of str to ndarray of shape (n, n_labels, columns)
        As `gradients` gives them.
    inputs : dict of str to ndarray of shape (n, columns)
    groups : ndarray of str, shape (n,)
    labels : sequence of str
    seed : int
        Of the random windows.

    Returns
    -------
    DataFrame
        group ("all" besides those given), label, input, lines; weight, random, ratio and p_value
        of the label's change through the lines; gradient_ratio and gradient_p_value of the mean
        |gradient| by unresolved lines: see `common.explain.line_weight`.
    """
    rows = []
    for name, known in WINDOWS.items():
        if name not in found:
            continue
        lines_gradient = found[name] @ line_spread(name)
        for which in ("all", *np.unique(groups)):
            here = (groups == which) | (which == "all")
            if here.sum() < FEWEST:
                continue
            flux = np.asarray(inputs[name][here], float)
            deviation = flux - flux.mean(axis=0)
            for i, label in enumerate(labels):
                for lines, windows in known.items():
                    by_change = line_weight(
                        found[name][here, i], GRIDS[name], windows, deviation=deviation,
                        n_random=N_RANDOM, rng=np.random.default_rng(seed),
                    )  # fmt: skip
                    by_size = line_weight(
                        lines_gradient[here, i], GRIDS[name], windows,
                        n_random=N_RANDOM, rng=np.random.default_rng(seed),
                    )  # fmt: skip
                    about = dict(group=which, label=label, input=name, lines=lines)
                    extra = {f"gradient_{k}": by_size[k] for k in ("ratio", "p_value")}
                    rows.append(about | by_change | extra)
    return pd.DataFrame(rows)
