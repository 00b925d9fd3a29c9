"""Real RVS spectra against semi-synthetic ones: the figure, and the numbers behind it."""

from __future__ import annotations

from itertools import product

import numpy as np

from common.colours import BLUE, GREEN, ORANGE, RED
from common.errors import UsageError
from common.figures import Figure, styled
from common.mocks.cannon import air_to_vacuum
from common.mocks.rvs import ALPHA_LINES
from common.surveys.gaia_rvs import WAVELENGTH

WORDS = "semi-synthetic RVS"
CALCIUM = {  # vacuum Å, half width of the equivalent width, half width of the core
    name: (air_to_vacuum(ALPHA_LINES[name][0]), half, 1.0)
    for name, half in (("Ca II 8498", 5.0), ("Ca II 8542", 15.0), ("Ca II 8662", 15.0))
}
GRID = dict(  # of `nearest_labels`
    teff=np.arange(3600.0, 7401.0, 200.0),
    logg=np.arange(0.5, 5.01, 0.5),
    fe_h=np.arange(-1.5, 0.51, 0.25),
    alpha_m=np.array([0.0, 0.2]),
)


def levelled(*, flux, flux_error, model, degree=2):
    """Return a model (2401,) times the polynomial that brings it nearest to a real spectrum.

    The pseudo-continua of a real and of a model spectrum differ by a per cent or two.

    Parameters
    ----------
    flux, flux_error, model : ndarray of shape (2401,)
        NaN pixels are left out of the fit.
    """
    x = np.linspace(-1, 1, len(flux))
    terms = np.stack([model * x**k for k in range(degree + 1)], axis=1)
    good = np.isfinite(flux) & (flux_error > 0)
    weight = 1 / flux_error[good]
    fitted, *_ = np.linalg.lstsq(terms[good] * weight[:, None], flux[good] * weight, rcond=None)
    return terms @ fitted


