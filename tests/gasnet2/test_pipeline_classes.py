"""SDSS's subclasses by measurement: the rules, the fit, what the mock's classes are made of."""

from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from common.mocks import absorption, galaxies, instrument
from common.mocks.lines import C_KMS, VACUUM
from common.surveys import read_many
from common.surveys.read import read
from gasnet2.figures.redshifts import error_against_vdisp
from gasnet2.mock import classes as mock_classes
from gasnet2.mock import make as mock
from gasnet2.mock import sdss
from gasnet2.mock.pipeline_classes import WINDOWS, Lines, Pipeline, is_broad, subclasses
from tests.archives import archives

NAMES = [name for *_, parts in WINDOWS for name, *_ in parts]
GRID = 10 ** (instrument.SDSS_COEFF0 + 1e-4 * np.arange(instrument.BOSS_PIXELS))
EXTRAGALACTIC = sorted(sdss.MIXTURES)


@pytest.fixture(scope="module")
def universe():
    with archives("thedoppler", "sdss-mangadap", "pypeit"):
        return mock_classes.Universe()


@pytest.fixture(scope="module")
def survey(universe):
    return sdss.Survey(universe)


@pytest.fixture(scope="module")
def drawn(survey):
    """40 spectra of each extragalactic class."""
    return {
        name: survey.draw(name, 40, np.random.default_rng(k), lambda n: None)
        for k, name in enumerate(EXTRAGALACTIC)
    }


@pytest.fixture(scope="module")
def plain():
    """A pipeline whose only background is smooth: needs no archive."""
    x = np.linspace(-1, 1, instrument.REST_PIXELS)
    return Pipeline(SimpleNamespace(library=[np.stack([x**0, x, x**2]).astype(np.float32)]))


# ------------------------------------------------------------------------------------- the rules


def measured(n=1, **lines):
    """Lines that are not there but for those given: name=(area, err, sigma, sigma_err, ew, err)."""
    nothing = (0.0, 1.0, 100.0, 50.0, 0.0, 1.0)
    values = zip(*(lines.get(name, nothing) for name in NAMES), strict=True)
    return Lines(*({k: np.full(n, float(v)) for k, v in zip(NAMES, row, strict=True)}
                   for row in values))  # fmt: skip


def narrow(area, err=1.0, ew=20.0):
    return (area, err, 120.0, 5.0, ew, 1.0)


def four(oiii=40.0, hb=30.0, ha=100.0, nii=30.0, ew=20.0):
    return {"OIII": narrow(oiii), "Hb": narrow(hb), "Ha": narrow(ha, ew=ew), "NII": narrow(nii)}


def test_no_line_no_subclass():
    assert subclasses(measured()).tolist() == [""]


@pytest.mark.parametrize("missing", ["OIII", "Hb", "Ha", "NII"])
def test_all_four_lines_are_needed_at_three_sigma(missing):
    assert subclasses(measured(**four())) == "STARFORMING"
    assert subclasses(measured(**{**four(), missing: narrow(2.9)})) == ""
    assert subclasses(measured(**{**four(), missing: narrow(40.0, err=-1.0)})) == "", "not covered"


def test_equivalent_width_makes_a_starburst_of_a_star_forming_galaxy_only():
    assert subclasses(measured(**four(ew=50.1))) == "STARBURST"
    assert subclasses(measured(**four(ew=49.9))) == "STARFORMING"
    weak = {**four(), "Ha": (100.0, 1.0, 120.0, 5.0, 60.0, 21.0)}
    assert subclasses(measured(**weak)) == "STARFORMING", "not 50 Å at 3 sigma"
    assert subclasses(measured(**four(oiii=300.0, ew=90.0))) == "AGN"


@given(*[st.floats(5, 1e4)] * 4)
def test_the_border_of_agn_is_the_pipelines_inequality(oiii, hb, ha, nii):
    product = oiii * nii**1.2 / (10**0.22 * hb * ha**1.2)  # as the pipeline's code has it
    if abs(product - 1) > 1e-9:
        found = subclasses(measured(**four(oiii, hb, ha, nii)))
        assert (found == "AGN") == (product > 1)


