"""Template fitting: against least squares by hand, on planted redshifts, as a command."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls

from common.catalog import read_table
from common.errors import SuiteError, UsageError
from common.mocks import moons
from mtopnet.figures.peer import success_beside
from mtopnet.mock.make import Universe
from mtopnet.peer import beside, scalars
from mtopnet.peer import templates as peer_templates
from mtopnet.peer.__main__ import main
from mtopnet.peer.fit import Fitter, Grid, nonnegative, peak
from mtopnet.tables import peer as tables_peer
from tests.archives import archives
from tests.mtopnet import toy
from tests.mtopnet import toy_run as tiny
from tests.pictures import rendered

ARMS = [np.isin(np.arange(moons.PIXELS), np.arange(moons.PIXELS)[part])
        for part in moons.arm_slices().values()]  # fmt: skip
GROUPS = ((3728.5, 4862.7, 6564.6), (4960.3, 5008.2), (6718.3, 9533.2))


@pytest.fixture(scope="module")
def grid():
    return Grid(moons.grid(), z_range=(0.6, 3.0))


@pytest.fixture(scope="module")
def templates(grid):
    """A slope with a break, and three groups of lines."""
    rest = grid.rest
    slope = (rest / 4000) ** -0.7 * np.where(rest > 4000, 1.0, 0.6)
    lines = [sum(peer_templates.profile(rest, line, 90.0) for line in group) for group in GROUPS]
    return np.stack([slope, *lines])


@pytest.fixture(scope="module")
def fitter(grid, templates):
    return Fitter(templates, grid)


def spectrum(grid, templates, z, amplitudes=(1.0, 40.0, 25.0, 10.0), *, noise=0.0, seed=0):
    """Return flux and ivar at a redshift between the grid's, both of shape (1, 12217)."""
    rng, wave = np.random.default_rng(seed), moons.grid()
    flux = np.array([np.interp(wave / (1 + z), grid.rest, t) for t in templates])
    error = 0.05 + 0.2 * rng.random(len(wave))
    flux = np.array(amplitudes) @ flux + noise * error * rng.standard_normal(len(wave))
    return flux[None], (1 / error**2)[None]


def gain_of(fitter, flux, ivar):
    weight, product = fitter.grid.sums(flux, ivar)
    return fitter.gain(weight[0], product[0])


@pytest.mark.parametrize("z", [0.7, 1.2345, 2.0001, 2.9])
def test_the_redshift_of_a_noiseless_spectrum_comes_back_to_half_a_bin(grid, templates, fitter, z):
    found, lead = peak(grid.z, gain_of(fitter, *spectrum(grid, templates, z)))
    assert abs(found - z) < 0.5 * (1 + z) * np.log(10) * grid.step
    assert lead > 25


def test_noise_hides_no_strong_line(grid, templates, fitter):
    for seed, z in enumerate((0.9, 1.6, 2.3)):
        found, _ = peak(grid.z, gain_of(fitter, *spectrum(grid, templates, z, noise=1, seed=seed)))
        assert abs(found - z) < 0.001


