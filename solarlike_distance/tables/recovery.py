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
from solarlike_distance.tables import gradients

LAMBDAS = (0.0, 0.5, 1.0, 1.5, 2.0)  # default: added noise, in variances of the real one
DRAWS = 100  # default: resamplings of stars and of the errors' library
REPEATS = 3  # default: additions of noise to each
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


def _edges(kind):
    return np.asarray(gradients.Z_EDGES if kind == "radial" else gradients.R_EDGES)


def _slopes(R, Z, feh):
    """Return the gradients of `_all` alone, ndarray of shape (bins and planes,), fast."""
    height = np.abs(Z)
    keep = gradients.in_subsample(R=R, Z=Z) & np.isfinite(feh)
    R, height, feh = R[keep], height[keep], feh[keep]
    out = []
    for kind in BOTH:
        x, by = (R, height) if kind == "radial" else (height, R)
        edges = _edges(kind)
        where = np.clip(np.digitize(by, edges) - 1, 0, len(edges) - 2)
        n = np.bincount(where, minlength=len(edges) - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_x, mean_y = (np.bincount(where, v, len(n)) / n for v in (x, feh))
            dx = x - mean_x[where]
            slope = np.bincount(where, dx * (feh - mean_y[where]), len(n)) / np.bincount(
                where, dx * dx, len(n)
            )
        out.append(np.where(n >= gradients.FEWEST, slope, np.nan))
    found = plane(R=R, Z=height, feh=feh)
    return np.concatenate([*out, [found[kind][0] for kind in BOTH]])


def _keys():
    """Return (kind, at) of what `_slopes` returns."""
    middles = {kind: np.round((_edges(kind)[1:] + _edges(kind)[:-1]) / 2, 3) for kind in BOTH}
    bins = [(kind, at) for kind in BOTH for at in middles[kind]]
    return [*bins, *((kind, "plane") for kind in BOTH)]


def corrected(df, known, *, against="true", truth=None, seed=1, draws=DRAWS):
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
    truth : str, optional
        "planted" or "true": also the gradients of distance_TRUTH and feh_TRUTH of `df`.
    seed, draws : int

    Returns
    -------
    DataFrame
        kind, at, n, gradient, gradient_error (the paper's way), corrected, corrected_error; with
        `truth` also planted and off_error, the error of corrected - planted: the stars are the
        same, so that their own scatter is not in it.
    """
    rng = np.random.default_rng(seed)
    needed = ["ra", "dec", "distance_pred", "feh_pred"]
    needed += [f"{k}_{truth}" for k in ("distance", "feh")] if truth else []
    df = df.dropna(subset=needed).reset_index(drop=True)
    if not len(df):
        raise SuiteError("no star has a position, a distance and a metallicity")
    start, step = _rays(df)
    distance, feh = df["distance_pred"].to_numpy(float), df["feh_pred"].to_numpy(float)
    plain = _all(*_at(start, step, distance), feh)
    if truth:
        true = (*_at(start, step, df[f"distance_{truth}"]), df[f"feh_{truth}"].to_numpy(float))
    learn_errors(known, against)  # says what is missing before the loop
    found, planted = [], []
    for _ in range(draws):
        rows = rng.integers(0, len(df), len(df))
        errors = learn_errors(known, against, rows=rng.integers(0, 2**62, len(known)))
        logs = np.log10(distance[rows]) - errors.offset
        value = errors.corrected(feh[rows])
        curve = np.zeros((len(LAMBDAS), len(_keys())))
        for _ in range(REPEATS):
            pick = rng.integers(0, len(errors.feh), len(rows))
            for i, scale in enumerate(np.sqrt(LAMBDAS)):
                d = 10 ** (logs + scale * errors.log_distance[pick])
                where = _at(start, step[rows], d)
                curve[i] += _slopes(*where, value + scale * errors.feh[pick]) / REPEATS
        found.append(_to_none(curve))
        if truth:
            planted.append(_slopes(*(v[rows] for v in true)))
    return _table(plain, np.array(found), np.array(planted), _slopes(*true) if truth else None)


def _table(plain, found, planted, true):
    """Return the table of `corrected` from what each draw gave, one row a draw."""
    rows = []
    for i, (kind, at) in enumerate(_keys()):
        if (kind, at) not in plain:
            continue
        gradient, error, n = plain[kind, at]
        good = np.isfinite(found[:, i])
        enough = good.sum() >= len(found) // 2 and good.sum() > 2
        value = found[good, i]
        row = {"kind": kind, "at": at, "n": n, "gradient": gradient, "gradient_error": error,
               "corrected": value.mean() if enough else np.nan,
               "corrected_error": value.std(ddof=1) if enough else np.nan}  # fmt: skip
        if true is not None:
            off = value - planted[good, i]
            off = off[np.isfinite(off)]
            known = enough and len(off) > 2
            row |= {"planted": true[i], "off_error": off.std(ddof=1) if known else np.nan}
        rows.append(row)
    return pd.DataFrame(rows)


def _to_none(values):
    """Return values at lambda = -1 of parabolas through those at `LAMBDAS` (rows)."""
    good = np.isfinite(values).all(axis=0)
    out = np.full(values.shape[1], np.nan)
    out[good] = np.array([1.0, -1.0, 1.0]) @ np.polyfit(LAMBDAS, values[:, good], 2)
    return out


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
        (the paper's way), corrected, corrected_error, off_error, off (corrected - planted, in
        units of off_error).
    """
    table = corrected(df, df if known is None else known, against=against, truth=truth, seed=seed,
                      draws=draws)  # fmt: skip
    table.insert(3, "planted", table.pop("planted"))
    table["off"] = (table["corrected"] - table["planted"]) / table["off_error"]
    return table


def summary(table):
    """Return what a table of recovery comes to.

    Returns
    -------
    DataFrame
        kind, bins, within_1, within_2 (shares of bins whose corrected gradient is within one or
        two errors of the planted one), paper_within_2 (the same with the paper's values and
        errors), law_within_2 (where a law is known), plane_planted, plane_found, plane_error (of
        the difference; dex/kpc), plane_off.
    """
    rows = []
    for kind in BOTH:
        part = table[(table["kind"] == kind) & table["off"].notna()]
        bins, whole = part[part["at"] != "plane"], part[part["at"] == "plane"]
        paper = (bins["gradient"] - bins["planted"]).abs() <= 2 * bins["gradient_error"]
        row = {"kind": kind, "bins": len(bins), "within_1": (bins["off"].abs() <= 1).mean(),
               "within_2": (bins["off"].abs() <= 2).mean(),
               "paper_within_2": paper.mean()}  # fmt: skip
        if "law_off" in bins:
            row["law_within_2"] = (bins["law_off"].abs() <= 2).mean()
        if len(whole):
            row |= {"plane_planted": whole["planted"].iloc[0],
                    "plane_found": whole["corrected"].iloc[0],
                    "plane_error": whole["off_error"].iloc[0],
                    "plane_off": whole["off"].iloc[0]}  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)
