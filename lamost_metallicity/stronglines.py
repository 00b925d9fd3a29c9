"""The classic way: line fluxes from the spectrum, then N2 and O3N2, as the network's baseline.

Each spectrum is fitted in three windows (Hb; [O III]; Ha and [N II]) with a straight continuum,
Gaussian lines of one velocity width and shift, the doublets at their fixed ratios, and under Ha and
Hb a stellar absorption line: a Gaussian of 6 Å whose equivalent width is free within a prior. Shape
and prior are those of mixtures of MaStar populations of star-forming galaxies (Ha 2.7, Hb 4.3 Å),
with errors widened to 0.6 and 1.2 Å; the data override the prior where their S/N allows, and what
remains uncertain is in the errors of the emission lines.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from common.metrics import mad_sigma

C_KMS = 299792.458
LINES = {"hb": 4862.68, "oiii": 5008.24, "ha": 6564.61, "nii": 6585.27}  # Å, vacuum
PARTNER = {"oiii": (4960.30, 2.98), "nii": (6549.85, 3.05)}  # Å; strong over weak (Storey 2000)
WINDOWS = {"hb": (4862.68, 52.0), "oiii": (4988.0, 58.0), "ha": (6567.0, 58.0)}  # Å: centre, half
MEMBERS = {"hb": ("hb",), "oiii": ("oiii",), "ha": ("ha", "nii")}
ABSORPTION = {"hb": (4.3, 1.2), "ha": (2.7, 0.6)}  # Å: prior of the equivalent width
ABSORPTION_SIGMA = 6.0  # Å
WIDTHS = np.array([70.0, 95.0, 130.0, 175.0, 240.0, 330.0])  # km/s, the instrument's included
SHIFTS = np.array([-120.0, 0.0, 120.0])  # km/s against the given redshift
DETECTED = 3.0  # a line below this S/N gives no index
COVERED = 0.7  # fraction of a window's pixels, and of a line's core, that must carry weight
CALIBRATIONS = {  # index: (polynomial of the index, range of the index)
    # Pettini & Pagel 2004, MNRAS 348, L59, Eqs 2 and 3; Marino et al. 2013, A&A 559, A114, Eqs 4, 2
    "oh_n2": ("n2", (9.37, 2.03, 1.26, 0.32), (-2.5, -0.3)),
    "oh_o3n2": ("o3n2", (8.73, -0.32), (-1.0, 1.9)),
    "oh_n2_m13": ("n2", (8.743, 0.462), (-1.6, -0.2)),
    "oh_o3n2_m13": ("o3n2", (8.533, -0.214), (-1.1, 1.7)),
}
TO_T04 = {  # Kewley & Ellison 2008, ApJ 681, 1183, Table 3: cubic in Pettini & Pagel's value; range
    "oh_n2": ((-1661.9380, 585.17650, -68.471750, 2.6766690), (8.05, 8.80)),
    "oh_o3n2": ((-738.1193, 258.96730, -30.057050, 1.167937), (8.05, 8.90)),
}


def strong_lines(spectra, z=None, *, chunk=256):
    """Measure lines and estimate metallicities.

    Parameters
    ----------
    spectra : Spectra
        n observed spectra, vacuum wavelengths; without ivar the noise is measured in each window.
    z : array-like of shape (n,), optional
        Redshifts; by default ``spectra.meta["z"]``. NaN gives a row of NaN.
    chunk : int
        Spectra at a time.

    Returns
    -------
    DataFrame of n rows
        For hb, oiii, ha, nii: flux_LINE, flux_LINE_err in the spectrum's flux unit times Å,
        observed, and cov_ha_nii; ew_LINE, ew_LINE_err (Å at rest, emission positive);
        sigma_v, shift_v (km/s); n2, o3n2, oh_n2, oh_o3n2 (Pettini & Pagel 2004), oh_n2_m13,
        oh_o3n2_m13 (Marino et al. 2013), each with NAME_err. NaN where a line is not covered, is
        below 3 sigma (indices), or the index is outside its calibration's range. Errors are those
        of the spectrum's noise: the calibrations' own scatter (0.18, 0.14 dex in Pettini & Pagel)
        is not in them.
    """
    n = len(spectra)
    z = spectra.meta.get("z", np.full(n, np.nan)) if z is None else z
    z = np.asarray(z, dtype=float)
    parts = [
        _measure(spectra[slice(i, i + chunk)], z[i : i + chunk]) for i in range(0, max(n, 1), chunk)
    ]
    table = pd.concat(parts, ignore_index=True)
    return pd.concat([table, metallicity(table)], axis=1)


def metallicity(table):
    """Return indices and metallicities from measured fluxes.

    Parameters
    ----------
    table : DataFrame
        flux_hb, flux_oiii, flux_ha, flux_nii, the same with _err, and where known cov_ha_nii.

    Returns
    -------
    DataFrame
        n2 = log [N II] 6585 / Ha, o3n2 = log ([O III] 5008 / Hb) - n2, the estimates of
        `CALIBRATIONS`, each with NAME_err (propagated, first order).
    """
    log, err = {}, {}
    for name in LINES:
        flux = table[f"flux_{name}"].to_numpy(float)
        error = table[f"flux_{name}_err"].to_numpy(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            seen = flux > DETECTED * error
            log[name] = np.where(seen, np.log10(np.where(seen, flux, 1)), np.nan)
            err[name] = np.where(seen, error / flux / np.log(10), np.nan)
    index = {"n2": log["nii"] - log["ha"]}
    index["o3n2"] = log["oiii"] - log["hb"] - index["n2"]
    error = {"n2": err["nii"] ** 2 + err["ha"] ** 2}
    if "cov_ha_nii" in table:  # both share the fit's width and shift
        with np.errstate(divide="ignore", invalid="ignore"):
            shared = table["cov_ha_nii"] / (table["flux_ha"] * table["flux_nii"])
        error["n2"] = error["n2"] - 2 * shared.to_numpy(float) / np.log(10) ** 2
    error["n2"] = np.sqrt(np.maximum(error["n2"], 0))
    error["o3n2"] = np.sqrt(error["n2"] ** 2 + err["oiii"] ** 2 + err["hb"] ** 2)
    out = {}
    for name in index:
        out[name], out[f"{name}_err"] = index[name], error[name]
    for name, (of, coefficients, (low, high)) in CALIBRATIONS.items():
        x, polynomial = index[of], np.polynomial.Polynomial(coefficients)
        inside = (x >= low) & (x <= high)
        out[name] = np.where(inside, polynomial(x), np.nan)
        slope = np.abs(polynomial.deriv()(x))
        out[f"{name}_err"] = np.where(inside, slope * error[of], np.nan)
    return pd.DataFrame(out, index=table.index)


def to_t04(oh, name):
    """Return Pettini & Pagel's estimate on the scale of Tremonti et al. (2004), as the labels are.

    Parameters
    ----------
    oh : array-like of shape (n,)
        12 + log(O/H).
    name : {"oh_n2", "oh_o3n2"}

    Returns
    -------
    ndarray of shape (n,)
        NaN outside the range of Kewley & Ellison (2008, Table 3).
    """
    coefficients, (low, high) = TO_T04[name]
    oh = np.asarray(oh, float)
    return np.where((oh >= low) & (oh <= high), np.polynomial.Polynomial(coefficients)(oh), np.nan)


def _measure(spectra, z):
    """Return fluxes and equivalent widths of a batch."""
    n, spectra = len(spectra), spectra.in_vacuum()
    windows = {name: _cut(spectra, z, *WINDOWS[name]) for name in WINDOWS}
    best, width, shift = np.full(n, np.inf), np.full(n, 130.0), np.zeros(n)
    for w in WIDTHS:
        for s in SHIFTS:
            best, width, shift = _better(windows, best, width, shift, w + 0 * z, s + 0 * z)
    for step in (1.0, 0.35):  # half, then a sixth of the coarse grid's step
        w0, s0 = width.copy(), shift.copy()
        for dw in (-0.15, 0.0, 0.15):
            for ds in (-45.0, 0.0, 45.0):
                best, width, shift = _better(
                    windows, best, width, shift, w0 * (1 + step * dw), s0 + step * ds
                )
    out = {}
    for name, cut in windows.items():
        out |= _fluxes(name, cut, width, shift, z)
    covered = np.isfinite([out[f"flux_{name}"] for name in LINES]).any(axis=0)
    out["sigma_v"] = np.where(covered, width, np.nan)
    out["shift_v"] = np.where(covered, shift, np.nan)
    return pd.DataFrame(out)


def _cut(spectra, z, centre, half):
    """Return rest wavelengths, flux and weight of one window, each of shape (n, n_pixels)."""
    rows = []
    for i in range(len(spectra)):
        wave = np.asarray(spectra.wavelength_of(i), float)
        ends = (1 + z[i]) * (centre + half * np.array([-1, 1])) if np.isfinite(z[i]) else [0, 0]
        a, b = np.searchsorted(wave, ends)
        flux = np.asarray(spectra.flux[i], float)[a:b]
        if spectra.ivar is None:
            ivar = np.full(b - a, 1 / max(_noise(flux), 1e-30) ** 2)
        else:
            ivar = np.asarray(spectra.ivar[i], float)[a:b]
        good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
        rest = wave[a:b] / (1 + z[i])
        step = np.gradient(rest) if b - a > 1 else np.ones(b - a)
        reach = step.sum() > 2 * half * 0.98
        rows.append((rest, np.where(good, flux, 0), np.where(good & reach, ivar, 0)))
    size = max([1, *(len(r[0]) for r in rows)])
    out = np.zeros((3, len(rows), size))
    for i, parts in enumerate(rows):
        for k in range(3):
            out[k, i, : len(parts[k])] = parts[k]
    rest, flux, weight = out
    size = np.where(weight > 0, np.abs(flux), np.nan)
    with warnings.catch_warnings(action="ignore"):  # rows without any pixel
        middle = np.nanmedian(np.where(weight > 0, flux, np.nan), axis=1)
        level = np.fmax(middle, 0.05 * np.nanmean(size, axis=1))
    return {"rest": rest, "flux": flux, "weight": weight, "centre": centre, "half": half,
            "level": np.where(level > 0, level, 1.0)}  # fmt: skip


def _noise(flux):
    """Return the noise of one pixel from how it differs from the mean of its neighbours."""
    bend = np.diff(flux[np.isfinite(flux)], 2)
    return mad_sigma(bend, about=0) / np.sqrt(6) if bend.size > 4 else np.inf


def _gauss(rest, centre, sigma):
    """Return Gaussians of unit area; rest (n, p), centre and sigma (n, 1) in Å."""
    x = (rest - centre) / sigma
    return np.exp(-0.5 * x**2) / (sigma * np.sqrt(2 * np.pi))


def _design(name, cut, width, shift):
    """Return the columns (n, p, k): lines of the window, continuum of two terms, absorption."""
    rest, factor = cut["rest"], 1 + (shift / C_KMS)[:, None]
    columns = []
    for line in MEMBERS[name]:
        profile = 0
        for centre, part in [(LINES[line], 1.0), *_partner(line)]:
            where = centre * factor
            profile = profile + part * _gauss(rest, where, where * (width / C_KMS)[:, None])
        columns.append(profile)
    level = cut["level"][:, None]
    columns += [level + 0 * rest, level * (rest - cut["centre"]) / cut["half"]]
    if name in ABSORPTION:
        where = LINES[MEMBERS[name][0]] * factor
        columns.append(-level * _gauss(rest, where, ABSORPTION_SIGMA))
    return np.stack(columns, axis=2)


def _partner(line):
    return [(PARTNER[line][0], 1 / PARTNER[line][1])] if line in PARTNER else []


def _solve(name, cut, columns, *, moves=()):
    """Return coefficients (n, k), their covariance (n, k, k) and chi2 (n,), the prior's included.

    The last columns may be derivatives by width and shift; `moves` are the errors, in units of
    their steps, within which these may move, so that noise is no line to be widened at will.
    """
    weighted = columns * cut["weight"][:, :, None]
    matrix = np.swapaxes(columns, 1, 2) @ weighted
    right = (weighted * cut["flux"][:, :, None]).sum(axis=1)
    k, chi2 = matrix.shape[1], (cut["flux"] ** 2 * cut["weight"]).sum(axis=1)
    for i, error in enumerate(moves, k - len(moves)):
        matrix[:, i, i] += 1 / error**2
    if name in ABSORPTION:
        (mean, error), i = ABSORPTION[name], k - len(moves) - 1
        matrix[:, i, i] += 1 / error**2
        right[:, i] += mean / error**2
        chi2 += mean**2 / error**2
    scale = np.sqrt(np.einsum("nii->ni", matrix))
    # A line of which pixels see the far wing alone would overflow below: it is not there.
    scale[(scale == 0) | (scale < 1e-60 * scale.max(axis=1, keepdims=True))] = 1.0
    unit = matrix / scale[:, :, None] / scale[:, None, :] + 1e-10 * np.eye(k)
    inverse = np.linalg.inv(unit) / scale[:, :, None] / scale[:, None, :]
    value = (inverse @ right[:, :, None])[:, :, 0]
    return value, inverse, np.maximum(chi2 - (value * right).sum(axis=1), 0)


def _better(windows, best, width, shift, w, s):
    """Return the three arrays with (w, s) where it fits better."""
    chi2 = 0
    for name, cut in windows.items():
        chi2 = chi2 + _solve(name, cut, _design(name, cut, w, s))[2]
    take = chi2 < best
    return np.where(take, chi2, best), np.where(take, w, width), np.where(take, s, shift)


def _fluxes(name, cut, width, shift, z):
    """Return the final fit of one window: fluxes, equivalent widths, errors.

    The derivatives by width and shift are fitted too: each window may differ a little from the
    others, and the uncertainty of both is in the errors.
    """
    members = MEMBERS[name]
    n_lines = len(members)
    columns = _design(name, cut, width, shift)
    value, _, _ = _solve(name, cut, columns)
    moved = [
        (_design(name, cut, width * (1 + dw), shift + ds) - columns)[:, :, :n_lines]
        for dw, ds in ((0.03, 0.0), (0.0, 8.0))
    ]
    steps = [(m @ value[:, :n_lines, None]) for m in moved]
    full = np.concatenate([columns, *steps], axis=2)
    value, covariance, chi2 = _solve(name, cut, full, moves=(10.0, 6.0))  # 30 %, 48 km/s
    used = cut["weight"] > 0
    reduced = chi2 / np.maximum(used.sum(axis=1) - full.shape[2], 1)
    inflate = np.sqrt(np.maximum(reduced, 1.0))  # a continuum that is not straight counts as noise
    enough = used.sum(axis=1) >= np.maximum(COVERED * (cut["rest"] > 0).sum(axis=1), 8)
    out = {}
    for i, line in enumerate(members):
        x = (LINES[line] - cut["centre"]) / cut["half"]
        continuum = cut["level"] * (value[:, n_lines] + x * value[:, n_lines + 1])
        near = np.abs(cut["rest"] - LINES[line]) < 2 * LINES[line] * (width / C_KMS)[:, None]
        core = (used & near).sum(axis=1) >= COVERED * np.maximum(near.sum(axis=1), 1)
        ok = enough & core & np.isfinite(z)
        flux = np.where(ok, value[:, i] * (1 + z), np.nan)
        error = np.sqrt(covariance[:, i, i]) * inflate * (1 + z)
        error = np.where(ok, error, np.nan)
        out[f"flux_{line}"], out[f"flux_{line}_err"] = flux, error
        with np.errstate(divide="ignore", invalid="ignore"):
            per = np.where(continuum > 0, 1 / (continuum * (1 + z)), np.nan)
        out[f"ew_{line}"], out[f"ew_{line}_err"] = flux * per, error * per
    if name == "ha":
        out["cov_ha_nii"] = covariance[:, 0, 1] * (inflate * (1 + z)) ** 2
    return out


def bpt_kind(table):
    """Return what the measured lines say of each galaxy.

    Parameters
    ----------
    table : DataFrame
        n2 and o3n2.

    Returns
    -------
    ndarray of str, shape (n,)
        "star-forming" below the curve of Kauffmann et al. (2003, Eq. 1), "AGN" above that of
        Kewley et al. (2001, Eq. 5), "composite" between; "" where a line is not detected.
    """
    x = table["n2"].to_numpy(float)
    y = x + table["o3n2"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        forming = (x < 0.05) & (y < 0.61 / (x - 0.05) + 1.3)
        below = (x < 0.47) & (y < 0.61 / (x - 0.47) + 1.19)
    kind = np.where(forming, "star-forming", np.where(below, "composite", "AGN"))
    return np.where(np.isfinite(x) & np.isfinite(y), kind, "")