@given(st.floats(5, 20), st.floats(-2, 12), st.floats(1, 300), st.sampled_from(NAMES))
def test_broad_is_any_line_at_ten_sigma_wider_than_200_at_five(area, above, error, name):
    sigma = 200 + above * error
    lines = measured(**{name: (area, 1.0, sigma, error, 10.0, 1.0)})
    assert is_broad(lines)[0] == (area > 10 and sigma - 5 * error > 200)
    assert subclasses(lines)[0] == ("BROADLINE" if is_broad(lines)[0] else "")


def test_a_galaxy_can_be_broad_and_something_else():
    lines = four(oiii=300.0)
    lines["Ha"] = (100.0, 1.0, 900.0, 20.0, 20.0, 1.0)
    assert subclasses(measured(**lines)) == "AGN BROADLINE"


# --------------------------------------------------------------------------------------- the fit


def spectrum(lines, *, z, kms, level=10.0, error=0.3, seed=None, n=1):
    """Flat spectra with Gaussian lines of these areas (flux times Å), and their ivar."""
    flux = np.full((n, len(GRID)), level)
    for name, area in lines.items():
        at = VACUUM[name] * (1 + z)
        sigma = at * kms / C_KMS
        flux += area / np.sqrt(2 * np.pi) / sigma * np.exp(-0.5 * ((GRID - at) / sigma) ** 2)
    if seed is not None:
        flux += error * np.random.default_rng(seed).standard_normal(flux.shape)
    return flux.astype(np.float32), np.full(flux.shape, error**-2, dtype=np.float32)


NARROW = {"Ha": 200.0, "NII": 60.0, "NII6548": 20.0, "Hb": 70.0, "OIII": 90.0, "OIII4959": 30.0,
          "SII6716": 30.0, "SII6731": 25.0}  # fmt: skip


@settings(max_examples=25)
@given(st.floats(0.01, 0.45), st.floats(90, 400))
def test_lines_without_noise_come_back(plain, z, kms):
    flux, ivar = spectrum(NARROW, z=z, kms=kms)
    found = plain.measure(flux, ivar, z=np.array([z]), kind="GALAXY")
    for name in ("Ha", "NII", "Hb", "OIII"):
        assert found.area[name][0] == pytest.approx(NARROW[name], rel=0.05)
        assert found.sigma[name][0] == pytest.approx(kms, rel=0.05)
        assert found.ew[name][0] == pytest.approx(NARROW[name] / 10.0, rel=0.06), "as observed"


@settings(max_examples=15)
@given(st.floats(0.1, 4.0), st.floats(900, 4000))
def test_broad_lines_of_quasars_come_back(plain, z, kms):
    lines = {"CIV": 900.0, "CIII": 700.0, "MgII": 900.0}
    flux, ivar = spectrum(lines, z=z, kms=kms)
    found = plain.measure(flux, ivar, z=np.array([z]), kind="QSO")
    for name in lines:
        if 3700 < VACUUM[name] * (1 + z) * (1 - 4 * kms / C_KMS) and VACUUM[name] * (1 + z) < 9300:
            assert found.area[name][0] == pytest.approx(lines[name], rel=0.15)
            assert found.sigma[name][0] == pytest.approx(kms, rel=0.15)
            assert is_broad(found)[0]


def test_errors_are_those_of_repeated_measurements(plain):
    flux, ivar = spectrum(NARROW, z=0.1, kms=150.0, error=1.0, seed=1, n=400)
    found = plain.measure(flux, ivar, z=np.full(400, 0.1), kind="GALAXY")
    for name in ("Ha", "NII", "Hb", "OIII"):
        pull = (found.area[name] - NARROW[name]) / found.area_err[name]
        assert abs(pull.mean()) < 0.2 and pull.std() == pytest.approx(1, abs=0.12)
    pull = (found.sigma["Ha"] - 150.0) / found.sigma_err["Ha"]
    assert pull.std() == pytest.approx(1, abs=0.2)