@pytest.mark.parametrize("degree", [-1, 2])
def test_transforms_give_the_least_squares_of_each_redshift(grid, templates, degree):
    fitter = Fitter(templates, grid, parts=ARMS, degree=degree)
    flux, ivar = spectrum(grid, templates, 1.3, noise=1.0)
    weight, product = (v[0] for v in grid.sums(flux, ivar))
    square, right = fitter.equations(weight, product)
    gain = fitter.gain(weight, product)
    root = np.sqrt(weight)
    data = np.divide(product, root, out=np.zeros_like(root), where=root > 0)
    smooth = np.zeros((0, grid.n_pixels))
    if degree >= 0:  # of the arms' pixels, not of the gap between them
        rows = []
        for inside in ARMS:
            at = np.arange(grid.pixel[inside][0], grid.pixel[inside][-1] + 1)
            for order in range(degree + 1):
                row = np.zeros(grid.n_pixels)
                row[at] = np.linspace(-1, 1, len(at)) ** order
                rows.append(row)
        smooth = np.array(rows)
    basis = np.linalg.qr((smooth * root).T)[0]
    data = data - basis @ (basis.T @ data)
    top = int(np.argmax(gain))
    for index in (top, top - 3):
        own = (grid.under(templates, grid.z[index]) * root).T
        whole = np.square(own).sum(axis=0).max()
        own = own - basis @ (basis.T @ own)
        assert np.abs(square[:, :, index] - own.T @ own).max() < 3e-5 * whole
        assert right[:, index] == pytest.approx(own.T @ data, rel=2e-3, abs=3e-5 * whole)
        _, left = nnls(own, data)
        assert gain[index] == pytest.approx(data @ data - left**2, rel=2e-3)


def test_amplitudes_are_those_of_nnls():
    rng = np.random.default_rng(1)
    design = rng.random((30, 4, 5))
    level = rng.standard_normal(5) + 1
    y = np.stack([level[j] * design[:, 0, j] - design[:, 1, j] for j in range(5)])
    square = np.einsum("pin,pjn->ijn", design, design)
    right = np.einsum("pin,np->in", design, y)
    found, gain = nonnegative(square, right, sweeps=800)
    for j in range(5):
        wanted, left = nnls(design[:, :, j], y[j])
        assert found[:, j] == pytest.approx(wanted, abs=1e-6)
        assert gain[j] == pytest.approx(y[j] @ y[j] - left**2)
    assert (found >= 0).all() and (found == 0).any()


def test_masked_channels_have_no_say(grid, templates, fitter):
    flux, ivar = spectrum(grid, templates, 1.3, noise=1.0)
    bad = np.random.default_rng(3).random(ivar.shape) < 0.2
    clean = gain_of(fitter, np.where(bad, 0, flux), np.where(bad, 0, ivar))
    dirty = np.where(bad, np.random.default_rng(4).choice([np.nan, 1e6, -np.inf], bad.shape), flux)
    assert np.array_equal(gain_of(fitter, dirty, np.where(bad, 0, ivar)), clean)
    assert np.array_equal(gain_of(fitter, dirty, np.where(bad, np.nan, ivar)), clean)
    assert not np.array_equal(gain_of(fitter, flux, ivar), clean)


def test_a_spectrum_without_errors_is_refused(grid):
    with pytest.raises(UsageError, match="these spectra have none"):
        grid.sums(np.ones((1, moons.PIXELS)), None)
    with pytest.raises(UsageError, match="shape"):
        Fitter(np.ones((2, 7)), grid)


def test_a_prior_moves_the_peak_and_the_lead_is_of_another_redshift():
    z = np.linspace(0.6, 3.0, 2401)
    gain = 50 * np.exp(-0.5 * ((z - 1.0) / 0.002) ** 2)
    gain += 49 * np.exp(-0.5 * ((z - 2.0) / 0.002) ** 2)
    assert peak(z, gain)[0] == pytest.approx(1.0, abs=1e-4)
    assert peak(z, gain)[1] == pytest.approx(1.0, abs=0.01)
    found, lead = peak(z, gain, prior=lambda z: np.where(z > 1.5, np.e, 1.0))
    assert found == pytest.approx(2.0, abs=1e-4) and lead == pytest.approx(1.0, abs=0.01)


@pytest.fixture(scope="module")
def made(grid):
    with archives():
        return peer_templates.make(grid, variant="faint", seed=1, n=150)


