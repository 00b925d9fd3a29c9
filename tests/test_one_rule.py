"""One rule in all packages: pixels without weight change nothing, air is converted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common.air import air_to_vacuum
from common.mocks import moons
from common.spectra import Spectra
from common.surveys.gaia_rvs import N_PIXELS, WAVELENGTH, rvs_array
from gasnet2 import config as gasnet2
from gasnet2.inputs import prepared
from lamost_metallicity.preprocess import preprocess as lamost_metallicity
from mtopnet.config import make_config as mtopnet_config
from mtopnet.preprocess import preprocess as mtopnet
from solarlike_distance.config import make_config as solarlike_config
from solarlike_distance.preprocess import preprocess as solarlike_distance
from tests.lamost_metallicity.toy import tiny_config

SDSS = gasnet2.PAPER.configure("sdss-mock", "smoke")
TEMPLATES = gasnet2.PAPER.configure("sdss-mock", "smoke", network="templates")
MOONS = mtopnet_config("moons-mock", "paper", sky_limit=float("inf"))
OPTICAL = 10 ** (3.5682 + 1e-4 * np.arange(3909))
PACKAGES = {  # wavelengths, spectra -> what its network is given
    "gasnet2": (OPTICAL, lambda s: prepared(s, SDSS)),
    "gasnet2 templates": (OPTICAL, lambda s: prepared(s, TEMPLATES)),
    "lamost_metallicity": (OPTICAL, lambda s: lamost_metallicity(s, tiny_config())),
    "mtopnet": (moons.grid(), lambda s: mtopnet(s, MOONS)),
    "solarlike_distance": (OPTICAL, lambda s: solarlike_distance(s, solarlike_config("lamost"))),
}
GARBAGE = (1e5, -1e5, 1e30, -9999.0, np.nan, np.inf)
AT = slice(1500, 1520)


def spectrum(wave, *, garbage=None, medium="vacuum", ragged=False):
    """A star or galaxy with lines; without weight where there is garbage."""
    rng = np.random.default_rng(4)
    line = np.exp(-0.5 * ((wave[:, None] - wave[200::300]) / 6) ** 2).sum(axis=1)
    flux = (500 * (1 + 0.2 * line + 0.01 * rng.normal(size=len(wave))))[None].astype("f4")
    ivar = np.full_like(flux, 0.04)
    if garbage is not None:
        flux[:, AT], ivar[:, AT] = garbage, 0
    meta = pd.DataFrame({"class": [""], "z": [0.001], "snr_r": [50.0], "snr_g": [50.0]})
    made = Spectra(wave, flux, ivar, ["a"], meta=meta, medium=medium)
    if ragged:
        made = replace(made, wavelength=[wave], flux=[flux[0]], ivar=[ivar[0]])
    return made


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("package", PACKAGES)
def test_what_stands_in_pixels_without_weight_changes_nothing(package, ragged):
    wave, prepare = PACKAGES[package]
    clean = prepare(spectrum(wave, ragged=ragged))
    assert clean.usable.all(), clean.reason
    made = [prepare(spectrum(wave, garbage=value, ragged=ragged)) for value in GARBAGE]
    for one in made:
        assert one.usable.all(), one.reason
        np.testing.assert_array_equal(one.x, made[0].x)
        assert one.bad_fraction[0] > clean.bad_fraction[0]  # told, not hidden
    changed = np.abs(made[0].x - clean.x) > 0.1 * np.ptp(clean.x)
    assert changed.mean() < 0.03  # nothing beyond those pixels


@pytest.mark.parametrize("package", PACKAGES)
def test_spectra_in_air_are_converted(package):
    wave, prepare = PACKAGES[package]
    in_air = spectrum(wave, medium="air")
    in_vacuum = replace(in_air, wavelength=air_to_vacuum(wave), medium="vacuum")
    made, same, other = (prepare(s) for s in (in_air, in_vacuum, spectrum(wave)))
    assert made.usable.all(), made.reason
    np.testing.assert_array_equal(made.x, same.x)
    assert np.abs(made.x - other.x).max() > 1e-3 * np.ptp(other.x)  # 1.4 Å are not nothing


def test_rvs_pixels_without_weight_stand_at_the_continuum():
    flux = np.full((1, N_PIXELS), 0.8, "f4")
    ivar = np.ones_like(flux)
    flux[0, :9], ivar[0, :9] = 1e6, 0
    made, reasons = rvs_array(Spectra(WAVELENGTH, flux, ivar, ["1"], frame="rest"))
    assert reasons == [None] and (made[0, :9] == 1).all() and (made[0, 9:] == flux[0, 9:]).all()
