"""Emission-line fluxes of photoionised gas: H II regions and narrow-line regions of AGN.

The grids are MAPPINGS 5.1 models that ship with NebulaBayes (Thomas et al. 2018, ApJ 856, 89):
H II regions over log U, log P/k and 12 + log(O/H), narrow-line regions also over the peak energy of
the ionising spectrum (its photon index is 2 and its power-law share 0.15 throughout). Solar is
12 + log(O/H) = 8.76 (Nicholls et al. 2017, MNRAS 466, 4403): a theoretical scale, whose
distance from that of direct-method abundances `common.mocks.nebular` does not hide.
"""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from scipy.interpolate import RegularGridInterpolator

from common import assets

# Names of common.mocks.lines.VACUUM against the grids' columns.
COLUMNS = {
    "OII3727": "OII3726", "OII3729": "OII3729", "NeIII": "NeIII3869", "HeI3889": "HeI3889",
    "NeIII3968": "NeIII3967", "SII4069": "SII4069", "Hd": "Hdelta", "Hg": "Hgamma",
    "OIII4363": "OIII4363", "HeI4472": "HeI4472", "HeII4686": "HeII4686", "Hb": "Hbeta",
    "OIII": "OIII5007", "NI5198": "NI5198", "NI5200": "NI5200", "HeI5876": "HeI5876",
    "OI6300": "OI6300", "OI6364": "OI6364", "Ha": "Halpha", "NII": "NII6583",
    "HeI6678": "HeI6678", "SII6716": "SII6716", "SII6731": "SII6731", "HeI7065": "HeI7065",
    "OII7320": "OII7320", "SIII9069": "SIII9069", "SIII9531": "SIII9531",
}  # fmt: skip
# Lines that the grids leave out, as a share of one that they hold: ratios of transition
# probabilities (Storey & Zeippen 2000 for [O III] and [N II]) and case B at 10^4 K
# (Osterbrock & Ferland 2006, Table 4.4).
TIED = {
    "OIII4959": ("OIII", 1 / 2.98), "NII6548": ("NII", 1 / 3.05),
    "Heps": ("Hb", 0.159), "H8": ("Hb", 0.105), "OII7330": ("OII7320", 0.82),
}  # fmt: skip
AXES = {
    "hii": ("log U", "log P/k", "12 + log O/H"),
    "nlr": ("log U", "log P/k", "12 + log O/H", "log E_peak"),
}
FAINTEST = 1e-8  # of Hb: fluxes that a model gives as zero


class Nebulae:
    """Line fluxes relative to Hb, interpolated in a grid of models.

    Parameters
    ----------
    kind : {"hii", "nlr"}
        H II regions, or narrow-line regions of AGN.
    offline : bool
        Never touch the network.

    Attributes
    ----------
    axes : tuple of ndarray
        Values of log U, log P/k (K cm-3), 12 + log(O/H) and, for "nlr", log E_peak (keV).
    lines : tuple of str
        Names of `common.mocks.lines.VACUUM`.
    """

    def __init__(self, kind, *, offline=False):
        folder = assets.fetch("nebulabayes", offline=offline) / "NebulaBayes" / "grids"
        table = Table.read(folder / f"NB_{kind.upper()}_grid.fits.gz")
        names = AXES[kind]
        table.sort(list(names))
        self.axes = tuple(np.unique(np.asarray(table[name], dtype=float)) for name in names)
        shape = tuple(len(axis) for axis in self.axes)
        columns = [np.ma.filled(table[c].astype(float), 0.0) for c in COLUMNS.values()]
        flux = np.stack([np.nan_to_num(c).reshape(shape) for c in columns], axis=-1)
        self.lines = (*COLUMNS, *TIED)
        self._interpolate = RegularGridInterpolator(
            self.axes, np.log10(np.maximum(flux, FAINTEST)), bounds_error=True
        )

    def fluxes(self, *, log_u, log_p, oh, log_e_peak=None):
        """Return line fluxes relative to Hb, linear in log flux between models.

        Parameters
        ----------
        log_u, log_p, oh, log_e_peak : ndarray of shape (n,)
            Ionisation parameter, pressure P/k (K cm-3), 12 + log(O/H) on the grid's own scale and
            peak energy (keV; "nlr" only). Values outside the grid are moved to its edge.

        Returns
        -------
        dict of str to ndarray of shape (n,)
            A flux for each name of `lines`.
        """
        point = [log_u, log_p, oh] + ([] if log_e_peak is None else [log_e_peak])
        point = [np.clip(v, a[0], a[-1]) for v, a in zip(point, self.axes, strict=True)]
        flux = 10 ** self._interpolate(np.stack(np.broadcast_arrays(*point), axis=-1))
        out = dict(zip(COLUMNS, flux.T, strict=True))
        for name, (parent, share) in TIED.items():
            out[name] = share * out[parent]
        return out