def test_noise_alone_is_no_line(plain):
    flux, ivar = spectrum({}, z=0.1, kms=100.0, error=2.0, seed=2, n=300)
    z = np.full(300, 0.1)
    for kind in ("GALAXY", "QSO"):
        found = plain.measure(flux, ivar, z=z, kind=kind)
        assert np.mean(subclasses(found) == "") > 0.99
        assert np.mean(found.detected("Ha", 3)) < 0.05


def test_what_is_masked_or_beyond_the_spectrum_is_not_measured(plain):
    flux, ivar = spectrum(NARROW, z=0.1, kms=100.0)
    masked = ivar.copy()
    masked[:, np.abs(GRID / 1.1 - VACUUM["Ha"]) < 90] = 0
    assert plain.measure(flux, masked, z=np.array([0.1]), kind="GALAXY").area_err["Ha"] == -1
    found = plain.measure(flux, ivar, z=np.array([0.9]), kind="GALAXY")
    assert found.area_err["Ha"] == -1 and found.area_err["Hb"] > 0
    blind = plain.measure(flux, 0 * ivar, z=np.array([0.1]), kind="GALAXY")
    assert subclasses(blind) == "" and blind.area_err["Hb"] == -1


# ---------------------------------------------------------------------------- classes of the mock


@pytest.mark.parametrize("name", EXTRAGALACTIC)
def test_every_spectrum_measures_as_its_class(universe, drawn, name):
    """So QSO_nan and QSO_BROADLINE differ by what the pipeline sees: lines and S/N."""
    made, (coarse, sub) = drawn[name], name.split("_")
    assert len(made.z) == 40
    found = universe.pipeline.measure(made.flux, made.ivar, z=made.z, kind=coarse)
    if coarse == "QSO":
        assert (is_broad(found) == (sub == "BROADLINE")).all()
    else:
        assert (subclasses(found) == sub.replace("nan", "")).all()


def test_classes_hold_kinds_as_noise_mixes_them(drawn):
    share = {name: np.mean(made.kind == name.split("_")[1]) for name, made in drawn.items()}
    for name in ("GALAXY_AGN", "GALAXY_STARFORMING", "GALAXY_STARBURST"):
        assert share[name] > 0.65
    composite = [np.mean(drawn[f"GALAXY_{k}"].kind == "COMPOSITE") for k in ("AGN", "STARFORMING")]
    assert 0.03 < composite[0] < 0.4 and composite[1] < 0.2, "noise settles their side"
    assert share["GALAXY_nan"] < 0.97, "star-forming ones whose lines are not seen are in it"
    weak = [np.mean(drawn[f"QSO_{sub}"].kind == "weak") for sub in ("nan", "BROADLINE")]
    assert weak[0] > 0.1 and weak[1] < 0.1 and weak[0] > 2 * weak[1]


def test_kinds_of_quasar_alone_do_not_decide(drawn):
    """Two strengths of narrow lines made the two classes once, whatever the noise left of them."""
    for sub in ("nan", "BROADLINE"):
        kinds = drawn[f"QSO_{sub}"].kind
        assert np.mean(kinds == "BROADLINE") > 0.15 and np.mean(kinds == "nan") > 0.15


def test_quasars_without_a_class_have_lines_that_noise_hides(survey, universe):
    z, rng = np.full(60, 2.0), np.random.default_rng(3)
    share = []
    for snr in (0.8, 30.0):
        flux, ivar = survey.observe(universe.quasar("nan", z, rng), np.full(60, snr), rng)
        share.append(is_broad(universe.pipeline.measure(flux, ivar, z=z, kind="QSO")).mean())
    assert share[0] < 0.3 and share[1] > 0.9