def test_templates_are_the_mocks_lines_and_stars(grid, made):
    assert made.all.shape == (5, grid.n_rest) and (made.all >= 0).all()
    assert np.isfinite(made.all).all()
    at = np.argmin(np.abs(grid.rest - 6564.6))
    assert (made.mixes[:, at] > 3 * made.mixes[:, at - 60]).any()
    step = grid.rest * np.log(10) * grid.step
    assert (made.lines * step).sum(axis=1) == pytest.approx(1, abs=0.01)
    with archives():
        other = Universe(variant="faint").draw(20, np.random.default_rng([1, 0, 2]))["z"]
    assert not np.isin(other, made.z).any()  # galaxies of their own


def test_they_find_the_redshifts_of_other_galaxies(grid, made):
    with archives():
        universe = Universe(variant="faint")
        rng = np.random.default_rng(8)
        flux, galaxies, _, _ = universe.make(12, rng)
        seen, error = universe.camera.observe(flux, hours=8.0, rng=rng)
    fitter = Fitter(made.all, grid)
    weight, product = grid.sums(seen, 1 / np.square(error, dtype=float))
    z = [peak(grid.z, fitter.gain(w, p))[0] for w, p in zip(weight, product, strict=True)]
    assert np.mean(np.abs(z - galaxies["z"]) < 0.003) >= 0.75


def test_at_its_redshift_a_line_has_its_flux(grid, made):
    z, names = 1.3, list(peer_templates.mock_lines.LINES)
    far = 2 * np.log10(scalars.COSMOLOGY.luminosity_distance(z).value)
    rows = np.concatenate([made.continua[:1], made.lines[[names.index("Ha")]]])
    flux, ivar = spectrum(grid, rows, z, amplitudes=(1.0, 30.0))
    weight, product = (v[0] for v in grid.sums(flux, ivar))
    values = scalars.features(grid, made, weight, product, z)
    assert len(values) == 1 + 2 * (len(names) + scalars.BINS) and values[0] == np.float32(z)
    assert 10 ** (values[1 + names.index("Ha")] - far) == pytest.approx(30, rel=0.03)
    assert np.isnan(values[1 + names.index("HeI10830")])  # beyond the red end
    dark = scalars.features(grid, made, 0 * weight, 0 * product, z)
    assert np.isnan(dark[1:]).all()


def test_what_is_learned_is_told_of_new_rows():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.standard_normal((600, 3)), np.full(600, np.nan)])
    x[rng.random(600) < 0.1, 1] = np.nan
    y = 2 * x[:, 0] + np.sin(3 * x[:, 2])
    y[:5] = np.nan
    told = scalars.learned(x[:450], y[:450], seed=1)(x[450:])
    assert np.std(told - y[450:]) < 0.4 < np.nanstd(y)


def test_of_a_mixed_mock_the_galaxies_alone_are_fitted_with_their_own_templates():
    df = pd.DataFrame({"kind": ["star-forming", "star", "agn", "failed", "outside"]})
    assert beside.of_its_kind(df)["kind"].tolist() == ["star-forming", "agn"]
    assert [beside.light_of(m) for m in ("default", "faint", "both")] == [
        "default", "faint", "faint"
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"faint, realistic\. Received 'both'"):
        Universe(variant="both")


