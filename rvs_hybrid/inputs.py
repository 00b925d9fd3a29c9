"""What the network is given: the same numbers in training, evaluation and prediction."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError
from rvs_hybrid.config import N_COEFFICIENTS, PARALLAX, RVS_GRID, XP_GRID

SOFTENING = 0.2  # default: below this share of the median flux an XP spectrum is linear
ERROR_STEP = 10  # default: every tenth error of an XP spectrum is an input
BANDS = {"bp": slice(0, N_COEFFICIENTS), "rp": slice(N_COEFFICIENTS, 2 * N_COEFFICIENTS)}
CHOSEN_ERRORS = np.concatenate(  # of coefficients: every tenth of a band
    [np.arange(2 * N_COEFFICIENTS)[band][::ERROR_STEP] for band in BANDS.values()]
)
LEAST_ERROR = 1e-5  # default: of the median flux, or of the first coefficient


def input_shapes(config):
    """Return {name: pixels or columns} of the network's inputs, in order."""
    sizes = {
        "rvs": {"rvs": RVS_GRID.size},
        "xp": {"xp": XP_GRID.size, "xp_error": XP_GRID.size},
        "phot": {"phot": len(config.scalars)},
        "parallax": {"parallax": len(PARALLAX)},
        "coefficients": {
            "coefficients": 2 * N_COEFFICIENTS,
            "coefficients_error": 2 * N_COEFFICIENTS,
        },
    }
    return {name: n for kind in config.inputs for name, n in sizes[kind].items()}


def soften(xp):
    """Return asinh(flux / 0.2): linear near zero, logarithmic where a spectrum rises steeply."""
    return np.arcsinh(np.asarray(xp, dtype="float32") / SOFTENING)


def relative(xp):
    """Return XP coefficients and errors over the first coefficient of their band.

    Parameters
    ----------
    xp : common.surveys.gaia_xp.XPCoefficients
        Of n sources.

    Returns
    -------
    values, errors : ndarrays of shape (n, 110), float32
        BP's before RP's. The first of a band, which would be one, says the colour: log10 of BP's
        first over RP's, and the opposite for RP. No magnitude is left. A band that is missing, or
        whose first coefficient is not positive, is NaN, and the other's first with it.
    """
    first = {name: getattr(xp, name)[:, :1] for name in BANDS}
    good = {"bp": xp.has_bp[:, None], "rp": xp.has_rp[:, None]}
    first = {name: np.where(good[name] & (v > 0), v, np.nan) for name, v in first.items()}
    colour = np.log10(first["bp"] / first["rp"])[:, 0]
    values = np.concatenate([getattr(xp, name) / first[name] for name in BANDS], axis=1)
    errors = np.concatenate([getattr(xp, f"{name}_error") / first[name] for name in BANDS], axis=1)
    values[:, 0], values[:, N_COEFFICIENTS] = colour, -colour
    return values.astype("float32"), errors.astype("float32")


LUMINOSITY = 0.1  # default: below this the luminosity-like parallax is linear


def photometry(stars, config):
    """Return magnitude and colours.

    Parameters
    ----------
    stars : DataFrame
        With g, bp, rp, and j, h, k where `config.infrared`; mag.
    config : Config

    Returns
    -------
    ndarray of shape (n, n_scalars), float32
        NaN where a magnitude is missing.
    """

    def colour(name):
        first, _, second = name.partition("_")
        values = stars[first].to_numpy(float)
        return values - stars[second].to_numpy(float) if second else values

    return np.stack([colour(name) for name in config.scalars], axis=1).astype("float32")


