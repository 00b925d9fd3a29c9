"""Known gradients through the whole chain: do they come back, within errors that are honest?

The paper's errors are those of a least-squares line alone. What the network does to a gradient is
more: errors of the distance move stars along R and between bins of |Z|, they go together with
errors of [Fe/H] (one spectrum gives both), and a network's [Fe/H] keeps to the middle of what it
learned. Stars with known values show how large each is; the gradients are then corrected for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.errors import SuiteError
from solarlike_distance import gradients

LAMBDAS = (0.0, 0.5, 1.0, 1.5, 2.0)  # default: added noise, in variances of the real one
DRAWS = 60  # default: resamplings of stars and of the errors' library
FEWEST = 50  # stars with known values behind a correction
BOTH = ("radial", "vertical")


@dataclass(frozen=True)
class Errors:
    """What a network does to [Fe/H] and distance, from stars whose values are known.

    Attributes
    ----------
    slope, intercept : float
        Predicted [Fe/H] = intercept + slope times true.
    feh : ndarray of shape (n,)
        What is left of the corrected [Fe/H] less the true one, mean taken off, dex.
    log_distance : ndarray of shape (n,)
        log10 of predicted over true distance, mean taken off; pairs with `feh`.
    offset : float
        The mean taken off the distances, dex.
    """

    slope: float
    intercept: float
    feh: np.ndarray
    log_distance: np.ndarray
    offset: float

    def corrected(self, feh):
        """Return predicted metallicities on the scale of the true ones."""
        return (np.asarray(feh, float) - self.intercept) / self.slope


def learn_errors(df, against="true", *, rows=None):
    """Return `Errors` from predictions that have known values; none of them trained on.

    Parameters
    ----------
    df : DataFrame
        feh_pred, distance_pred, and the same with `against` in the place of pred.
    against : {"true", "planted"}
    rows : ndarray of int, optional
        Rows to learn from, with repetition (a bootstrap).

    Raises
    ------
    SuiteError
        If fewer than `FEWEST` rows have all values, or the predictions do not follow the truth.
    """
    needed = [f"{k}_{of}" for k in ("feh", "distance") for of in ("pred", against)]
    known = df.dropna(subset=needed) if set(needed) <= set(df) else df.iloc[:0]
    if len(known) < FEWEST:
        raise SuiteError(
            f"The errors of [Fe/H] and distance need {FEWEST} stars with known values of both; "
            f"{len(known)} are here."
        )
    if rows is not None:
        known = known.iloc[rows % len(known)]
    feh, true = known["feh_pred"].to_numpy(float), known[f"feh_{against}"].to_numpy(float)
    slope, _, intercept, _, _ = gradients.line(true, feh)
    if not slope > 0.2:
        raise SuiteError(f"Predicted [Fe/H] does not follow the true one (slope {slope:.2f}).")
    left = (feh - intercept) / slope - true
    shift = np.log10(known["distance_pred"].to_numpy(float) / known[f"distance_{against}"])
    return Errors(slope, intercept, left - left.mean(), (shift - shift.mean()).to_numpy(float),
                  float(shift.mean()))  # fmt: skip


def _rays(df):
    """Return (start, step) of shape (3,) and (n, 3): Galactocentric xyz is start + d step, kpc."""
    far = gradients.positions(ra=df["ra"], dec=df["dec"], distance=np.full(len(df), 1000.0))
    near = gradients.positions(ra=df["ra"], dec=df["dec"], distance=np.full(len(df), 1.0))
    far, near = (t[["X", "Y", "Z"]].to_numpy(float) for t in (far, near))
    step = (far - near) / 0.999
    return np.nanmean(near - 0.001 * step, axis=0), step


def _at(start, step, distance):
    """Return R and Z in kpc at distances in pc."""
    xyz = start + step * (np.asarray(distance, float) / 1000)[:, None]
    return np.hypot(xyz[:, 0], xyz[:, 1]), xyz[:, 2]


def plane(*, R, Z, feh):
    """Return radial and vertical gradient of [Fe/H] = a + b (R - R_SUN) + c |Z|, all stars at once.

    Returns
    -------
    dict of str to (float, float)
        "radial", "vertical" → gradient and its least-squares error, dex/kpc.
    """
    keep = gradients.in_subsample(R=R, Z=Z) & np.isfinite(feh)
    if keep.sum() < gradients.FEWEST:
        return {k: (np.nan, np.nan) for k in BOTH}
    matrix = np.stack([np.ones(keep.sum()), R[keep] - gradients.R_SUN, np.abs(Z[keep])], axis=1)
    found, rest, _, _ = np.linalg.lstsq(matrix, feh[keep], rcond=None)
    variance = (rest[0] if len(rest) else 0.0) / max(keep.sum() - 3, 1)
    error = np.sqrt(variance * np.diag(np.linalg.pinv(matrix.T @ matrix)))
    return {k: (found[i], error[i]) for i, k in enumerate(BOTH, 1)}


def _all(R, Z, feh):
    """Return {(kind, at): (gradient, error, n)}: every bin of Tables 3 and 4, and the plane."""
    out = {}
    for kind in BOTH:
        table = getattr(gradients, kind)(R=R, Z=Z, feh=feh)
        for row in table.itertuples():
            out[kind, row.at] = (row.gradient, row.gradient_error, row.n)
    n = int((gradients.in_subsample(R=R, Z=Z) & np.isfinite(feh)).sum())
    for kind, value in plane(R=R, Z=Z, feh=feh).items():
        out[kind, "plane"] = (*value, n)
    return out


def corrected(df, known, *, against="true", seed=1, draws=DRAWS):
    """Return gradients corrected for errors of [Fe/H] and distance, with errors that include them.

    SIMEX (Cook & Stefanski 1994, JASA 89, 1314): errors drawn in pairs from those of known stars
    are added once more, and half, one and a half and two times (in variance); what the gradients
    do on that way is continued, by a parabola, back to no error at all. [Fe/H] is first put on the
    scale of the truth. Stars and known stars are drawn anew each time: the spread is the error.

    Parameters
    ----------
    df : DataFrame
        ra, dec (deg), distance_pred (pc), feh_pred (dex).
    known : DataFrame
        Predictions with known values (`learn_errors`).
    against : {"true", "planted"}
        Which known values.
    seed, draws : int

    Returns
    -------
    DataFrame
        kind, at, n, gradient, gradient_error (the paper's way), corrected, corrected_error.
    """
    rng = np.random.default_rng(seed)
    df = df.dropna(subset=["ra", "dec", "distance_pred", "feh_pred"]).reset_index(drop=True)
    start, step = _rays(df)
    distance, feh = df["distance_pred"].to_numpy(float), df["feh_pred"].to_numpy(float)
    plain = _all(*_at(start, step, distance), feh)
    learn_errors(known, against)  # says what is missing before the loop
    curves = {key: [] for key in plain}
    for _ in range(draws):
        rows = rng.integers(0, len(df), len(df))
        errors = learn_errors(known, against, rows=rng.integers(0, 2**62, len(known)))
        pick = rng.integers(0, len(errors.feh), len(rows))
        curve = {key: [] for key in plain}
        for lam in LAMBDAS:
            scale = np.sqrt(lam)
            d = 10 ** (np.log10(distance[rows]) - errors.offset
                       + scale * errors.log_distance[pick])  # fmt: skip
            value = errors.corrected(feh[rows]) + scale * errors.feh[pick]
            found = _all(*_at(start, step[rows], d), value)
            for key in plain:
                curve[key].append(found.get(key, (np.nan,))[0])
        for key in plain:
            curves[key].append(_to_none(curve[key]))
    rows = []
    for (kind, at), (gradient, error, n) in plain.items():
        found = np.array(curves[kind, at])
        found = found[np.isfinite(found)]
        enough = len(found) >= draws // 2
        rows.append({"kind": kind, "at": at, "n": n, "gradient": gradient, "gradient_error": error,
                     "corrected": np.mean(found) if enough else np.nan,
                     "corrected_error": np.std(found, ddof=1) if enough else np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def _to_none(values):
    """Return the value at lambda = -1 of a parabola through values at `LAMBDAS`."""
    values = np.asarray(values, float)
    if not np.isfinite(values).all():
        return np.nan
    return float(np.polyval(np.polyfit(LAMBDAS, values, 2), -1.0))


def recovery_table(df, known=None, *, truth="planted", against="true", seed=1, draws=DRAWS):
    """Return planted and found gradients side by side.

    Parameters
    ----------
    df : DataFrame
        ra, dec, distance_pred, feh_pred, and distance_TRUTH, feh_TRUTH of the same stars.
    known : DataFrame, optional
        Predictions with labels to learn the errors from: `df` itself by default.
    truth : {"planted", "true"}
    against, seed, draws :
        As of `corrected`.

    Returns
    -------
    DataFrame
        kind, at, n, planted (of the same stars, at their true places), gradient, gradient_error
        (the paper's way), corrected, corrected_error, off (corrected - planted over its error).
    """
    table = corrected(df, df if known is None else known, against=against, seed=seed, draws=draws)
    true = gradients.of_table(df, kind=truth)
    planted = _all(*(true[k].to_numpy(float) for k in ("R", "Z", "feh")))
    table.insert(3, "planted", [planted.get((row.kind, row.at), (np.nan,))[0]
                                for row in table.itertuples()])  # fmt: skip
    table["off"] = (table["corrected"] - table["planted"]) / table["corrected_error"]
    return table


def summary(table):
    """Return what a table of recovery comes to.

    Returns
    -------
    DataFrame
        kind, bins, within_1, within_2 (shares of bins whose corrected gradient is within one or
        two errors of the planted one), paper_within_2 (the same with the paper's values and
        errors), plane_planted, plane_found, plane_error (dex/kpc).
    """
    rows = []
    for kind in BOTH:
        part = table[(table["kind"] == kind) & table["off"].notna()]
        bins, whole = part[part["at"] != "plane"], part[part["at"] == "plane"]
        paper = (bins["gradient"] - bins["planted"]).abs() <= 2 * bins["gradient_error"]
        row = {"kind": kind, "bins": len(bins), "within_1": (bins["off"].abs() <= 1).mean(),
               "within_2": (bins["off"].abs() <= 2).mean(),
               "paper_within_2": paper.mean()}  # fmt: skip
        if len(whole):
            row |= {"plane_planted": whole["planted"].iloc[0],
                    "plane_found": whole["corrected"].iloc[0],
                    "plane_error": whole["corrected_error"].iloc[0]}  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)