def test_redshifts_and_snr_stay_those_of_the_class(survey):
    made = survey.draw("GALAXY_AGN", 150, np.random.default_rng(7), lambda n: None)
    z, snr = mock_classes.draw_z_snr("GALAXY_AGN", 5000, np.random.default_rng(8))
    good = np.where(made.ivar > 0, made.flux * np.sqrt(made.ivar), np.nan)
    for got, wanted in ((made.z, z), (np.nanmedian(good, axis=1), snr)):
        for level in (0.25, 0.5, 0.75):
            assert np.mean(got <= np.quantile(wanted, level)) == pytest.approx(level, abs=0.15)


@pytest.mark.parametrize("z, least, most", [(0.5, 0.0, 0.0), (0.6, 0.0, 0.1), (0.85, 0.4, 0.75),
                                            (1.2, 0.85, 1.0)])  # fmt: skip
def test_emission_line_galaxies_take_over_beyond_057(z, least, most):
    kinds = sdss.draw_kinds("GALAXY_nan", np.full(4000, z), np.random.default_rng(1))
    assert least <= np.mean(kinds == "ELG") <= most
    if z > 0.57:
        assert set(kinds) == {"ELG", "nan"}


def test_they_are_seen_by_their_oxygen_and_stay_without_a_subclass(survey, universe):
    z, rng = np.full(80, 0.85), np.random.default_rng(4)
    noiseless, _ = universe.galaxy_and_dispersion("ELG", z, rng)
    red = universe.galaxy("nan", z, rng)
    wave = instrument.model_grid() / 1.85
    line, side = np.abs(wave - 3728.5) < 9, (np.abs(wave - 3728.5) < 40)
    side &= ~line
    width = np.gradient(wave)[line]
    ew = [
        ((f[:, line] / np.median(f[:, side], axis=1)[:, None] - 1) * width).sum(axis=1)
        for f in (noiseless, red)
    ]
    assert 20 < np.median(ew[0]) < 110 and np.median(ew[1]) < 8
    flux, ivar = survey.observe(noiseless, np.full(80, 1.5), rng)
    found = universe.pipeline.measure(flux, ivar, z=z, kind="GALAXY")
    assert np.mean(subclasses(found) == "") > 0.9


# ------------------------------------------------------------ dispersions, wings, broad absorption


def test_stars_and_gas_move_together(universe):
    rng = np.random.default_rng(5)
    z = np.full(150, 0.1)
    flux, stars = universe.galaxy_and_dispersion("AGN", z, rng)
    seen = flux[:, instrument.sdss_slice()]
    ivar = (400 / np.median(seen, axis=1)[:, None] ** 2) * np.ones_like(seen)
    found = universe.pipeline.measure(seen, ivar * 100, z=z, kind="GALAXY")
    gas = np.sqrt(np.maximum(found.sigma["OIII"] ** 2 - 69.0**2, 1))
    bright = found.detected("OIII", 30)
    assert bright.sum() > 60
    assert np.corrcoef(np.log(stars[bright]), np.log(gas[bright]))[0, 1] > 0.6
    assert np.median(gas[bright] / stars[bright]) == pytest.approx(0.8, abs=0.12)


def test_red_galaxies_have_higher_dispersions_and_no_two_the_same(universe):
    rng = np.random.default_rng(6)
    medians = []
    for kind in ("passive", "mixed", "starforming", "starburst"):
        flux, kms = universe.galaxies.continua(kind, 80, rng)
        medians.append(np.median(kms))
        assert len(set(kms)) > 70 and kms.min() >= 30 and kms.max() <= 360
        assert np.isfinite(flux).all()
    assert medians == sorted(medians, reverse=True)


def test_dispersions_are_written_and_read(universe, tmp_path):
    paths = mock.make_mock(survey="sdss", n_per_class=3, seed=2, out_dir=tmp_path, progress=False)
    for path in paths:
        with fits.open(path) as hdus:
            table = hdus["SPECTRA"]
            assert table.columns["VDISP"].unit == "km/s"
            galaxy = table.data["CLASS"][0] == "GALAXY"
            vdisp, kinds = table.data["VDISP"], table.data["KIND"]
            assert ((vdisp > 0) == galaxy).all() and (kinds != "").all()
        np.testing.assert_allclose(read(path).meta["vdisp"].astype(float), vdisp)


