"""Strong-line ratios of the mock's lines and of real H II regions, which must agree."""

from __future__ import annotations

import numpy as np

BALMER = 2.86  # Ha / Hb, case B at 10^4 K (Osterbrock & Ferland 2006, Table 4.4)


def ratios(*, oii, oiii, nii, sii, ha):
    """Return the strong-line ratios of dereddened fluxes.

    Parameters
    ----------
    oii, oiii, nii, sii, ha : ndarray of shape (n,)
        [O II] 3726+3729, [O III] 5007, [N II] 6583, [S II] 6716+6731 and Ha relative to Hb.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        log10 of: N2 = [N II]/Ha, O3 = [O III]/Hb, S2 = [S II]/Ha, R23 = ([O II] + 1.33 [O III])/Hb,
        O3N2 = O3 - N2 (Pettini & Pagel 2004), N2O2 = [N II]/[O II], O32 = [O III]/[O II].
    """
    n2, o3 = np.log10(nii / ha), np.log10(oiii)
    return {
        "N2": n2, "O3": o3, "S2": np.log10(sii / ha), "R23": np.log10(oii + 1.33 * oiii),
        "O3N2": o3 - n2, "N2O2": np.log10(nii / oii), "O32": np.log10(oiii / oii),
    }  # fmt: skip


def mock_ratios(fluxes):
    """Return `ratios` of fluxes relative to Hb as the mock's `Lines.star_formation` gives them."""
    return ratios(
        oii=fluxes["OII3727"] + fluxes["OII3729"], oiii=fluxes["OIII"], nii=fluxes["NII"],
        sii=fluxes["SII6716"] + fluxes["SII6731"], ha=fluxes["Ha"],
    )  # fmt: skip


def read_hii_regions(path):
    """Return ratios and direct-method abundances of observed H II regions.

    Parameters
    ----------
    path : path-like
        Ho 2019's compilation (MNRAS 485, 3569; with Pilyugin & Grebel 2016, MNRAS 457, 3678):
        dereddened [O II], [O III], [N II], [S II] relative to Hb and 12 + log(O/H).

    Returns
    -------
    dict of str to ndarray of shape (n,)
        As `ratios`, and "oh".
    """
    oii, oiii, nii, sii, oh = np.genfromtxt(path, usecols=range(5), comments="#").T
    return {**ratios(oii=oii, oiii=oiii, nii=nii, sii=sii, ha=BALMER), "oh": oh}


def share_inside(*, x, y, cloud_x, cloud_y, width=0.1, level=0.025):
    """Return the share of points within the middle of an observed cloud at their abscissa.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
    cloud_x, cloud_y : ndarray of shape (m,)
    width : float
        Half-width in x of the slice of the cloud around each point.
    level : float
        Tail of the slice's distribution in y left out on either side.

    Returns
    -------
    share : float
    tested : int
        Points whose slice holds at least 15 observed ones; others are not counted.
    """
    inside = []
    for a, b in zip(x, y, strict=True):
        near = cloud_y[np.abs(cloud_x - a) < width]
        if len(near) >= 15:
            low, high = np.quantile(near, (level, 1 - level))
            inside.append(low <= b <= high)
    return (float(np.mean(inside)) if inside else np.nan), len(inside)
