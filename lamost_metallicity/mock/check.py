"""The mock's emission lines beside real H II regions: the ratios that must agree, and a figure."""

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
    """Return `ratios` of fluxes relative to Hb as `mock_lines.Lines.star_formation` gives them."""
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


def figure_hii_regions(*, fluxes, label, oh_grid, regions):
    """Draw the mock's ratios and abundances over those of real H II regions.

    Parameters
    ----------
    fluxes : dict of str to ndarray of shape (n,)
        From `mock_lines.Lines.star_formation`.
    label, oh_grid : ndarray of shape (n,)
        12 + log(O/H) on the label's scale and on the grid's.
    regions : dict of str to ndarray
        From `read_hii_regions`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import matplotlib.pyplot as plt

    from lamost_metallicity.mock.labels import kauffmann, kewley

    mock = mock_ratios(fluxes)
    figure, axes = plt.subplots(2, 3, figsize=(11, 7), layout="constrained")
    axes = axes.ravel()
    dots = dict(ls="", marker=".", ms=2, rasterized=True)
    for axis, x, y in zip(axes, ("N2", "N2", "O3N2", "R23", "N2", "O32"),
                          ("O3", "oh", "oh", "oh", "S2", "N2O2"), strict=True):  # fmt: skip
        name = "H II regions" if y != "oh" else "H II regions, direct method"
        axis.plot(regions[x], regions[y], color="0.5", label=name, **dots)
        if y == "oh":
            axis.plot(mock[x], label, color="C3", label="mock, label's scale", **dots)
            axis.plot(mock[x], oh_grid, color="C0", label="mock, grid's scale", **dots)
        else:
            axis.plot(mock[x], mock[y], color="C3", label="mock", **dots)
        axis.set(xlabel=x, ylabel="12 + log(O/H)" if y == "oh" else y)
    n2 = np.linspace(-2.5, -0.02, 200)
    axes[0].plot(n2, kauffmann(n2), "k--", lw=1, label="Kauffmann et al. 2003")
    axes[0].plot(n2, kewley(n2), "k-", lw=1, label="Kewley et al. 2001")
    axes[0].set_ylim(-1.6, 1.2)
    n2 = np.linspace(-2.2, -0.3, 100)
    axes[1].plot(n2, np.polyval((0.32, 1.26, 2.03, 9.37), n2), "k-", lw=1, label="PP04 N2")
    o3n2 = np.linspace(-1, 1.9, 2)
    axes[2].plot(o3n2, 8.73 - 0.32 * o3n2, "k-", lw=1, label="PP04 O3N2")
    n2 = np.linspace(-1.6, -0.2, 2)
    axes[1].plot(n2, 8.743 + 0.462 * n2, "k:", lw=1, label="M13 N2")
    o3n2 = np.linspace(-1.1, 1.7, 2)
    axes[2].plot(o3n2, 8.533 - 0.214 * o3n2, "k:", lw=1, label="M13 O3N2")
    for axis in axes[:3]:
        axis.legend(fontsize=6, markerscale=3)
    return figure
