"""What a page says of stars beside what every paper's contract tests."""

import numpy as np
import pandas as pd
import pytest

from common.errors import MissingDataError
from common.surveys.gaia_rvs import read_rvs
from rvs_hybrid.inpython import as_sources
from rvs_hybrid.inspecting import TRAINED, StarView, colours, place_of_colour
from rvs_hybrid.stars.sources import NUMBERS

SUN_LIKE = {"teff": 5800.0, "logg": 4.4, "fe_h": 0.0, "alpha_m": 0.0}


def test_absolute_magnitude_is_of_the_parallax_and_missing_where_that_is_below_zero():
    star = {"g": 10.0, "bp": 10.3, "rp": 9.5, "parallax": 10.0, "parallax_error": 0.1}
    place = place_of_colour(star)
    assert (place.x, place.y) == (pytest.approx(0.8), pytest.approx(5.0))
    assert place.dy == pytest.approx(5 / np.log(10) * 0.01)
    assert np.isnan(place_of_colour(star | {"parallax": -1.0}).y)


def test_colours_of_the_training_set_are_those_of_its_stars():
    star = {"g": 10.0, "bp": 10.3, "rp": 9.5, "parallax": 10.0, "parallax_error": 0.1}
    labels = pd.DataFrame([star | {"teff": 5800.0, "logg": 4.4}] * 2)[list(TRAINED)]
    labels.loc[1, "parallax"] = -1.0
    found = colours(labels)
    assert list(found["x"]) == pytest.approx([0.8, 0.8]) and found["y"][0] == pytest.approx(5.0)
    assert np.isnan(found["y"][1])
    assert colours(None) is None and colours(labels.drop(columns="bp")) is None


def test_rvs_spectra_alone_are_sources(shared_data):
    spectra = read_rvs(shared_data / "real/gaia/Kepler-93.csv")
    sources = as_sources(spectra)
    assert len(sources) == 1 and str(sources.stars["source_id"][0]) == spectra.ids[0]
    assert np.isfinite(sources.rvs).all() and sources.stars["has_rvs"].all()
    assert np.isnan(sources.xp).all() and set(NUMBERS) <= set(sources.stars)


def test_semi_synthetic_spectrum_lies_over_a_real_one(shared_data):
    spectra = read_rvs(shared_data / "real/gaia/Kepler-93.csv")
    view = object.__new__(StarView)
    view.model, view.why = None, ""
    flux = np.asarray(spectra.flux[0], dtype=float)
    made = view.synthetic(flux, pd.Series(SUN_LIKE))
    if made is None:
        pytest.skip(f"{MissingDataError.__name__}: {view.why}")
    off = flux - made.values
    assert np.nanstd(off) < 0.5 * np.nanstd(flux)
