"""Extinction in G from observed and intrinsic colour, as the released code has it."""

from __future__ import annotations

import numpy as np

R_G, R_BP, R_RP = 0.83627, 1.08337, 0.63439  # A_X / A_V, [code]
PER_COLOUR = R_G / (R_BP - R_RP)  # A_G per magnitude of E(BP-RP)


def from_colour(*, bp_rp, bprp, bp_rp_error=0.0, bprp_sigma=0.0):
    """Return A_G and its error.

    Parameters
    ----------
    bp_rp : array-like of shape (n,)
        Observed BP - RP, mag.
    bprp : array-like of shape (n,)
        Intrinsic (BP-RP)_0 of the network, mag.
    bp_rp_error, bprp_sigma : array-like of shape (n,) or float
        Their errors, mag.

    Returns
    -------
    ag, ag_error : ndarrays of shape (n,)
        mag. A_G may be negative, as in the released code: cutting at 0 would make the nearest
        stars too near on average.
    """
    ag = PER_COLOUR * (np.asarray(bp_rp, float) - np.asarray(bprp, float))
    return ag, PER_COLOUR * np.hypot(bp_rp_error, bprp_sigma) * np.ones_like(ag)