def test_dispersions_of_one_networks_redshifts_are_drawn_without_errors():
    """A single member has no spread: sigma_z is 0, which a logarithmic axis cannot show."""
    rng = np.random.default_rng(13)
    frame = pd.DataFrame({
        "class_true": np.repeat(["GALAXY_AGN", "GALAXY_nan"], 20), "z_true": 0.1, "z_pred": 0.11,
        "z_err": 0.0, "vdisp": rng.uniform(50, 300, 40),
    })  # fmt: skip
    error_against_vdisp(frame).savefig(BytesIO())
    frame["z_err"] = 1e-3
    assert error_against_vdisp(frame).axes[0].get_yscale() == "log"


def test_broad_lines_have_wings_as_real_ones_have(universe):
    """Of H alpha's flux in real SDSS quasars at z < 0.4, 0.16 lies beyond 90 Å (here of 48)."""
    make = universe.quasars.parametric
    with_lines, without = (
        make(200, np.random.default_rng(9), strength=s).astype(float) for s in (1.0, 0.0)
    )
    away = np.abs(instrument.rest_grid() - VACUUM["Ha"])
    line = np.median((with_lines - without) / without, axis=0)
    share = line[(away > 90) & (away < 250)].sum() / line[away < 250].sum()
    assert 0.15 < share < 0.3, "0.08 with single Gaussians; narrow lines, not in this, lower it"


def test_broad_absorption_in_its_share_and_where_it_belongs():
    rng = np.random.default_rng(10)
    n, z = 3000, 2.2
    flux = np.ones((n, instrument.MODEL_PIXELS), dtype=np.float32)
    absorption.absorbers(flux, z=np.full(n, z), rng=rng)
    wave = instrument.model_grid() / (1 + z)

    def trough(line):  # balnicity: absorption over 1000 km/s and more blueward of a line
        speed = C_KMS * (1 - wave / VACUUM[line])
        inside = (speed > 0) & (speed < 25000)
        return ((1 - flux[:, inside]) > 0.1).sum(axis=1) * 69.0 > 1500

    share = trough("CIV").mean()
    assert 0.10 <= share <= 0.15, "of quasars at z > 1.5 (Gibson et al. 2009, ApJ 692, 758)"
    assert np.mean(trough("SiIV")[trough("CIV")]) > 0.6
    low = np.mean(trough("MgII")[trough("CIV")])
    assert 0.05 < low < 0.25, "a tenth or so have low ions too"
    near = np.ones((500, instrument.MODEL_PIXELS), dtype=np.float32)
    absorption.absorbers(near, z=np.full(500, 0.8), rng=rng)
    assert (near[:, np.abs(instrument.model_grid() - 1.8 * 2700) < 10].mean(axis=1) > 0.3).all()


def test_composites_lie_on_both_sides_of_the_border():
    lines = galaxies.line_ratios("COMPOSITE", 5000, np.random.default_rng(12))
    n2, o3 = np.log10(lines["NII"] / lines["Ha"]), np.log10(lines["OIII"] / lines["Hb"])
    off = o3 - galaxies.demarcation(n2)
    assert np.mean(off > 0) == pytest.approx(0.5, abs=0.03) and np.abs(off).mean() < 0.15


def test_cluster_galaxies_have_lines_as_a_rule_and_red_ones_mostly_not():
    rng = np.random.default_rng(11)
    share = {k: np.mean(galaxies.line_ratios(k, 5000, rng)["EW"] > 1) for k in ("BCG", "LRG")}
    assert share["BCG"] > 0.8 and 0.2 < share["LRG"] < 0.4
    of = {name: mock_classes.FOURMOST_GALAXIES[name][0] for name in ("ClusB", "RedGAL")}
    assert of == {"ClusB": ("BCG",), "RedGAL": ("LRG",)}


# -------------------------------------------------------------------------- beside SDSS's pipeline

SDSS_NAMES = {"Ha": "H_alpha", "Hb": "H_beta", "OIII": "O_III_5007", "NII": "N_II_6583"}


