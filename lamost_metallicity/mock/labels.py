"""What SDSS and MPA-JHU would say of the mock's galaxies: measured lines, classes, labels."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

MISSING = -9999.0  # MPA-JHU's own mark, written into its table layout only
# galSpecLine's names against common.mocks.lines.VACUUM's.
LINES = {
    "OII_3726": "OII3727", "OII_3729": "OII3729", "NEIII_3869": "NeIII", "H_DELTA": "Hd",
    "H_GAMMA": "Hg", "OIII_4363": "OIII4363", "H_BETA": "Hb", "OIII_4959": "OIII4959",
    "OIII_5007": "OIII", "HEI_5876": "HeI5876", "OI_6300": "OI6300", "NII_6548": "NII6548",
    "H_ALPHA": "Ha", "NII_6584": "NII", "SII_6717": "SII6716", "SII_6731": "SII6731",
}  # fmt: skip
BLUE = ("OII_3726", "OII_3729", "NEIII_3869", "H_DELTA")  # where SDSS's errors are twice as large
FLUX_ERROR = 1.6  # 1e-17 erg / (s cm2), of a faint line in an SDSS spectrum of sky-limited depth
CONTINUUM_ERROR = 0.09  # Å of equivalent width: photons of the stars and their subtraction
PERCENTILES = ("P2P5", "P16", "P50", "P84", "P97P5")


def kauffmann(n2):
    """Return log [O III]/Hb of Kauffmann et al. 2003, MNRAS 346, 1055, Eq. 1; -inf beyond it."""
    n2 = np.asarray(n2, dtype=float)
    return np.where(n2 < 0.05, 0.61 / np.minimum(n2 - 0.05, -1e-6) + 1.3, -np.inf)


def kewley(n2):
    """Return log [O III]/Hb of Kewley et al. 2001, ApJ 556, 121, Eq. 5; -inf beyond it."""
    n2 = np.asarray(n2, dtype=float)
    return np.where(n2 < 0.47, 0.61 / np.minimum(n2 - 0.47, -1e-6) + 1.19, -np.inf)


def measure(fluxes, *, fibre_r, rng):
    """Return SDSS-like measured fluxes and errors of the lines.

    Parameters
    ----------
    fluxes : dict of str to ndarray of shape (n,)
        Noise-free, 1e-17 erg / (s cm2).
    fibre_r : ndarray of shape (n,)
        r through the fibre, mag.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to (flux, error)
        By galSpecLine's names. The error grows with the line's own photons.
    """
    n = len(fluxes["Ha"])
    level = 10 ** (-0.4 * (fibre_r - 18.5)) * 11.1  # 1e-17 erg / (s cm2 Å), at 6250 Å
    sky = np.hypot(FLUX_ERROR, CONTINUUM_ERROR * level) * 10 ** rng.normal(0, 0.12, n)
    out = {}
    for name, key in LINES.items():
        base = sky * (2.0 if name in BLUE else 1.0)
        error = np.sqrt(base**2 + 0.25 * fluxes[key] + (0.01 * fluxes[key]) ** 2)
        out[name] = fluxes[key] + error * rng.standard_normal(n), error
    return out


def bpt_class(lines):
    """Return MPA-JHU's class from measured lines.

    Brinchmann et al. 2004, MNRAS 351, 1151, Sect. 3 with the curves of Kauffmann et al. 2003 and
    Kewley et al. 2001.

    Parameters
    ----------
    lines : dict of str to (flux, error)
        From `measure`.

    Returns
    -------
    ndarray of shape (n,), int
        1 star-forming, 2 star-forming of low S/N, 3 composite, 4 AGN, 5 LINER of low S/N,
        -1 unclassifiable.
    """
    ha, n2, hb, o3 = (lines[k] for k in ("H_ALPHA", "NII_6584", "H_BETA", "OIII_5007"))
    snr = [flux / error for flux, error in (ha, n2, hb, o3)]
    strong = np.min(snr, axis=0) > 3
    x = np.log10(np.maximum(n2[0], 1e-9) / np.maximum(ha[0], 1e-9))
    y = np.log10(np.maximum(o3[0], 1e-9) / np.maximum(hb[0], 1e-9))
    liner = (snr[0] > 3) & (snr[1] > 3) & (x > np.log10(0.6))
    out = np.full(len(x), -1)
    out[snr[0] > 2] = 2
    out[liner] = 5
    out[strong & (y < kauffmann(x))] = 1
    out[strong & (y >= kauffmann(x))] = 3
    out[strong & (y >= kewley(x))] = 4
    return out


def oxygen_error(lines):
    """Return the error of oh_p50 in dex: 0.03 at best, 0.1 for lines at 3 sigma.

    The weakest of Hb, [O III], [N II] limits the likelihoods of Tremonti et al. 2004. An [O III]
    fainter than Hb counts as Hb: that it is faint is what tells of the metallicity. The paper's
    whole scatter of 0.05 dex at high S/N (Fig. 5a) is the most that labels there can have.
    """
    hb, o3, n2 = (lines[k] for k in ("H_BETA", "OIII_5007", "NII_6584"))
    seen = (hb[0] / hb[1], np.maximum(o3[0], hb[0]) / o3[1], n2[0] / n2[1])
    return np.clip(np.hypot(0.03, 0.27 / np.maximum(np.min(seen, axis=0), 1)), 0.03, 0.1)


def label(galaxies, lines, rng):
    """Return the labels that MPA-JHU would give: the planted value and an error of its own.

    Parameters
    ----------
    galaxies : dict of str to ndarray
        From `mock_population.draw`.
    lines : dict of str to (flux, error)
        From `measure`.
    rng : numpy.random.Generator

    Returns
    -------
    values, errors : dict of str to ndarray of shape (n,)
        oh (NaN unless class 1), lgm_tot, lgm_fib, sfr_tot, sfr_fib.
    bptclass : ndarray of shape (n,), int
    """
    n = len(galaxies["z"])
    bptclass = bpt_class(lines)
    young = bptclass == 1
    errors = {
        "oh": oxygen_error(lines),
        "lgm_tot": np.full(n, 0.09), "lgm_fib": np.full(n, 0.08),
        "sfr_tot": np.where(young, 0.2, 0.4), "sfr_fib": np.where(young, 0.15, 0.4),
    }  # fmt: skip
    values = {k: galaxies[k] + e * rng.standard_normal(n) for k, e in errors.items()}
    values["oh"] = np.where(young, values["oh"], np.nan)
    return values, errors, bptclass


def tables(*, ids, ra, dec, z, fibre_r, lines, values, errors, bptclass, gas_kms):
    """Return HDUs in the layouts of galSpecInfo, galSpecExtra and galSpecLine (DR8).

    Parameters
    ----------
    ids : ndarray of str, shape (n,)
        SPECOBJID.
    ra, dec, z, fibre_r, gas_kms : ndarray of shape (n,)
    lines, values, errors, bptclass
        From `measure` and `label`.

    Returns
    -------
    dict of str to astropy.io.fits.BinTableHDU
    """
    n, number = len(ids), np.arange(len(ids))

    def marked(x):
        return np.where(np.isfinite(x), x, MISSING)

    info = {
        "SPECOBJID": ids, "PLATEID": (30000 + number // 640).astype("i4"),
        "MJD": np.full(n, 58000, "i4"), "FIBERID": (number % 640 + 1).astype("i4"),
        "RA": ra, "DEC": dec, "SPECTROTYPE": np.full(n, "GALAXY"), "SUBCLASS": np.full(n, ""),
        "Z": z.astype("f4"), "Z_ERR": np.full(n, 1e-5, "f4"), "Z_WARNING": np.zeros(n, "i4"),
        "V_DISP": gas_kms.astype("f4"), "RELIABLE": np.ones(n, "i4"),
        "FIBERMAG_R": fibre_r.astype("f4"),
    }  # fmt: skip
    extra = {"SPECOBJID": ids, "BPTCLASS": bptclass.astype("i4")}
    for name, sigmas in (("OH", "oh"), ("LGM_TOT", "lgm_tot"), ("LGM_FIB", "lgm_fib"),
                         ("SFR_TOT", "sfr_tot"), ("SFR_FIB", "sfr_fib")):  # fmt: skip
        for tag, sigma in zip(PERCENTILES, (-2, -1, 0, 1, 2), strict=True):
            value = values[sigmas] + sigma * errors[sigmas]
            extra[f"{name}_{tag}"] = marked(value).astype("f4")
    line = {"SPECOBJID": ids}
    for name, (flux, error) in lines.items():
        line[f"{name}_FLUX"], line[f"{name}_FLUX_ERR"] = flux.astype("f4"), error.astype("f4")
    return {
        name: fits.BinTableHDU(np.rec.fromarrays(list(t.values()), names=list(t)), name=name)
        for name, t in (("galSpecInfo", info), ("galSpecExtra", extra), ("galSpecLine", line))
    }
