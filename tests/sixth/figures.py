"""The figure and the table of the made-up paper."""

import numpy as np
import pandas as pd

from common.figures import panels, styled
from common.plots import Plot


def scatter(df):
    """Return the mean and the standard deviation of dz as a table of one row."""
    dz = (df["z_pred"] - df["z_true"]) / (1 + df["z_true"])
    return pd.DataFrame([{"n": len(df), "mean": np.mean(dz), "sigma": np.std(dz)}])


@styled
def _redshifts(df):
    figure, (axis,) = panels(1, columns=1, width=4.0, height=3.5)
    axis.plot(df["z_true"], df["z_pred"], ".")
    axis.set(xlabel="true redshift", ylabel="predicted redshift")
    return figure


def plots(ev):
    """Return the figures of an evaluation."""
    needs = ("z_true", "z_pred")
    return [Plot("F1_redshifts", "Fig. 1: predicted and true redshifts",
                 lambda: _redshifts(ev.df), needs, 12)]  # fmt: skip
