"""The bump of quasars between 2000 and 4000 Å: its physics, its strength, and beside real ones."""

import numpy as np
import pytest

from common.mocks import instrument
from common.mocks.quasars import BALMER_EDGE, balmer_continuum
from common.surveys import read_many
from gasnet2.mock import classes as mock_classes
from tests.archives import archives


@pytest.fixture(scope="module")
def universe():
    with archives("thedoppler", "sdss-mangadap", "pypeit"):
        return mock_classes.Universe()


def test_balmer_continuum_is_grandis_cloud_below_the_edge():
    wave = instrument.rest_grid()
    flux = balmer_continuum(wave, kms=1.0)
    # B_lambda(15 000 K) (1 - exp(-(lambda / edge)^3)) over its value at the edge, by hand.
    for at, wanted in ((2500.0, 0.816), (3000.0, 0.985), (3500.0, 1.014)):
        assert np.interp(at, wave, flux) == pytest.approx(wanted, abs=0.003)
    thin = balmer_continuum(wave, depth=0.01, kms=1.0)
    assert np.interp(2500.0, wave, thin) < np.interp(2500.0, wave, flux)


def test_lines_carry_the_edge_on_and_fall_towards_recombination():
    wave = instrument.rest_grid()
    flux = balmer_continuum(wave)
    assert np.interp([3600.0, 3647.0, 3690.0], wave, flux) == pytest.approx(1.0, abs=0.2)
    assert np.all(np.interp([4050.0, 4200.0, 6000.0], wave, flux) < 0.02)
    sharp = balmer_continuum(wave, kms=200.0)
    ratio = []  # of the lines from levels 7 and 9; Case B at 1e4 K has 2.2 (Storey & Hummer 1995)
    for n in (7, 9):
        centre = BALMER_EDGE / (1 - 4 / n**2)
        inside = np.abs(wave / centre - 1) < 0.004
        assert wave[inside][np.argmax(sharp[inside])] == pytest.approx(centre, rel=2e-4)
        ratio.append(np.trapezoid(sharp[inside], wave[inside]))
    assert 1.2 < ratio[0] / ratio[1] < 2.2, "the decrement is flatter than that of a thin gas"


def test_its_strength_lies_within_published_ones(universe):
    """Fits that cannot tell it from Fe II fix it at 0.3 of the power law at the edge.

    De Rosa et al. 2014 (ApJ 790, 145), Mazzucchelli et al. 2017 (ApJ 849, 91). That is the bound
    from above; from below, an edge of less than a tenth would not be seen in a composite.
    """
    quasars = universe.quasars
    k = int(np.searchsorted(instrument.rest_grid(), 3600.0))
    with_it = quasars.parametric(400, np.random.default_rng(1))
    shape, quasars.balmer = quasars.balmer, 0 * quasars.balmer
    try:
        without = quasars.parametric(400, np.random.default_rng(1))
    finally:
        quasars.balmer = shape
    share = with_it[:, k] / without[:, k] - 1
    assert 0.1 < np.median(share) <= 0.3
    assert np.percentile(share, 5) > 0.05 and np.percentile(share, 95) < 0.6


WINDOWS = (2650, 2750, 2900, 2980, 3050, 3150, 3250, 3350, 3500, 3550, 3600, 3640, 3680, 3750,
           3800, 3900)  # fmt: skip
ANCHOR = 4210  # Å: continuum redward of the bump


def windows(wave, flux, z):
    """Return median fluxes (16,) of a spectrum over that at the anchor; NaN where not covered."""
    rest = wave / (1 + z)
    out = np.full(len(WINDOWS) + 1, np.nan)
    for i, at in enumerate((*WINDOWS, ANCHOR)):
        inside = np.abs(rest - at) < (25 if at == ANCHOR else 15)
        if rest[0] < at - 25 and rest[-1] > at + 25 and inside.any():
            out[i] = np.nanmedian(flux[inside])
    return out[:-1] / (out[-1] if out[-1] > 0 else np.nan)


def test_mock_quasars_beside_real_ones(universe, shared_data):
    folder = shared_data / "real" / "sdss"
    real, redshifts = [], []
    for spectra in read_many([folder / "spec", folder / "dr16_table.fits"], rejects=[]):
        meta = spectra.meta.reset_index(drop=True)
        for i in np.flatnonzero((meta["class"].str.strip() == "QSO") & (meta["snr"] > 3)):
            z = float(meta["z"][i])
            if 0.1 < z < 1.3:
                flux = np.where(np.asarray(spectra.ivar[i]) > 0, spectra.flux[i], np.nan)
                real.append(windows(spectra.wavelength_of(i), flux, z))
                redshifts.append(z)
    assert len(real) > 60
    z = np.repeat(redshifts, 5)
    flux = universe.quasar("BROADLINE", z, np.random.default_rng(0))
    wave = instrument.model_grid()
    mock = [windows(wave, f, v) for f, v in zip(flux, z, strict=True)]
    off = np.nanmedian(mock, axis=0) / np.nanmedian(real, axis=0) - 1
    about = dict(zip(WINDOWS, off.round(3), strict=True))
    assert np.abs(off).max() < 0.09 and np.abs(off).mean() < 0.035, about
