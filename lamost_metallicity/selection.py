"""The paper's sample: cuts on LAMOST galaxies, labels from MPA-JHU, and what each cut leaves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.cuts import counted, printed

__all__ = ["counts_table", "kinds", "label", "printed", "select", "star_forming"]
Z_MAX = 0.25  # Sect. 2
SNR_MIN = 3.0  # S/N_r, Sect. 2
RADIUS = 1.0  # arcsec, Sect. 2
STAR_FORMING = 1  # bptclass
LOW_SNR = 2  # bptclass: star-forming by fainter lines
COMPOSITE = 3  # bptclass
PUBLISHED = {  # Sect. 2: spectra left after each cut
    "galaxies": 261381,
    "z < 0.25, S/N_r >= 3": 242500,
    'in MPA-JHU within 1"': 151000,
    "star-forming with oh_p50": 38500,
}
LABELS = {  # column of the predictions: column of MPA-JHU
    "z_mpajhu": "z",
    "petro_r": "petro_r",
    "bptclass": "bptclass",
    "oh_true": "oh_p50",
    "oh_true_err": "oh_err",
    "lgm_fib_true": "lgm_fib_p50",
    "lgm_tot_true": "lgm_tot_p50",
    "sfr_true": "sfr_fib_p50",
    "sfr_tot_true": "sfr_tot_p50",
}


def label(objects, mpajhu, *, radius=RADIUS):
    """Return the objects with their MPA-JHU values, row by row.

    Parameters
    ----------
    objects : DataFrame
        ra, dec in degrees, in any number of spectra for each galaxy.
    mpajhu : DataFrame
        As `common.surveys.mpajhu.read_mpajhu` returns it.
    radius : float
        Arcsec. An object takes the nearest MPA-JHU spectrum within it.

    Returns
    -------
    DataFrame
        The rows of `objects` in their order, with the columns of `LABELS`, specobjid, separation
        (arcsec), and is_sf: True for bptclass 1, False for every other class, -1 (mostly galaxies
        without lines) among them. What has no match has NaN, "" or a missing value.
    """
    out = objects.drop(columns=[c for c in LABELS if c in objects and c != "petro_r"])
    out = out.reset_index(drop=True)
    row, separation = _nearest(out, mpajhu, radius=radius)
    matched = row >= 0
    for ours, theirs in LABELS.items():
        if ours == "bptclass":
            value = pd.array([pd.NA] * len(out), dtype="Int64")
            value[matched] = mpajhu[theirs].to_numpy()[row[matched]]
        else:
            value = np.full(len(out), np.nan)
            value[matched] = mpajhu[theirs].to_numpy(dtype=float)[row[matched]]
            if ours in out:  # the LAMOST catalogue may know the magnitude itself
                value = np.where(np.isfinite(value), value, out[ours].to_numpy(dtype=float))
        out[ours] = value
    ids = np.full(len(out), "", dtype=object)
    ids[matched] = mpajhu["specobjid"].to_numpy()[row[matched]]
    out["specobjid"], out["separation"] = ids, separation
    klass = out["bptclass"]
    out["is_sf"] = (klass == STAR_FORMING).astype("boolean")
    return out


def kinds(labels, class_2):
    """Return which galaxies a classifier takes for star-forming, and which for others.

    Parameters
    ----------
    labels : DataFrame of n rows
        is_sf, bptclass.
    class_2 : {"out", "other"}
        What bptclass 2 is: neither, or another galaxy. See `Config.class_2`.

    Returns
    -------
    star_forming, other : ndarray of bool, shape (n,)
        Both False without a class.
    """
    other = labels["is_sf"].eq(False)
    if class_2 == "out":
        other &= labels["bptclass"].ne(LOW_SNR)
    return tuple(v.fillna(False).to_numpy(dtype=bool) for v in (labels["is_sf"].eq(True), other))


def star_forming(*, p_sf, p_other, confidence):
    """Return whether galaxies are called star-forming with confidence (Sect. 5.1).

    Parameters
    ----------
    p_sf, p_other : array-like of shape (n,)
        The classifier's two nodes, each in [0, 1] by itself.
    confidence : float

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    p_sf, p_other = np.asarray(p_sf, dtype=float), np.asarray(p_other, dtype=float)
    return (p_sf >= confidence) & (p_sf > p_other)


def select(objects, mpajhu, *, z_max=Z_MAX, snr_min=SNR_MIN, radius=RADIUS):
    """Apply the paper's cuts one after the other (Sect. 2).

    Parameters
    ----------
    objects : DataFrame
        One row for each LAMOST galaxy spectrum: id, ra, dec, z, snr_r.
    mpajhu : DataFrame
        As `common.surveys.mpajhu.read_mpajhu` returns it.
    z_max, snr_min, radius : float
        Limits: z below `z_max`, S/N_r at least `snr_min`, arcsec.

    Returns
    -------
    sample : DataFrame
        What passes z and S/N, labelled as `label` does, with the boolean columns matched and
        has_label (star-forming, with a metallicity: what the regression learns from).
    counts : DataFrame
        cut, n, fraction (of the row before), published.
    """
    good = (objects["z"] < z_max) & (objects["snr_r"] >= snr_min)
    sample = label(objects[good], mpajhu, radius=radius)
    sample["matched"] = sample["separation"].notna()
    sample["has_label"] = sample["is_sf"].fillna(False).astype(bool) & sample["oh_true"].notna()
    n = [len(objects), len(sample), int(sample["matched"].sum()), int(sample["has_label"].sum())]
    return sample, counts_table(n)


def counts_table(n):
    """Return the table of cuts from the four numbers of spectra left."""
    return counted(PUBLISHED, n, PUBLISHED.values())


def _nearest(objects, catalogue, *, radius):
    """Return the row in `catalogue` nearest to each object, -1 for none, and the separation.

    Not `by_position`: LAMOST saw many galaxies more than once, and each of these spectra takes the
    label, while pairs there are one-to-one.
    """
    from common.crossmatch import nearest

    ra, dec, other_ra, other_dec = (
        t[c].to_numpy(float) for t in (objects, catalogue) for c in ("ra", "dec")
    )
    return nearest(ra=ra, dec=dec, other_ra=other_ra, other_dec=other_dec, radius_arcsec=radius)
