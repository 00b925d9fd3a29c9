"""Emission lines of the mock's galaxies: H II regions on the label's scale, narrow-line regions."""

from __future__ import annotations

import numpy as np

from common.mocks.dust import cardelli
from common.mocks.instrument import STEP, pixel_of
from common.mocks.lamost import lsf_kms
from common.mocks.lines import VACUUM, add_gaussian, peak_of_flux, width_in_pixels
from common.mocks.nebular import Nebulae

# The label's abundance (MPA-JHU; Tremonti et al. 2004) against the H II grid's abundance and log U,
# and factors (dex) on [N II] and on [S II], [O I]. Fitted at log P/k = 5.8 so that galaxies of a
# label have the [N II]/Ha of Kewley & Ellison 2008 (Table 3, PP04 N2 to T04), the [O III]/Hb of the
# star-forming ridge (Kewley et al. 2013, ApJ 774, 100: 0.61 / (N2 + 0.08) + 1.1) and, more loosely,
# the R23 of Tremonti et al. 2004, Eq. 1; below 8.2 the lines of real H II regions. [N II] rises by
# secondary nitrogen at the metal-rich end; [S II], [O I] and [N I], which the grid underestimates,
# to the level of H II regions and, above 8.5, of galaxies with their diffuse gas (+0.1 dex). At
# equal lines the grid's abundance lies 0.1 to 0.3 dex below the label's above 8.5.
SCALE = {
    "label": (7.6, 7.9, 8.1, 8.3, 8.5, 8.7, 8.8, 8.9, 9.0, 9.1, 9.2, 9.3, 9.4),
    "oh": (7.80, 8.03, 8.18, 8.30, 8.40, 8.52, 8.61, 8.71, 8.81, 8.90, 8.98, 9.05, 9.10),
    "log_u": (-2.1, -2.2, -2.38, -2.6, -2.83, -2.93, -2.95, -2.90, -2.88, -2.89, -2.90, -2.92,
              -2.92),
    "log_n": (0, 0, 0, -0.04, -0.01, 0, 0, 0, 0, 0.02, 0.07, 0.14, 0.2),
    "log_s": (0.45, 0.42, 0.37, 0.3, 0.22, 0.17, 0.14, 0.12, 0.11, 0.11, 0.11, 0.11, 0.11),
}  # fmt: skip
SCATTER = {"log_u": 0.10, "log_n": 0.06, "log_s": 0.08}  # dex, at one label
LOG_PRESSURE = (5.8, 0.3)  # log P/k (K cm-3): electron densities near 50 per cm3, and its spread
# Narrow-line regions: 12 + log(O/H) of the grid, log U, log E_peak (keV): mean and spread.
NLR = {
    "seyfert": ((8.95, 0.08), (-3.15, 0.15), (-1.45, 0.12)),
    "liner": ((8.95, 0.08), (-3.55, 0.12), (-1.45, 0.12)),
}
HA_PER_SFR = 41.27  # log of erg/s per solar mass a year, Kroupa IMF (Kennicutt & Evans 2012)
MPC = 3.0857e24  # cm


class Lines:
    """Line fluxes of star-forming and active galaxies.

    `offline` and its errors are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False):
        self.hii = Nebulae("hii", offline=offline)
        self.nlr = Nebulae("nlr", offline=offline)

    def star_formation(self, oh, rng):
        """Return the H II lines relative to Hb, and the state of the gas that gave them.

        Parameters
        ----------
        oh : ndarray of shape (n,)
            12 + log(O/H) on the label's scale.
        rng : numpy.random.Generator or None
            None: no scatter, the mean relation.

        Returns
        -------
        fluxes : dict of str to ndarray of shape (n,)
        state : dict of str to ndarray of shape (n,)
            oh_grid, log_u, log_p.
        """
        n = len(oh)

        def scatter(name):
            return 0 if rng is None else rng.normal(0, SCATTER[name], n)

        at = {key: np.interp(oh, SCALE["label"], SCALE[key]) for key in SCALE if key != "label"}
        mean, spread = LOG_PRESSURE
        log_p = np.full(n, mean) if rng is None else rng.normal(mean, spread, n)
        log_u = at["log_u"] + scatter("log_u")
        fluxes = self.hii.fluxes(log_u=log_u, log_p=log_p, oh=at["oh"])
        nitrogen = 10 ** (at["log_n"] + scatter("log_n"))
        diffuse = 10 ** (at["log_s"] + scatter("log_s"))
        for name in fluxes:
            if name.startswith("NII"):
                fluxes[name] = fluxes[name] * nitrogen
            elif name.startswith(("SII6", "SII4", "OI6", "NI5")):
                fluxes[name] = fluxes[name] * diffuse
        return fluxes, {"oh_grid": at["oh"], "log_u": log_u, "log_p": log_p}

    def narrow(self, kind, n, rng):
        """Return narrow-line-region lines relative to Hb.

        Parameters
        ----------
        kind : ndarray of str, shape (n,)
            "seyfert" or "liner".
        n : int
        rng : numpy.random.Generator
        """
        oh, log_u, log_e = (
            np.where(kind == "liner", rng.normal(*liner, n), rng.normal(*seyfert, n))
            for liner, seyfert in zip(NLR["liner"], NLR["seyfert"], strict=True)
        )
        log_p = rng.normal(6.4, 0.3, n)
        return self.nlr.fluxes(log_u=log_u, log_p=log_p, oh=oh, log_e_peak=log_e)

    def observed(self, galaxies, rng):
        """Return reddened line fluxes of `mock_population.draw`'s galaxies as the fibre sees them.

        Returns
        -------
        fluxes : dict of str to ndarray of shape (n,)
            1e-17 erg / (s cm2), one entry per line of `common.mocks.lines.VACUUM` in the grid.
        state : dict of str to ndarray of shape (n,)
            oh_grid, log_u, log_p of the star-forming gas.
        """
        n = len(galaxies["z"])
        young, state = self.star_formation(galaxies["oh"], rng)
        weak = (galaxies["population"] == "passive") | (rng.random(n) < 0.35)
        active = self.narrow(np.where(weak, "liner", "seyfert"), n, rng)
        ha = 10 ** (galaxies["sfr_fib"] + HA_PER_SFR - np.log10(4 * np.pi) + 17)
        ha /= (galaxies["distance"] * MPC) ** 2
        extra = ha * galaxies["nlr"] / (1 - galaxies["nlr"])
        out = {}
        for name in young:
            intrinsic = ha * young[name] / young["Ha"] + extra * active[name] / active["Ha"]
            k = cardelli(VACUUM[name])
            out[name] = intrinsic * 10 ** (-0.4 * k * galaxies["ebv_gas"])
        return out, state


def add_lines(flux, *, fluxes, z, kms):
    """Add Gaussian lines as LAMOST sees them to spectra on the mocks' model grid, in place.

    Parameters
    ----------
    flux : ndarray of shape (n, MODEL_PIXELS)
        1e-17 erg / (s cm2 Å).
    fluxes : dict of str to ndarray of shape (n,)
        From `Lines.observed`.
    z, kms : ndarray of shape (n,)
        Redshift; dispersion of the gas in km/s.
    """
    for name, value in fluxes.items():
        rest = VACUUM[name]
        width = width_in_pixels(kms=kms, step=STEP, lsf_kms=lsf_kms(rest * (1 + z)))
        peak = peak_of_flux(area=value / (1 + z), rest=rest, sigma_pixels=width, step=STEP)
        add_gaussian(flux, centre=pixel_of(rest=rest, z=z), sigma=width, peak=peak, reach=4.0)