def nearest_labels(*, flux, flux_error, model, grid=None):
    """Return the labels of a grid whose spectrum has the least chi2, and that chi2 per pixel.

    Parameters
    ----------
    flux, flux_error : ndarray of shape (2401,)
    model : RVS
        Of `common.mocks.rvs`.
    grid : dict of str to ndarray, optional
        teff, logg, fe_h, alpha_m.

    Returns
    -------
    labels : dict of str to float
    chi2 : float
    """
    grid = grid or GRID
    rows = np.array(list(product(*grid.values())))
    good = np.flatnonzero(np.isfinite(flux) & (flux_error > 0))[::2]  # neighbours are correlated
    x, y, weight = np.linspace(-1, 1, len(flux))[good], flux[good], flux_error[good] ** -2.0
    chi2 = []
    for block in np.array_split(rows, -(-len(rows) // 500)):
        spectra = model(**dict(zip(grid, block.T, strict=True)))[:, good].astype(float)
        # Level and tilt of each model are fitted: normal equations of two unknowns.
        a, b, c = ((spectra**2 * weight) @ x**k for k in range(3))
        p, q = ((spectra * weight) @ (y * x**k) for k in range(2))
        level, tilt = (c * p - b * q) / (a * c - b**2), (a * q - b * p) / (a * c - b**2)
        chi2.append(((y - spectra * (level[:, None] + tilt[:, None] * x)) ** 2) @ weight / len(y))
    chi2 = np.concatenate(chi2)
    best = int(np.argmin(chi2))
    return dict(zip(grid, rows[best].tolist(), strict=True)), float(chi2[best])


def agreement(*, flux, flux_error, model):
    """Return the numbers by which a real spectrum and a levelled model are compared.

    Returns
    -------
    dict
        ``rms``: residual; ``noise``: rms of flux_error; for each line of the Ca II triplet
        ``depth NAME`` (lowest of the core) and ``width NAME`` (equivalent width, Å), each a pair
        (real, model).
    """
    good = np.isfinite(flux)
    out = {
        "rms": float(np.std((flux - model)[good])),
        "noise": float(np.sqrt(np.mean(flux_error[good] ** 2))),
    }
    for name, (centre, half, core) in CALCIUM.items():
        line = good & (np.abs(WAVELENGTH - centre) < half)
        inside = good & (np.abs(WAVELENGTH - centre) < core)
        out[f"depth {name}"] = tuple(float(1 - s[inside].min()) for s in (flux, model))
        out[f"width {name}"] = tuple(float(0.1 * (1 - s[line]).sum()) for s in (flux, model))
    return out


def compare(spectra, *, model, labels=None):
    """Return real spectra with the semi-synthetic ones at their labels, and how they agree.

    Parameters
    ----------
    spectra : Spectra
        Of `common.surveys.gaia_rvs.read_rvs`.
    model : RVS
        Of `common.mocks.rvs`.
    labels : dict of str to dict, optional
        source_id → teff (K), logg, fe_h, alpha_m (dex). A star without any gets the nearest of a
        grid (see `nearest_labels`).

    Returns
    -------
    arrays : dict
        The arguments of `compare_figure`.
    numbers : list of dict
        Of each star the labels used, ``nearest`` (True where they were fitted) and `agreement`.
    """
    flux, ivar = (np.asarray(a, dtype=float) for a in (spectra.flux, spectra.ivar))
    flux_error = np.where(ivar > 0, 1 / np.sqrt(np.where(ivar > 0, ivar, 1)), np.nan)
    arrays = dict(flux=flux, flux_error=flux_error, model=np.empty_like(flux), names=[])
    numbers = []
    for row, source in enumerate(spectra.ids):
        star = dict(flux=flux[row], flux_error=flux_error[row])
        known = (labels or {}).get(str(source))
        used = known or nearest_labels(**star, model=model)[0]
        arrays["model"][row] = levelled(**star, model=model(**used)[0])
        arrays["names"].append(
            f"Gaia DR3 {source}: {used['teff']:.0f} K, log g {used['logg']:.2f}, "
            f"[Fe/H] {used['fe_h']:+.2f}, [alpha/M] {used['alpha_m']:+.2f}"
            + ("" if known else " (nearest of a grid)")
        )
        numbers.append(
            {**used, "nearest": not known, **agreement(**star, model=arrays["model"][row])}
        )
    return arrays, numbers


@styled
def compare_figure(*, flux, flux_error, model, names):
    """Return a figure of real spectra over semi-synthetic ones, residuals below each.

    Parameters
    ----------
    flux, flux_error : ndarray of shape (n, 2401)
        Real spectra; NaN where there is no flux.
    model : ndarray of shape (n, 2401)
        Noiseless semi-synthetic spectra at the stars' labels, levelled (see `levelled`).
    names : sequence of str
        One for each, with the labels that were used.

    Raises
    ------
    UsageError
        If shapes or lengths differ.
    """
    flux, flux_error, model = (np.atleast_2d(a) for a in (flux, flux_error, model))
    shape = (len(names), WAVELENGTH.size)
    if not flux.shape == flux_error.shape == model.shape == shape:
        raise UsageError(
            f"compare_figure takes arrays of shape {shape}, one row a name. Received "
            f"{flux.shape}, {flux_error.shape} and {model.shape}."
        )
    figure = Figure(figsize=(9.0, 2.9 * len(names) + 0.6), layout="constrained")
    axes = figure.subplots(
        2 * len(names), 1, sharex=True, height_ratios=[2.2, 1] * len(names), squeeze=False
    ).ravel()
    figure.suptitle(f"Real Gaia RVS spectra and the {WORDS} at their labels", fontsize=11)
    nm = WAVELENGTH / 10
    for row, name in enumerate(names):
        top, low = axes[2 * row], axes[2 * row + 1]
        numbers = agreement(flux=flux[row], flux_error=flux_error[row], model=model[row])
        top.plot(nm, flux[row], color=BLUE, lw=0.7, label="real")
        top.plot(nm, model[row], color=RED, lw=0.7, label=WORDS)
        top.set_title(name, loc="left", fontsize=8.5)
        top.set_ylabel("flux")
        if row == 0:
            top.legend(loc="lower center", ncols=2)
        low.fill_between(
            nm, -flux_error[row], flux_error[row], color=ORANGE, alpha=0.45, lw=0,
            label="flux_error",
        )  # fmt: skip
        low.plot(nm, flux[row] - model[row], color=GREEN, lw=0.6, label="real − semi-synthetic")
        reach = max(5 * numbers["noise"], 1.1 * np.nanmax(np.abs(flux[row] - model[row])))
        low.set(ylim=(-reach, reach), ylabel="residual")
        low.annotate(
            f"rms {numbers['rms']:.4f}, flux_error {numbers['noise']:.4f}", (0.01, 0.04),
            xycoords="axes fraction", fontsize=7.5,
        )  # fmt: skip
        if row == 0:
            low.legend(loc="lower center", ncols=2)
    axes[-1].set(xlabel="wavelength (nm, vacuum)", xlim=(nm[0], nm[-1]))
    return figure
