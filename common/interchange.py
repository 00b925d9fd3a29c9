"""To and from `specutils` (extra ``specutils``)."""

from __future__ import annotations

import numpy as np
from astropy import units

from common.errors import SuiteError, UsageError
from common.surveys.columns import SURVEY_UNIT, make_meta


def _specutils():
    try:
        import specutils
    except ImportError:
        raise UsageError(
            "specutils is not installed. Install the extra: pip install "
            "'spectra-reproductions[specutils]'."
        ) from None
    return specutils


def to_specutils(spectra):
    """Return the spectra as `specutils.Spectrum` objects.

    Parameters
    ----------
    spectra : Spectra

    Returns
    -------
    list of specutils.Spectrum, length n
        With the id, medium, frame and the row of the meta table in `meta`; inverse variances
        as uncertainty.

    Raises
    ------
    UsageError
        If specutils is not installed.
    """
    specutils = _specutils()
    from astropy.nddata import InverseVariance

    kind = getattr(specutils, "Spectrum", None) or specutils.Spectrum1D
    unit = units.Unit(spectra.unit)
    out = []
    for row in range(len(spectra)):
        uncertainty = mask = None
        if spectra.ivar is not None:
            uncertainty = InverseVariance(np.asarray(spectra.ivar[row]), unit=unit**-2)
        if spectra.mask is not None:
            mask = np.asarray(spectra.mask[row])
        out.append(
            kind(
                spectral_axis=spectra.wavelength_of(row) * units.Angstrom,
                flux=np.asarray(spectra.flux[row]) * unit,
                uncertainty=uncertainty,
                mask=mask,
                meta={
                    "id": str(spectra.ids[row]),
                    "medium": spectra.medium,
                    "frame": spectra.frame,
                    "mask_is_warning": spectra.mask_is_warning,
                    **spectra.meta.iloc[row].to_dict(),
                },
            )
        )
    return out


def from_specutils(spectra, ids=None, *, medium, frame):
    """Return what `Spectra` takes from `specutils.Spectrum` objects.

    Parameters
    ----------
    spectra : specutils.Spectrum or sequence of them
        One-dimensional each, in units that convert to Å and to one common flux unit.
    ids : sequence of str, optional
        By default the "id" in each object's meta, else its number.
    medium : {"vacuum", "air"}
    frame : {"heliocentric", "barycentric", "observed", "rest"}
        specutils records neither, so that both must be said.

    Returns
    -------
    dict
        The arguments of `Spectra`. Flux in 1e-17 erg / (s cm2 Angstrom) where the unit converts
        to it, else in the unit of the first spectrum. Descending spectral axes are turned round.

    Raises
    ------
    SuiteError
        If there are none, one is not one-dimensional, or units do not convert.
    """
    spectra = list(spectra) if isinstance(spectra, (list, tuple)) else [spectra]
    if not spectra:
        raise SuiteError("There are no spectra to convert.")
    wanted = units.Unit(SURVEY_UNIT)
    unit = wanted if spectra[0].flux.unit.is_equivalent(wanted) else spectra[0].flux.unit
    waves, fluxes, ivars, masks = [], [], [], []
    for number, one in enumerate(spectra):
        if one.flux.ndim != 1:
            raise SuiteError(
                f"Spectrum {number}: flux must have one dimension. Received shape {one.flux.shape}."
            )
        try:
            wave = one.spectral_axis.to_value(units.Angstrom, units.spectral())
            flux = one.flux.to_value(unit)
            ivar = inverse_variance(one, unit)
        except units.UnitConversionError as error:
            raise SuiteError(
                f"Spectrum {number}: {error}. Give wavelengths or frequencies, and one flux unit."
            ) from error
        order = slice(None, None, -1 if wave[0] > wave[-1] else 1)
        bad = np.zeros(len(wave), bool) if one.mask is None else np.asarray(one.mask, bool)
        waves.append(np.asarray(wave, float)[order])
        fluxes.append(flux.astype(np.float32)[order])
        ivars.append(None if ivar is None else ivar.astype(np.float32)[order])
        masks.append(bad[order])
    if ids is None:
        ids = [str(one.meta.get("id", number)) for number, one in enumerate(spectra)]
    has_ivar = all(ivar is not None for ivar in ivars)
    one_grid = all(np.array_equal(w, waves[0]) for w in waves)
    join = np.stack if one_grid else list
    return dict(
        wavelength=waves[0] if one_grid else waves,
        flux=join(fluxes),
        ivar=join(ivars) if has_ivar else None,
        mask=join(masks),
        ids=ids,
        meta=make_meta(
            len(spectra),
            **{
                key: [one.meta.get(key, missing) for one in spectra]
                for key, missing in (("z", np.nan), ("ra", np.nan), ("dec", np.nan))
            },
            class_=[one.meta.get("class", "") for one in spectra],
        ),
        medium=medium,
        frame=frame,
        mask_is_warning=all(one.meta.get("mask_is_warning", False) for one in spectra),
        unit=SURVEY_UNIT if unit == wanted else unit.to_string(),
    )


def inverse_variance(one, unit):
    """Return the inverse variance in the wanted unit, or None."""
    from astropy.nddata import InverseVariance

    if one.uncertainty is None:
        return None
    with np.errstate(divide="ignore"):  # no weight is no defect
        values = one.uncertainty.represent_as(InverseVariance).quantity.to_value(unit**-2)
    return np.where(np.isfinite(values), values, 0.0)
