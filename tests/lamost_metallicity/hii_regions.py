"""Strong-line ratios of the mock's lines and of real H II regions, which must agree."""

import numpy as np

BALMER = 2.86  # Ha / Hb, case B at 10^4 K (Osterbrock & Ferland 2006, Table 4.4)


def ratios(*, oii, oiii, nii, sii, ha):
    """Return log10 of the strong-line ratios of dereddened fluxes relative to Hb.

    N2 = [N II]/Ha, O3 = [O III]/Hb, S2 = [S II]/Ha, R23 = ([O II] + 1.33 [O III])/Hb,
    O3N2 = O3 - N2 (Pettini & Pagel 2004), N2O2 = [N II]/[O II], O32 = [O III]/[O II].
    """
    n2, o3 = np.log10(nii / ha), np.log10(oiii)
    return {
        "N2": n2, "O3": o3, "S2": np.log10(sii / ha), "R23": np.log10(oii + 1.33 * oiii),
        "O3N2": o3 - n2, "N2O2": np.log10(nii / oii), "O32": np.log10(oiii / oii),
    }  # fmt: skip


def mock_ratios(fluxes):
    """Return `ratios` of fluxes relative to Hb as the mock's `Lines.star_formation` gives them."""
    oii, sii = fluxes["OII3727"] + fluxes["OII3729"], fluxes["SII6716"] + fluxes["SII6731"]
    return ratios(oii=oii, oiii=fluxes["OIII"], nii=fluxes["NII"], sii=sii, ha=fluxes["Ha"])


def read_hii_regions(shared_data):
    """Return `ratios` and direct-method 12 + log(O/H), "oh", of observed H II regions.

    They are Ho 2019's compilation (MNRAS 485, 3569; with Pilyugin & Grebel 2016, MNRAS 457, 3678).
    """
    path = shared_data / "reference/metallicity/hii_regions_direct.dat"
    oii, oiii, nii, sii, oh = np.genfromtxt(path, usecols=range(5), comments="#").T
    return {**ratios(oii=oii, oiii=oiii, nii=nii, sii=sii, ha=BALMER), "oh": oh}


def share_inside(made, cloud, x, y, *, width=0.1, level=0.025):
    """Return the share of points within the middle of an observed cloud, and how many were tested.

    The cloud is cut `width` to either side of a point's x, and `level` of its y at either end.
    Points with fewer than 15 observed ones near are not tested.
    """
    inside = []
    for a, b in zip(made[x], made[y], strict=True):
        near = cloud[y][np.abs(cloud[x] - a) < width]
        if len(near) >= 15:
            low, high = np.quantile(near, (level, 1 - level))
            inside.append(low <= b <= high)
    return (float(np.mean(inside)) if inside else np.nan), len(inside)
