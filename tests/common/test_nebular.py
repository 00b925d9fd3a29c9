"""Photoionisation grids and dust curves: known values, edges, and what the physics demands."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common import assets
from common.mocks import dust
from common.mocks.lines import VACUUM
from common.mocks.nebular import COLUMNS, Nebulae
from tests.archives import archives


@pytest.fixture(scope="module")
def folder():
    with archives():
        return assets.fetch("nebulabayes") / "NebulaBayes/grids"


@pytest.fixture(scope="module")
def hii(folder):
    return Nebulae("hii")


@pytest.fixture(scope="module")
def nlr(folder):
    return Nebulae("nlr")


def at(nebulae, **point):
    return nebulae.fluxes(**{k: np.atleast_1d(np.asarray(v, float)) for k, v in point.items()})


@pytest.mark.parametrize("kind", ["hii", "nlr"])
def test_models_themselves_come_back(kind, folder, request):
    nebulae = request.getfixturevalue(kind)
    table = Table.read(folder / f"NB_{kind.upper()}_grid.fits.gz").to_pandas()
    rows = table.sample(50, random_state=1)
    point = dict(log_u=rows["log U"], log_p=rows["log P/k"], oh=rows["12 + log O/H"])
    if kind == "nlr":
        point["log_e_peak"] = rows["log E_peak"]
    found = at(nebulae, **point)
    for name, column in COLUMNS.items():
        wanted = np.maximum(np.nan_to_num(rows[column].to_numpy(float)), 1e-8)
        np.testing.assert_allclose(found[name], wanted, rtol=1e-6, err_msg=name)


def test_every_line_has_a_wavelength_and_ties_hold(hii):
    assert set(hii.lines) <= set(VACUUM)
    flux = at(hii, log_u=-2.8, log_p=5.8, oh=8.6)
    assert set(flux) == set(hii.lines)
    assert flux["OIII"] / flux["OIII4959"] == pytest.approx(2.98)
    assert flux["NII"] / flux["NII6548"] == pytest.approx(3.05)
    assert flux["Hb"] == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(u=st.floats(-4, -2), p=st.floats(4.2, 6.6), oh=st.floats(7.1, 9.3))
def test_balmer_lines_are_near_case_b(hii, u, p, oh):
    flux = at(hii, log_u=u, log_p=p, oh=oh)
    assert 2.75 < flux["Ha"][0] < 3.7  # collisions raise it in the coldest, most metal-rich gas
    assert 0.40 < flux["Hg"][0] < 0.49
    assert all(np.isfinite(v).all() and (v > 0).all() for v in flux.values())


def test_ratios_follow_abundance_ionisation_and_density(hii):
    flux = at(hii, log_u=np.full(30, -3.0), log_p=np.full(30, 5.8), oh=np.linspace(7.2, 8.9, 30))
    assert (np.diff(flux["NII"] / flux["Ha"]) > 0).all()
    u = np.linspace(-3.9, -2.1, 30)
    flux = at(hii, log_u=u, log_p=np.full(30, 5.8), oh=np.full(30, 8.6))
    assert (np.diff(flux["OIII"]) > 0).all()
    assert (np.diff(flux["SII6716"] / flux["Ha"]) < 0).all()
    flux = at(hii, log_u=[-3.0] * 3, log_p=[4.6, 5.8, 7.4], oh=[8.6] * 3)
    ratio = flux["SII6716"] / flux["SII6731"]
    assert 1.38 < ratio[0] < 1.48  # the low-density limit (Osterbrock & Ferland 2006, Fig. 5.8)
    assert (np.diff(ratio) < 0).all()


def test_narrow_line_regions_lie_among_agn(nlr):
    n = 40
    u = np.linspace(-3.4, -2.4, n)
    flux = at(nlr, log_u=u, log_p=[6.4] * n, oh=[8.99] * n, log_e_peak=[-1.25] * n)
    n2, o3 = np.log10(flux["NII"] / flux["Ha"]), np.log10(flux["OIII"])
    kewley = 0.61 / (n2 - 0.47) + 1.19
    assert ((o3 > kewley) | (n2 >= 0.47)).all()


def test_points_outside_move_to_the_edge(hii):
    names = ("log_u", "log_p", "oh")
    far = at(hii, **{name: [-100.0, 100.0] for name in names})
    near = at(hii, **{name: axis[[0, -1]] for name, axis in zip(names, hii.axes, strict=True)})
    assert {k: v.tolist() for k, v in far.items()} == {k: v.tolist() for k, v in near.items()}


def test_dust_curves_at_published_points_and_without_jumps():
    # Cardelli et al. 1989 with O'Donnell 1994: A(V)/E(B-V) = 3.1 at 5495 Å by definition.
    assert dust.cardelli(1e4 / 1.82) == pytest.approx(3.1)
    assert dust.cardelli(6564.6) == pytest.approx(2.52, abs=0.02)
    assert dust.cardelli(4862.7) == pytest.approx(3.66, abs=0.06)
    # Calzetti et al. 2000: k(V) = 4.05, k(Ha) = 3.33, k(Hb) = 4.60.
    for wave, k, within in ((5500.0, 4.05, 0.02), (6562.8, 3.33, 0.02), (4861.3, 4.60, 0.03)):
        assert dust.calzetti(wave) == pytest.approx(k, abs=within)
    wave = np.arange(3100.0, 10000.0)
    apart = np.abs(wave[:-1] - 6300) > 1  # Calzetti's two formulae meet there, not quite
    for curve in (dust.cardelli, dust.calzetti):
        steps = np.diff(curve(wave))
        assert np.abs(steps).max() < 0.03 and (steps[apart] < 0).all()