def parallax(stars):
    """Return what parallax and G say, finite for negative parallaxes too.

    Parameters
    ----------
    stars : DataFrame
        With parallax, parallax_error, parallax_zp (mas) and g (mag). A zero point that is not
        known counts as zero.

    Returns
    -------
    ndarray of shape (n, 3), float32
        asinh of the astrometry-based luminosity w 10^(G/5 - 2) (Arenou & Luri 1999, with the
        corrected parallax w in mas), asinh of w over its error, and log10 of the error; NaN where
        there is no parallax.
    """
    corrected = stars["parallax"].to_numpy(float) - np.nan_to_num(stars["parallax_zp"])
    error = stars["parallax_error"].to_numpy(float)
    luminosity = corrected * 10 ** (stars["g"].to_numpy(float) / 5 - 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = [np.arcsinh(luminosity / LUMINOSITY), np.arcsinh(corrected / error), np.log10(error)]
    out = np.stack(out, axis=1)
    out[~np.isfinite(out).all(axis=1)] = np.nan
    return out.astype("float32")


def inputs_of(stars, config, **spectra):
    """Return the network's inputs of some stars.

    Parameters
    ----------
    stars : DataFrame
        n rows.
    config : Config
    **spectra
        Each may be None or left out, and is missing then: xp, xp_error (n, 343), flux over its
        median, and error; rvs (n, 2401), normalised flux; coefficients, coefficients_error
        (n, 110), as `relative` gives them.

    Returns
    -------
    dict of str to ndarray, float32
        As `rvs_hybrid.inputs.input_shapes` says; NaN where missing.
    """
    made = dict(spectra)
    if "phot" in config.inputs:
        made["phot"] = photometry(stars, config)
    if "parallax" in config.inputs:
        made["parallax"] = parallax(stars)
    shapes = {name: (len(stars), n) for name, n in input_shapes(config).items()}
    out = {}
    for name, shape in shapes.items():
        value = made.get(name)
        out[name] = np.full(shape, np.nan, "float32") if value is None else value
        if out[name].shape != shape:
            raise SuiteError(f"Input {name} must be {shape}. Received {out[name].shape}.")
    return out


def layout(config):
    """Return {input: slice} of the columns of a prepared row, and how many there are."""
    edges = np.cumsum([0, *input_shapes(config).values()])
    parts = {
        name: slice(int(a), int(b))
        for name, a, b in zip(input_shapes(config), edges[:-1], edges[1:], strict=True)
    }
    return parts, int(edges[-1])


def split_row(x, config):
    """Return prepared rows (n, all columns) as the dict of inputs."""
    return {name: x[:, part] for name, part in layout(config)[0].items()}


def join_row(inputs):
    """Return the dict of inputs as prepared rows (n, all columns)."""
    return np.concatenate(list(inputs.values()), axis=1)


COMPONENTS = {"xp": "components", "coefficients": "coefficient_components"}


def statistics(inputs, config):
    """Return what the network standardises with, from the training rows.

    Parameters
    ----------
    inputs : dict of str to ndarray
        Of the training rows alone.
    config : Config

    Returns
    -------
    dict
        Per input "mean" and "scale" of shape (columns,): mean and standard deviation, or middle
        and half the range where `config.scaling` is "minmax"; "components", ndarray of shape
        (343, n): the whitened principal components of standardised XP spectra;
        "coefficient_components" (110, n) of coefficients.
    """
    out = {}
    for name, values in inputs.items():
        if name == "rvs":
            continue
        if name == "xp":
            values = np.arcsinh(values / SOFTENING)
        if name == "xp_error":
            values = np.log10(np.maximum(values[:, ::ERROR_STEP], LEAST_ERROR))
        if name == "coefficients_error":
            values = np.log10(np.maximum(values[:, CHOSEN_ERRORS], LEAST_ERROR))
        scalar = name in ("phot", "parallax")
        out[name] = _centre_and_scale(values, config.scaling if scalar else "standard")
        if name in COMPONENTS:
            z = (values - out[name]["mean"]) / out[name]["scale"]
            z = z[np.isfinite(z).all(axis=1)]
            out[COMPONENTS[name]] = whitened(z, config.xp_components)
    return out


def _centre_and_scale(values, kind):
    known = np.isfinite(values)
    if not known.any(axis=0).all():
        raise SuiteError(
            "An input is missing for every star of the training set. Leave it out with --inputs."
        )
    values = np.where(known, values, np.nan).astype(float)
    if kind == "minmax":
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        mean, scale = (low + high) / 2, (high - low) / 2
    else:
        mean, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    return {"mean": mean, "scale": np.maximum(scale, 1e-6)}


def whitened(z, n):
    """Return the first n principal directions, each divided by its standard deviation.

    Parameters
    ----------
    z : ndarray of shape (rows, columns)
        Standardised values, none missing.
    n : int
        Fewer where there are fewer rows or columns.

    Returns
    -------
    ndarray of shape (columns, n)
    """
    n = min(n, *z.shape)
    variance, directions = np.linalg.eigh(np.cov(z.T))
    variance, directions = variance[::-1][:n], directions[:, ::-1][:, :n]
    return directions / np.sqrt(np.maximum(variance, 1e-6))