def without_broad(names):
    return np.strings.strip(np.strings.replace(np.asarray(names, str), "BROADLINE", ""))


@pytest.fixture(scope="module")
def nearby(shared_data):
    """476 galaxies of DR14 with the pipeline's lines: bright, S/N above 53."""
    with fits.open(shared_data / "real" / "sdss" / "galaxies_dr14.fits.gz") as hdus:
        return hdus["SPECTRA"].data.copy()


def test_rules_on_the_pipelines_own_lines_give_its_subclasses(nearby):
    values = []
    for suffix, default in (("AREA", 0), ("AREA_ERR", 1), (None, 100), (None, 50), ("EW", 0),
                            ("EW_ERR", 1)):  # fmt: skip
        values.append({
            name: np.asarray(nearby[f"{SDSS_NAMES[name]}_{suffix}"], float)
            if name in SDSS_NAMES and suffix else np.full(len(nearby), float(default))
            for name in NAMES
        })  # fmt: skip
    agree = subclasses(Lines(*values)) == without_broad(nearby["SUBCLASS"])
    assert agree.mean() > 0.99


def test_measured_lines_of_real_galaxies_are_the_pipelines(universe, nearby):
    """Where the stars are bright, the subclass hangs on how they are subtracted: 78 % agree."""
    flux, ivar = (np.asarray(nearby[k], np.float32) for k in ("flux", "ivar"))
    found = universe.pipeline.measure(flux, ivar, z=nearby["Z"], kind="GALAXY", log0=3.55)
    for name, theirs in SDSS_NAMES.items():
        area, error = nearby[f"{theirs}_AREA"], nearby[f"{theirs}_AREA_ERR"]
        clear = (error > 0) & (area > 30 * error) & (found.area_err[name] > 0)
        assert np.median(found.area[name][clear] / area[clear]) == pytest.approx(1, abs=0.12)
        assert np.median(found.area_err[name][clear] / error[clear]) == pytest.approx(1, abs=0.25)
    theirs = without_broad(nearby["SUBCLASS"])
    agree = without_broad(subclasses(found)) == theirs
    assert agree.mean() > 0.72
    assert agree[np.isin(theirs, ("STARFORMING", "STARBURST"))].mean() > 0.9


def test_subclasses_of_spectra_of_usual_quality(universe, shared_data):
    """Survey spectra of S/N 1-60: BROADLINE of quasars, all subclasses of galaxies."""
    folder = shared_data / "real" / "sdss"
    files = [folder / "spec", folder / "dr16_table.fits", folder / "boss_faint.fits.gz"]
    rows = {"QSO": [], "GALAXY": []}
    for spectra in read_many(files, rejects=[]):
        meta = spectra.meta.reset_index(drop=True)
        for i in range(len(meta)):
            kind = str(meta["class"][i]).strip()
            first = (np.log10(spectra.wavelength_of(i)[0]) - 3.54) * 1e4
            if kind not in rows or abs(first - round(first)) > 0.05:
                continue
            own = np.zeros((2, 4900), dtype=np.float32)
            values = np.nan_to_num(np.stack([spectra.flux[i], spectra.ivar[i]]).astype(np.float32))
            end = min(round(first) + values.shape[1], 4900)
            own[:, round(first) : end] = values[:, : end - round(first)]
            sub = str(meta["subclass"].fillna("")[i]).strip()
            rows[kind].append((*own, float(meta["z"][i]), sub))
    for kind, least in (("QSO", 0.90), ("GALAXY", 0.75)):
        flux, ivar, z, theirs = (np.array(v) for v in zip(*rows[kind], strict=True))
        assert len(z) > (100 if kind == "QSO" else 30)
        found = universe.pipeline.measure(flux, ivar, z=z, kind=kind, log0=3.54)
        if kind == "QSO":
            agree = is_broad(found) == (np.strings.find(theirs, "BROADLINE") >= 0)
        else:
            agree = subclasses(found) == theirs
        assert agree.mean() > least, kind
