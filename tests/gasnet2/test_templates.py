"""The template network: its input, its solutions, its evidence, and what it learns in seconds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UsageError
from common.resample import log_overlap
from common.spectra import Spectra
from gasnet2 import tables_trust
from gasnet2.config import CLASSES, PAPER, SDSS_CLASSES
from gasnet2.templates import calibrating, inputs, model, networks, solutions
from gasnet2.templates.explain import evidence, templates_of

CONFIG = replace(
    PAPER.configure("sdss-mock", "smoke", network="templates"), channels=4, maps=3, depth=1
)


def spectra_of(wave, flux, ivar=None, **more):
    flux = np.atleast_2d(flux)
    ids = [f"s{i}" for i in range(len(flux))]
    ivar = None if ivar is None else np.atleast_2d(ivar)
    return Spectra(wavelength=wave, flux=flux, ivar=ivar, ids=ids, **more)


# --- input


@given(step=st.floats(0.3, 3.0), first=st.floats(3400, 5000), n=st.integers(800, 3000))
def test_rebinning_keeps_flux_and_information(step, first, n):
    wave = first + step * np.arange(n)
    grid = inputs.grid()
    matrix = log_overlap(wave, first=inputs.LOG_FIRST, step=inputs.STEP, n=inputs.N_PIXELS)
    inside = (wave > grid[1]) & (wave < grid[-2])
    shares = np.asarray(matrix.sum(axis=0)).ravel()
    np.testing.assert_allclose(shares[inside], 1, atol=1e-5)
    assert shares.max() < 1 + 1e-5
    flux, ivar = inputs.rebinned(spectra_of(wave, np.full(n, 3.0), np.full(n, 4.0)))
    known = ivar[0] > 0
    level = flux[0][known]
    np.testing.assert_allclose(level, level[0], rtol=1e-5)  # a constant stays one


def test_a_line_stays_where_it_is_on_every_grid():
    centres = []
    for wave in (10 ** (3.5563 + 1e-4 * np.arange(4076)), np.arange(3700.0, 9500.0, 1.0),
                 np.arange(3600.0, 9800.0, 0.8)):  # fmt: skip
        line = np.exp(-0.5 * ((wave - 6000.0) / 8) ** 2)
        flux, _ = inputs.rebinned(spectra_of(wave, line, np.ones_like(wave)))
        centres.append((flux[0] * inputs.grid()).sum() / flux[0].sum())
    np.testing.assert_allclose(centres, 6000.0, atol=0.15)


@pytest.mark.parametrize("scale", [1e-30, 1e-17, 1.0, 1e6])
def test_input_does_not_depend_on_the_unit_of_flux(scale):
    rng = np.random.default_rng(1)
    wave = 10 ** (3.5563 + 1e-4 * np.arange(4076))
    flux = 5 + rng.normal(size=4076)
    one = inputs.prepare(spectra_of(wave, flux, np.ones(4076))).x
    other = inputs.prepare(spectra_of(wave, flux * scale, np.full(4076, scale**-2))).x
    np.testing.assert_allclose(other, one, rtol=2e-3, atol=2e-3)


def test_pixels_without_information_are_zero_and_hide_nothing_else():
    rng = np.random.default_rng(2)
    wave = 10 ** (3.5563 + 1e-4 * np.arange(4076))
    flux, ivar = 5 + rng.normal(size=4076), np.ones(4076)
    ivar[1000:1400] = 0
    spoiled = flux.copy()
    spoiled[1000:1400] = 1e30
    spoiled[1100] = np.nan
    a, b = (inputs.prepare(spectra_of(wave, f, ivar)) for f in (flux, spoiled))
    np.testing.assert_array_equal(a.x, b.x)
    parts = a.x.reshape(inputs.CHANNELS, inputs.N_PIXELS)
    hidden = parts[2] == 0
    assert hidden.sum() > 180 and not parts[:, hidden].any()
    mask = ivar == 0
    c = inputs.prepare(spectra_of(wave, spoiled, np.ones(4076), mask=mask[None]))
    np.testing.assert_array_equal(c.x, a.x)


@pytest.mark.parametrize("warning", [True, False])
def test_warnings_of_a_survey_hide_no_good_pixel(warning):
    rng = np.random.default_rng(8)
    wave = 10 ** (3.5563 + 1e-4 * np.arange(4076))
    mask = np.zeros((1, 4076), dtype=bool)
    mask[:, 1000:1400] = True
    spectra = spectra_of(wave, 5 + rng.normal(size=4076), np.ones(4076), mask=mask)
    spectra.mask_is_warning = warning
    hidden = inputs.prepare(spectra).x.reshape(3, -1)[2] == 0
    assert (hidden.sum() > 350) == (not warning)


def test_what_cannot_be_used_says_why():
    wave = np.linspace(12000.0, 16000.0, 500)
    prepared = inputs.prepare(spectra_of(wave, np.ones(500), np.ones(500)))
    assert not prepared.usable[0] and "12000-16000" in prepared.reason[0]
    wave = np.linspace(4000.0, 9000.0, 3000)
    prepared = inputs.prepare(spectra_of(wave, np.ones(3000), np.zeros(3000)))
    assert "0 of the network's" in prepared.reason[0]
    prepared = inputs.prepare(spectra_of(wave, np.zeros(3000), np.ones(3000)))
    assert "zero everywhere" in prepared.reason[0]


def test_without_errors_the_scatter_serves():
    rng = np.random.default_rng(3)
    wave = 10 ** (3.5563 + 1e-4 * np.arange(4076))
    flux = 10 + 0.5 * rng.normal(size=4076)
    x = inputs.prepare(spectra_of(wave, flux)).x.reshape(inputs.CHANNELS, -1)
    with_errors = inputs.prepare(spectra_of(wave, flux, np.full(4076, 4.0))).x.reshape(3, -1)
    known = with_errors[2] > 0
    assert np.median(x[2][known] / with_errors[2][known]) == pytest.approx(1, abs=0.1)


# --- solutions


def planted(peaks, classes=SDSS_CLASSES):
    """Return probabilities with Gaussians (class, shift, width, share) planted."""
    owner, shift = model.logit_table(classes)
    p = np.full(len(owner), 1e-9)
    for name, at, width, share in peaks:
        bell = np.exp(-0.5 * ((shift - at) / width) ** 2) * (owner == classes.index(name))
        p += share * bell / bell.sum()
    return (p / p.sum())[None]


def test_best_and_second_solution():
    p = planted([("QSO_BROADLINE", 1500.0, 2, 0.7), ("GALAXY_AGN", 300.0, 1, 0.3)])
    found = solutions.solve(p, SDSS_CLASSES)
    assert found.coarse[0] == "QSO" and SDSS_CLASSES[found.best[0]] == "QSO_BROADLINE"
    assert found.z[0] == pytest.approx(10 ** (1500 * inputs.STEP) - 1, abs=1e-4)
    assert found.p[0] == pytest.approx(0.7, abs=0.01)
    assert found.coarse_second[0] == "GALAXY"
    assert found.z_second[0] == pytest.approx(10 ** (300 * inputs.STEP) - 1, abs=1e-4)
    assert found.p_second[0] == pytest.approx(0.3, abs=0.01)
    width = 2 * inputs.STEP * np.log(10) * (1 + found.z[0])
    assert found.z_err[0] == pytest.approx(width, rel=0.2)
    assert not found.edge[0]


def test_classes_of_one_kind_add_up_to_one_solution():
    p = planted([("GALAXY_AGN", 400.0, 1, 0.3), ("GALAXY_nan", 400.3, 1, 0.3),
                 ("STAR_K5", 0.0, 1, 0.4)])  # fmt: skip
    found = solutions.solve(p, SDSS_CLASSES)
    assert found.coarse[0] == "GALAXY"
    assert found.p[0] == pytest.approx(0.6, abs=0.02)
    assert found.coarse_second[0] == "STAR"


def test_class_comes_before_redshift():
    p = planted([("QSO_nan", 1000.0, 2, 0.3), ("QSO_nan", 2200.0, 2, 0.29),
                 ("STAR_WD", 0.0, 1, 0.41)], CLASSES["surveys"])  # fmt: skip
    found = solutions.solve(p, CLASSES["surveys"])
    assert found.coarse[0] == "QSO"
    assert found.z[0] == pytest.approx(10 ** (1000 * inputs.STEP) - 1, abs=1e-3)
    assert found.coarse_second[0] == "STAR" and found.p_second[0] == pytest.approx(0.41, abs=0.01)


def test_second_redshift_of_the_same_kind_is_another_solution():
    p = planted([("QSO_nan", 1000.0, 2, 0.6), ("QSO_nan", 2200.0, 2, 0.4)])
    found = solutions.solve(p, SDSS_CLASSES)
    assert found.coarse_second[0] == "QSO"
    assert found.z_second[0] == pytest.approx(10 ** (2200 * inputs.STEP) - 1, abs=1e-3)


@given(st.integers(0, 2**32 - 1))
def test_probabilities_are_probabilities(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, rng.uniform(0.1, 20), (2, len(model.logit_table(SDSS_CLASSES)[0])))
    p = solutions.probabilities(logits)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-4)
    found = solutions.solve(p, SDSS_CLASSES)
    np.testing.assert_allclose(found.p_class.sum(axis=1), 1, rtol=1e-3)
    kinds = solutions.coarse_probability(found.p_class, SDSS_CLASSES)
    assert (found.coarse == np.array(list(kinds))[np.argmax(list(kinds.values()), axis=0)]).all()
    assert (found.p + found.p_second < 1 + 1e-3).all()
    assert (found.z_err > 0).all()
    z, pdf = solutions.pdf(p, SDSS_CLASSES)
    assert pdf.shape == (2, len(z)) and (np.diff(z) > 0).all()
    extragalactic = found.p_class[:, 7:].sum(axis=1)
    np.testing.assert_allclose(pdf.sum(axis=1), extragalactic, rtol=1e-3)


# --- network


@pytest.fixture(scope="module")
def untrained():
    import keras

    keras.utils.set_random_seed(1)
    return networks.TemplateNetwork(CONFIG, model.build_templates(CONFIG))


def test_one_logit_for_each_class_and_redshift(untrained):
    owner, shift = model.logit_table(CONFIG.classes)
    assert untrained.model.output_shape == (None, len(owner)) == (None, len(shift))
    assert set(owner) == set(range(13))
    stop = 0
    for block in model.blocks(CONFIG.classes):
        assert block.start == stop
        stop = block.stop
    assert stop == len(owner)


def test_evidence_of_pixels_adds_up_to_the_difference_of_logits(untrained):
    x = np.random.default_rng(4).normal(size=(5, 3, inputs.N_PIXELS)).astype("float32")
    x[:, 2] = np.abs(x[:, 2])
    x = x.reshape(5, -1)
    found = evidence(untrained, x)
    logits, best = untrained.logits(x), untrained.solutions(x)
    owner, shift = model.logit_table(CONFIG.classes)
    for i in range(5):
        values = []
        for number, z in ((best.best[i], best.z[i]), (best.second[i], best.z_second[i])):
            at = np.round(np.log10(1 + z) / inputs.STEP)
            values.append(logits[i, np.flatnonzero((owner == number) & (shift == at))[0]])
        total = found.added[i].sum() + found.constant[i]
        assert total == pytest.approx(values[0] - values[1], abs=2e-3)
    wave, maps = templates_of(untrained)["GALAXY_AGN"]
    assert maps.shape == (CONFIG.maps, len(wave)) and wave[0] < 1400 and wave[-1] > 9800


def test_loss_is_lowest_where_the_truth_is(untrained):
    loss = model.SoftTarget(SDSS_CLASSES)
    owner, shift = model.logit_table(SDSS_CLASSES)
    y = np.array([[8, 300.4]], dtype="float32")
    values = []
    for at in (300.4, 310, 900):
        for k in (8, 9):
            logits = 20 * np.exp(-0.5 * ((shift - at) / 1.5) ** 2) * (owner == k)
            values.append(float(loss(y, logits[None].astype("float32"))))
    assert values[0] < 4 and min(values[1:]) > 15


# --- trust


def table_of(n=4000, seed=5):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    right = rng.random(n) < p
    z = rng.uniform(0, 1, n)
    return pd.DataFrame({
        "coarse_true": "GALAXY", "coarse_pred": "GALAXY", "p_right": p, "z_true": z,
        "z_routed_pred": np.where(right, z, z + 0.3),
        "z_routed_err": 1e-4,
    })  # fmt: skip


def test_honest_probabilities_lie_on_the_diagonal():
    table = tables_trust.reliability_table(table_of())
    rows = table[table["coarse"] == "all"]
    assert len(rows) >= 8
    assert (np.abs(rows["right"] - rows["p_mean"]) < 5 * rows["right_se"]).all()
    cuts = tables_trust.cut_table(table_of())
    every = cuts[cuts["coarse"] == "all"]
    assert (np.diff(every["completeness"]) <= 0).all() and every["purity"].iloc[-1] > 0.95


def test_failed_class_is_wrong_and_a_class_without_redshift_counts():
    table = table_of(100)
    table["coarse_pred"] = "QSO"
    assert (tables_trust.cut_table(table)["purity"] == 0).all()
    table["coarse_pred"], table["z_true"] = "GALAXY", np.nan
    assert (tables_trust.cut_table(table)["purity"] == 1).all()


def test_velocities_of_stars_are_judged_in_kms():
    n = 50
    z = np.linspace(-1e-3, 1e-3, n)
    df = pd.DataFrame({"coarse_true": "STAR", "coarse_pred": "STAR", "v_true": z,
                       "z_routed_pred": z + 1e-4})  # fmt: skip
    df.loc[:4, "coarse_pred"] = "QSO"
    table = tables_trust.velocity_table(df).iloc[0]
    assert table["n"] == n and table["called_star"] == pytest.approx(0.9)
    assert table["median"] == pytest.approx(29.98, abs=0.01) and table["spread"] < 0.01
    assert table["beyond"] == 0
    assert not len(tables_trust.velocity_table(df.drop(columns="v_true")))


# --- training


def test_batches_get_worse_but_never_gain_information():
    import tensorflow as tf

    from gasnet2.templates.augment import augmented

    rng = np.random.default_rng(6)
    rows = rng.normal(size=(64, 3, inputs.N_PIXELS)).astype("float32")
    rows[:, 2] = np.abs(rows[:, 2]) + 1.0
    rows[:, :, :50] = 0
    flat = rows.reshape(64, -1)

    class Memory:
        n_pixels, n_bytes = flat.shape[1], flat.nbytes

        def rows(self, index):
            return flat[index]

    y = np.arange(64.0)[:, None]
    same = next(iter(augmented(Memory(), np.arange(64), y, batch_size=64)))
    np.testing.assert_array_equal(same[0], flat)
    x, target = next(iter(augmented(Memory(), np.arange(64), y, batch_size=64, seed=1)))
    order = target.numpy()[:, 0].astype(int)
    before, after = rows[order], tf.reshape(x, (64, 3, -1)).numpy()
    assert not after[:, :, :50].any()
    known = after[:, 2] > 0
    assert (after[:, 2] <= before[:, 2] * (1 + 1e-6)).all()
    assert not after[:, 0][~known].any() and not after[:, 1][~known].any()
    noisier = (after[:, 2, 50:] / before[:, 2, 50:]).max(axis=1) < 0.999
    assert 5 < noisier.sum() < 50
    hidden = (~known[:, 50:]).sum(axis=1)
    assert 3 < (hidden > 50).sum() < 40
    again, _ = next(iter(augmented(Memory(), np.arange(64), y, batch_size=64, seed=1)))
    np.testing.assert_array_equal(x, again)


def test_calibration_makes_probabilities_honest():
    rng = np.random.default_rng(7)
    p = rng.random(5000)
    right = rng.random(5000) < p**2  # overconfident
    said = networks.fraction_right(p, calibrating.slopes(p, right))
    for low in np.arange(0.1, 1, 0.2):
        here = (said >= low) & (said < low + 0.2)
        assert right[here].mean() == pytest.approx(said[here].mean(), abs=0.05)
    assert (np.diff(said[np.argsort(p)]) >= 0).all()


def test_calibration_follows_a_curve_that_three_numbers_cannot():
    """Most spectra are sure and right; those between 0.3 and 0.9 decide little of the fit."""
    rng = np.random.default_rng(3)
    p = np.append(rng.uniform(0.999, 1.0, 20000), rng.uniform(0.05, 0.95, 3000))
    true = np.interp(p, [0, 0.2, 0.5, 0.8, 0.95, 1], [0, 0.19, 0.33, 0.62, 0.92, 1])
    right = rng.random(len(p)) < true
    said = networks.fraction_right(p, calibrating.slopes(p, right))
    assert np.abs(said - true).max() < 0.05


def test_calibration_without_failures_changes_nothing():
    p = np.array([0.1, 0.5, 0.9, 1.0])
    said = networks.fraction_right(p, calibrating.slopes(p, np.ones(4, dtype=bool)))
    np.testing.assert_allclose(said, p, atol=1e-5)


# --- what does not go together


def test_mock_of_all_surveys_needs_the_template_network():
    with pytest.raises(UsageError, match="--network templates"):
        PAPER.configure("surveys-mock", "demo")
    config = PAPER.configure("surveys-mock", "demo", network="templates")
    assert len(config.classes) == 20
    assert config.size_of("QSO_nan") > config.size_of("GALAXY_nan") > config.size_of("STAR_M")
    assert PAPER.run_dir(config).name == "surveys-mock-template-demo"


def test_table_of_twenty_classes_is_evaluated_and_judges_no_claim(tmp_path):
    from gasnet2 import evaluate

    rng = np.random.default_rng(9)
    classes = np.array(CLASSES["surveys"])
    names = classes[rng.integers(0, 20, 400)]
    z = rng.uniform(0, 1, 400)
    coarse = [name.split("_")[0] for name in names]
    table = pd.DataFrame({
        "id": np.arange(400).astype(str), "class_true": names, "class_pred": names, "snr": 5.0,
        "coarse_true": coarse, "coarse_pred": coarse, "z_true": z, "z_pred": z, "z_err": 1e-3,
        "z_routed_pred": z, "z_routed_err": 1e-3, "p_right": rng.random(400),
    })  # fmt: skip
    table.to_parquet(tmp_path / "table.parquet")
    argv = ["--predictions", str(tmp_path / "table.parquet"), "-o", str(tmp_path / "out")]
    assert evaluate.main(argv) == 0
    assert (tmp_path / "out" / "tables" / "trust.ecsv").exists()
    judged = Table.read(tmp_path / "out" / "claims.ecsv")
    assert set(judged["verdict"]) == {"untested"}
