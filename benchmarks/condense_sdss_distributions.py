"""Condense the authors' released labels into the small table that shapes the SDSS mock.

``python benchmarks/condense_sdss_distributions.py test_results.fits OUT.ecsv``: per extragalactic
class 21 quantiles of z, and in 5 bins of equal number in z, 11 quantiles of the S/N.
"""

from __future__ import annotations

import sys

import numpy as np
from astropy.table import Table

Z_LEVELS = np.linspace(0, 1, 21)
SNR_LEVELS = np.array([0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.995])
BINS = 5


def main(source, target):
    rows = Table.read(source)
    names = np.array([f"{c}_{s}" for c, s in zip(rows["class"], rows["subclass"], strict=True)])
    out = Table(
        names=("class", "quantity", "bin", "level", "value"), dtype=("U20", "U4", int, float, float)
    )
    for name in sorted(set(names)):
        z = np.asarray(rows["label"][names == name], float).ravel()
        snr = np.asarray(rows["SNR"][names == name], float).ravel()
        for level in Z_LEVELS:
            out.add_row((name, "z", -1, round(level, 4), round(float(np.quantile(z, level)), 5)))
        edges = np.quantile(z, np.linspace(0, 1, BINS + 1))
        where = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, BINS - 1)
        for k in range(BINS):
            for level in SNR_LEVELS:
                value = max(float(np.quantile(snr[where == k], level)), 0.2)
                out.add_row((name, "snr", k, level, round(value, 3)))
    out.meta["comments"] = [
        "Condensed from the test set that the authors of GaSNet-II released (SDSS DR16).",
        "z: quantiles; snr: quantiles of SN_MEDIAN_ALL in 5 bins of equal number in z.",
    ]
    out.write(target, format="ascii.ecsv", overwrite=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