def test_tables_and_figure_say_what_was_planted(tmp_path):
    df, _ = toy.predictions(700)
    rng = np.random.default_rng(2)
    right = rng.random(len(df)) < 0.8
    df = df.assign(z_peer=np.where(right, df["z_true"], 0.61))
    for name, sigma in (("lgm", 0.1), ("sfr", 0.2)):
        df[f"{name}_peer"] = df[f"{name}_true"] + sigma * rng.standard_normal(len(df))
    df["kind"] = np.where(np.arange(len(df)) % 3 == 0, "quiescent", "star-forming")
    table = tables_peer.peer_table(df)
    kinds = table[table["kind"] != "all"].set_index("kind")
    assert list(kinds.index) == ["quiescent", "star-forming"] and kinds["n"].sum() == len(df)
    near = np.abs(df["z_peak"] - df["z_true"]) < 0.01
    for name in kinds.index:
        share = near[df["kind"] == name].mean()
        assert kinds.loc[name, "network_0.01"] == pytest.approx(share, abs=1e-6)
    whole = table[table["low"].isna() & (table["kind"] == "all")].set_index("exposure")
    assert list(whole.index) == ["all", "2 h", "4 h", "8 h"] and whole.loc["all", "n"] == len(df)
    for name, wanted in (("2 h", 0.77), ("8 h", 0.90)):
        row = whole.loc[name]
        assert row["network_0.01"] == pytest.approx(wanted, abs=0.01)
        assert row["peer_0.01"] == pytest.approx(0.8, abs=0.05)
        assert row["network_minus_peer_0.01"] == pytest.approx(
            row["network_0.01"] - row["peer_0.01"]
        )
        assert 0.01 < row["network_minus_peer_0.01_err"] < 0.05
    parts = table[(table["exposure"] == "2 h") & table["low"].notna()]
    assert parts["n"].sum() <= whole.loc["2 h", "n"] and parts["peer_0.01"].notna().any()
    floor = tables_peer.floor_table(df).set_index(["exposure", "quantity"])
    assert floor.loc[("all", "log M"), "peer_sigma"] == pytest.approx(0.1, abs=0.01)
    assert floor.loc[("all", "log SFR"), "network_sigma"] == pytest.approx(0.22, abs=0.02)
    assert floor.loc[("all", "log M"), "published_sigma"] == 0.15
    assert rendered(success_beside(table))


@pytest.fixture
def few_galaxies(monkeypatch):
    """Templates of few galaxies: the command's own take longer."""
    make = peer_templates.make
    monkeypatch.setattr(beside, "make", lambda *a, **k: make(*a, **k | {"n": 100}))


@pytest.mark.usefixtures("few_galaxies")
def test_the_command_fits_the_test_split(run_dir, tmp_path, capsys):
    with archives():
        assert main(["--run-dir", str(run_dir), "-o", str(tmp_path), "-n", "40"]) == 0
    assert "peer_0.003" in capsys.readouterr().out
    table = read_table(tmp_path / "tables" / "peer.ecsv")
    assert table.loc[table["low"].isna(), "n"].max() == 40
    kept = pd.read_parquet(tmp_path / "peer.parquet")
    own = pd.read_parquet(run_dir / "predictions.parquet").set_index("id")
    assert len(kept) == 40 and (own.loc[kept["id"], "split"] == "test").all()
    assert (tmp_path / "figures" / "peer.png").is_file()


@pytest.mark.usefixtures("few_galaxies")
def test_the_command_fits_a_folder(run_dir, tmp_path):
    tiny.write_folder(tmp_path / "more", 12, seed=9)
    arguments = ["--run-dir", str(run_dir), "-o", str(tmp_path / "out")]
    with archives():
        assert main([*arguments, "--on", str(tmp_path / "more"), "--prior", "--degree", "1"]) == 0
    assert len(pd.read_parquet(tmp_path / "out" / "peer.parquet")) == 24
    assert not (tmp_path / "out" / "tables" / "peer_floor.ecsv").exists()


@pytest.mark.usefixtures("few_galaxies")
def test_spectra_that_are_not_the_runs_are_refused(run_dir, tmp_path):
    tiny.write_folder(tmp_path / "more", 12, seed=9)
    with archives(), pytest.raises(SuiteError, match="not there with their redshifts"):
        beside.peer_run(run_dir, tmp_path / "out", data_dir=tmp_path / "more")
    with pytest.raises(UsageError, match="--n must be"):
        beside.peer_run(run_dir, n=0)
    config = json.loads((run_dir / "config.json").read_text())
    (run_dir / "config.json").write_text(json.dumps(config | {"data_dir": None}))
    with archives(), pytest.raises(UsageError, match="--data-dir"):
        beside.peer_run(run_dir, tmp_path / "out")
