"""The evaluation on made-up predictions of known quality gives these qualities back."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from scipy.stats import kstest

from common import claims, overview
from common import evaluation as common_evaluation
from common import plots as common_plots
from common.catalog import read_table, write_table
from common.errors import ReadError, SuiteError
from common.rows import held_out, name_of
from mtopnet import evaluate, measured, published, seeds
from mtopnet import pdf as pdfs
from mtopnet.config import PAPER, make_config
from mtopnet.recalibration import Recalibration
from mtopnet.tables import pdf as tables_pdf
from mtopnet.tables import redshifts as tables
from mtopnet.tables import variants as tables_variants
from tests.mtopnet import toy
from tests.pictures import rendered

CLAIMS = Path(evaluate.__file__).with_name("claims.toml")


@pytest.fixture(scope="module")
def made():
    return toy.predictions(500)


@pytest.fixture(scope="module")
def df(made):
    return tables.labelled(tables.with_dz(tables.with_types(made[0]), toy.EDGES))


def write_run(folder, table, pdf=None, **changes):
    """Write a run folder as training leaves it, without networks or data."""
    folder.mkdir(parents=True, exist_ok=True)
    config = make_config("moons-mock", "smoke", **{"head": "dense", "input": "paper"} | changes)
    about = {"config": asdict(config), "versions": {"keras": "3", "commit": "abc"},
             "sizes": {"train": 70, "valid": 15, "test": 15, "all": 100, "galaxies": 40},
             "masked_fraction": 0.16, "n_bins": 800, "best_epoch": 2}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(about))
    table.to_parquet(folder / "predictions.parquet")
    if pdf is not None:
        np.save(folder / "pdf_test.npy", pdf)
        table[["id"]].to_parquet(folder / "pdf_test_ids.parquet")
    return folder


@pytest.fixture(scope="module")
def run_dir(made, tmp_path_factory):
    """A run with PDFs of its test rows in another order, validation rows, and two ablations."""
    folder = tmp_path_factory.mktemp("run")
    test, pdf = made
    write_run(folder, test, pdf)
    valid, _ = toy.predictions(60, seed=9, split="valid")
    both = pd.concat([valid.assign(id=valid["id"] + "v"), test[::-1]])
    both.to_parquet(folder / "predictions.parquet")
    worse = {2.0: 0.6, 4.0: 0.7, 8.0: 0.8}, {2.0: 0.7, 4.0: 0.8, 8.0: 0.85}
    ablations = zip(("z-only", "z-lines"), (("z",), ("z", "lines")), worse, strict=True)
    for name, tasks, right in ablations:
        write_run(folder / "variants" / name, toy.predictions(500, right=right)[0], tasks=tasks)
    fine = toy.predictions(120, finer=6)[0]
    write_run(folder / "variants" / "fine", fine, dz=0.0005, head="hierarchical")
    history = [{"network": "mtopnet", "epoch": e, "loss": 3 / (e + 1), "val_loss": 3.2 / (e + 1),
                "z_loss": 2 / (e + 1), "val_z_loss": 2.2 / (e + 1)} for e in range(4)]  # fmt: skip
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    with rendered():
        assert evaluate.main(["--run-dir", str(folder)]) == 0
    return folder


def read(folder, name):
    return Table.read(folder / "tables" / f"{name}.ecsv").to_pandas()


def test_every_figure_and_table_is_there(run_dir):
    wanted = {"F1_distributions", "F4_residuals", "F5_tasks", "F6_moonrise", "F7_thresholds",
              "F8_magnitude", "F11_good_poor", "F12_corner", "screening", "calibration",
              "mc_dropout", "training"}  # fmt: skip
    for kind in ("png", "pdf"):
        found = {p.stem for p in (run_dir / "figures").glob(f"*.{kind}") if p.stat().st_size > 5000}
        assert found == wanted
    names = {p.stem for p in (run_dir / "tables").glob("*.ecsv")}
    assert names == {"sample", "residuals", "success", "magnitude", "dark", "failures", "mc",
                     "confidence", "errors", "screening", "calibration", "variants",
                     "bin_width"}  # fmt: skip
    text = (run_dir / "report.html").read_text()
    assert "MOCK DATA" in text and "Not drawn" in text and "mtopnet.latent" in text
    assert 'src="http' not in text and 'href="http' not in text
    assert not list(run_dir.rglob(".*"))
    cover = overview.read_cover(run_dir)
    assert "MOCK DATA" in cover["banner"] and len(cover["tables"]) == 1
    assert {Path(p).stem for p in cover["figures"].values()} == {"F4_residuals", "F7_thresholds"}


def test_claims_are_judged_for_the_mock_alone(run_dir):
    judged = Table.read(run_dir / "claims.ecsv").to_pandas()
    assert tuple(judged.columns) == claims.COLUMNS
    survey = judged[judged["dataset"] == "moons"]
    assert set(survey["verdict"]) == {"untested"} and survey["ours"].isna().all()
    ours = judged[judged["dataset"] == "moons-mock"].set_index("id")["ours"]
    assert ours["8h-0.003"] == pytest.approx(0.90, abs=1e-9)
    assert ours["before-2h"] == pytest.approx(0.77, abs=1e-9)
    assert ours["pixels"] == 12217 and ours["masked"] == 0.16
    assert ours["catastrophic-single"] > ours["catastrophic-lines"] > ours["catastrophic"]
    assert not {"spectra", "galaxies", "train-size", "test-size", "moonrise-size"} & set(ours.index)


def test_every_claim_is_a_number_of_the_paper_and_has_a_measure():
    every = claims.load(CLAIMS)
    assert len(every) == 69 and {c.dataset for c in every} == {"moons"}
    assert all(c.measure["metric"] in measured.MEASURES for c in every)
    printed = {c.id: c.published for c in every}
    wanted = {"z-sigma": 0.001, "mass-mu": 0.02, "mass-sigma": 0.15, "sfr-mu": -0.005,
              "sfr-sigma": 0.22, "8h-0.003": 0.85, "8h-0.1": 0.92, "moonrise-0.003": 0.76,
              "moonrise-0.1": 0.85, "bright-0.003": 0.9, "bright-0.1": 0.95,
              "bright-conclusions": 0.97, "catastrophic": 0.02, "catastrophic-single": 0.05,
              "catastrophic-lines": 0.04, "before-2h": 0.77, "after-2h": 0.97, "dropped-2h": 0.27,
              "before-8h": 0.9, "after-8h": 0.99, "dropped-8h": 0.12, "moonrise-size": 5344,
              "spectra": 118194, "test-size": 17729, "bins": 800}  # fmt: skip
    assert {k: printed[k] for k in wanted} == wanted
    assert printed["train-size"] + printed["valid-size"] + printed["test-size"] == 118194


def test_residuals_give_the_planted_gaussians(df):
    table = tables.residual_table(df).set_index(["sample", "quantity"])
    n = len(df)
    for quantity, name in (("log M", "lgm"), ("log SFR", "sfr")):
        row = table.loc[("all", quantity)]
        assert row["mu"] == pytest.approx(toy.MU[name], abs=5 * toy.SIGMA[name] / n**0.5)
        assert row["sigma"] == pytest.approx(toy.SIGMA[name], rel=0.08)
    z = table.loc[("all", "z")]
    assert abs(z["mu"]) < 3e-4 and 0.0006 < z["sigma"] < 0.0014  # a bin's own width
    assert z["outside"] == pytest.approx(0.163, abs=0.02) and z["rms"] > 0.2  # the wrong ones


def test_outliers_do_not_move_the_gaussian_fit():
    rng = np.random.default_rng(0)
    core = rng.normal(0.01, 0.1, 4000)
    fit = tables.gaussian_fit(np.concatenate([core, rng.uniform(-3, 3, 600)]))
    assert fit["mu"] == pytest.approx(0.01, abs=0.01)
    assert fit["sigma"] == pytest.approx(0.1, rel=0.1)
    assert fit["outside"] == pytest.approx(600 / 4600 * 5 / 6, abs=0.02)
    assert np.isnan(tables.gaussian_fit(core[:5])["sigma"])
    same = tables.gaussian_fit(np.r_[np.zeros(60), 1.0])
    assert same["sigma"] == 0 and same["outside"] == pytest.approx(1 / 61)


def test_peaks_are_compared_by_their_bins():
    z = np.array([1.5001, 1.5029, 1.5031])
    df = pd.DataFrame({"id": list("abc"), "z_true": z, "z_peak": 1.5015, "galaxy": list("abc")})
    dz = tables.with_dz(df, toy.EDGES)["dz"].to_numpy()
    assert tables.success(dz, 0.003).tolist() == [True, True, False]  # same bin, same bin, the next
    assert tables.success(dz, 0.005).all()
    free = tables.with_dz(df)["dz"].to_numpy()
    np.testing.assert_allclose(free, 1.5015 - z)
    assert not tables.success([np.nan])[0] and tables.catastrophic([np.nan])[0]


def test_success_is_what_was_planted(df):
    table = tables.success_table(df).set_index("sample")
    for hours, share in toy.RIGHT.items():
        row = table.loc[f"{hours:g} h"]
        assert row["0.003"] == pytest.approx(share, abs=1e-9) and row["n"] == 500
        assert row["0.003_err"] == pytest.approx((share * (1 - share) / 500) ** 0.5)
        assert row["0.1"] >= row["0.01"] >= row["0.003"]
    assert table.loc["8 h", "published_0.003"] == 0.85
    assert table.loc["all", "galaxies"] == 500 and table.loc["all", "n"] == 1500


def test_moonrise_is_its_definition(df):
    rows = tables.moonrise(df)
    part = df[rows]
    assert (part["z_true"] < 2.6).all() and (part["m_h"] < 25).all()
    assert set(part.loc[part["kind"] == "quiescent", "exposure"]) == {8.0}
    assert set(part.loc[part["kind"] != "quiescent", "exposure"]) == {2.0}
    bright = df[(df["z_true"] < 2.6) & (df["m_h"] < 25)]
    assert len(part) == bright["galaxy"].nunique()
    by_sersic = tables.moonrise(df.drop(columns="kind"))
    np.testing.assert_array_equal(by_sersic, rows)
    assert not tables.moonrise(df.drop(columns=["kind", "sersic_n"])).any()


def test_magnitudes_and_the_expected_rate(df):
    table = tables.magnitude_table(df)
    eight = table[table["sample"] == "8 h"].dropna()
    assert eight["fraction"].iloc[0] > eight["fraction"].iloc[-1] + 0.2
    assert table.loc[table["n"] < tables.FEWEST, "fraction"].isna().all()
    assert not len(tables.expected_table(df))
    lines = df.assign(line_snr_1=np.where(df["m_h"] < 24, 8, 6.9), line_snr_2=5.1)
    lines.loc[lines["exposure"] > 2, "line_snr_1"] = 99  # no rate of 2 h
    found = tables.expected_table(lines)
    assert set(found.loc[found["high"] <= 24, "fraction"]) == {1.0}
    assert set(found.loc[found["low"] >= 24, "fraction"]) == {0.0}


def test_screening_by_hand(df):
    table = tables_pdf.screening_table(df).set_index(["sample", "cut"])
    for hours in (2.0, 8.0):
        part = df[df["exposure"] == hours]
        good, keep = part["planted"] == 1, part["entropy"] < 2
        row = table.loc[(f"{hours:g} h", "entropy < 2")]
        assert row["before"] == pytest.approx(good.mean())
        assert row["after"] == pytest.approx(good[keep].mean())
        assert row["dropped"] == pytest.approx(1 - keep.mean())
        assert row["caught_bad"] == pytest.approx(1 - keep[~good].mean())
        assert row["after"] > row["before"] + 0.05
        other = table.loc[(f"{hours:g} h", "skewness > 20")]
        assert abs(other["after"] - row["after"]) < 0.02
    assert table.loc[("8 h", "entropy < 2"), "published_dropped"] == 0.12


def test_calibration_tells_sure_from_unsure(df, made):
    table = tables_pdf.calibration_table(df, made[1], toy.EDGES).set_index("sample")
    assert table.loc["entropy < 2", "crps"] < 0.1 * table.loc["entropy >= 2", "crps"]
    assert (table["crps"] < table["crps_point"])[["all", "2 h", "entropy >= 2"]].all()
    for name in ("all", "8 h"):
        levels = table.loc[name, [f"coverage_{v:g}" for v in (38, 68, 86, 95)]].to_numpy(float)
        assert (np.diff(levels) > 0).all(), name
    assert table.loc["all", "second_true"] == pytest.approx(0.4, abs=0.07)
    errors = tables_pdf.error_table(df).set_index("quantity")
    assert errors.loc["log M", "coverage_68"] == pytest.approx(0.68, abs=0.04)
    claimed = tables_pdf.confidence_table(df)
    assert claimed["right"].iloc[-1] > 0.95 and claimed["claimed"].is_monotonic_increasing


def test_recalibrated_pdfs_stand_beside_the_networks_own(df, made, run_dir, tmp_path):
    wider = Recalibration(shape=(-1.0, 0.0), blur=2.0)
    both = made[1], wider.apply(made[1], toy.EDGES)
    table = tables_pdf.calibration_table(df, both[0], toy.EDGES, both[1])
    assert table["pdf"].tolist() == ["calibrated", "own"] * (len(table) // 2)
    rows = table.set_index(["sample", "pdf"])
    one = df["exposure"].eq(2).to_numpy()
    for kind, p in zip(("own", "calibrated"), both, strict=True):
        value = pdfs.drawn_pit(p[one], toy.EDGES, z=df["z_true"][one])
        row = rows.loc[("2 h", kind)]
        assert row["galaxies"] == 500 == row["n"]
        assert row["pit_ks"] == pytest.approx(kstest(value, "uniform").statistic, abs=0.02)
        inside = pdfs.coverage(p[one], toy.EDGES, z=df["z_true"][one], levels=(0.68,))
        assert row["coverage_68"] == pytest.approx(inside[0])
    assert rows.loc[("all", "own"), "galaxies"] == 500, "spectra of a galaxy are no galaxies"
    folder = write_run(tmp_path / "run", *made)
    about = json.loads((folder / "config.json").read_text())
    about["pdf_calibration"] = {"z": wider.to_dict()}
    (folder / "config.json").write_text(json.dumps(about))
    assert evaluate.main(["--run-dir", str(folder)]) == 0
    found = read(folder, "calibration")
    np.testing.assert_allclose(found["pit_ks"], table["pit_ks"], atol=1e-3)
    assert set(read(run_dir, "calibration")["pdf"]) == {"own"}, "a run of before"
    for name in ("screening", "success"):
        assert read(folder, name).equals(read(run_dir, name)), "the paper's numbers stay"


def test_pdfs_of_mass_and_rate_are_scored():
    from scipy import stats

    rng, edges = np.random.default_rng(4), np.linspace(7, 12.5, 111)
    true = rng.uniform(8.5, 11, 800)
    centre = true + rng.normal(0, 0.2, 800)
    pdf = np.diff(stats.norm.cdf(edges[None], centre[:, None], 0.2), axis=1)
    wide = np.diff(stats.norm.cdf(edges[None], centre[:, None], 0.6), axis=1)
    labels = pd.DataFrame({"lgm_true": true, "sfr_true": np.r_[np.full(10, np.nan), true[10:]]})
    table = tables_pdf.scalar_table({"lgm": (pdf, edges), "sfr": (wide, edges)}, labels)
    mass, rate = table.set_index("quantity").loc[["log M", "log SFR"]].to_dict("records")
    assert mass["coverage_68"] == pytest.approx(0.68, abs=0.05)
    assert mass["width_68"] == pytest.approx(0.4, rel=0.05)
    assert mass["crps"] < mass["crps_point"] and mass["crps"] < rate["crps"]
    assert rate["coverage_68"] > 0.95 and rate["n"] == 790


def test_mc_dropout_mends_what_it_was_made_to(df):
    table = tables_pdf.mc_table(df)
    row = table[(table["sample"] == "all") & (table["threshold"] == 0.01)].iloc[0]
    single, mc = tables.success(df["dz"]), tables.success(df["z_peak_mc"] - df["z_label"])
    assert row["mended"] == pytest.approx(np.mean(mc & ~single)) and row["mended"] > 0.005
    assert row["spoiled"] == pytest.approx(np.mean(single & ~mc))
    assert row["relative"] == pytest.approx(mc.mean() / single.mean() - 1)
    assert not len(tables_pdf.mc_table(df.drop(columns="z_peak_mc")))


def test_failures_are_faint_and_far(df):
    table = tables_pdf.failure_table(df).set_index("property")
    assert table.loc["m_H", "poor"] > table.loc["m_H", "good"] + 0.5
    assert table.loc["F(Hα)", "poor"] < table.loc["F(Hα)", "good"]
    assert (table.loc[["m_H", "F(Hα)"], "p_value"] < 1e-6).all()
    dark = tables_pdf.dark_table(df).set_index("low")
    assert dark.loc[2.7, "excess"] > 1 > dark.loc[0.8, "excess"]


def test_variants_are_compared_on_the_same_spectra(run_dir, df):
    table = read(run_dir, "variants").set_index(["network", "sample"])
    names = set(table.index.get_level_values(0))
    assert names == {"this network", "redshift alone", "redshift and lines", "fine"}
    row = table.loc[("redshift alone", "8 h")]
    assert row["success"] == pytest.approx(0.8) and row["published"] == 0.05
    assert row["success_minus_own"] == pytest.approx(-0.1)
    assert 0.005 < row["success_err"] < 0.03
    width = read(run_dir, "bin_width").set_index("network")
    assert width.loc["fine", "dz"] == 0.0005
    assert width.loc["fine", "mad"] < 0.8 * width.loc["this network", "mad"]
    same = tables_variants.compare(df, df, limit=0.01)
    assert same["difference"] == 0 and same["error"] == 0
    assert tables_variants.compare(df, df.head(3)) == {"n": 3}


def test_pdfs_are_joined_by_id(run_dir, df, made):
    pdf, rows = evaluate.read_pdf(run_dir, df.sample(40, random_state=1))
    where = pd.Series(np.arange(len(made[0])), index=made[0]["id"])
    np.testing.assert_array_equal(pdf, made[1][where[rows["id"]]])
    assert evaluate.read_pdf(run_dir, df.assign(id="none")) == (None, None)


def test_tables_of_others_are_judged_whole(tmp_path, df):
    path = tmp_path / "mine.csv"
    write_table(df[["z_true", "z_peak"]].rename(columns={"z_true": "Z_TRUE"}), path)
    assert evaluate.main(["--predictions", str(path), "-o", str(tmp_path / "out")]) == 0
    judged = Table.read(tmp_path / "out" / "claims.ecsv").to_pandas()
    assert set(judged[judged["dataset"] == "moons"]["verdict"]) == {"untested"}
    assert {"z-mu", "z-sigma"} <= set(judged[judged["dataset"] != "moons"]["id"])


@pytest.mark.parametrize("n", [1, 25])
@pytest.mark.parametrize("without", [
    (), ("kind", "sersic_n", "f_ha", "entropy", "skewness", "m_h", "lgm_pred", "exposure"),
])  # fmt: skip
def test_small_and_sparse_tables_give_what_they_can(tmp_path, made, n, without, monkeypatch):
    made[0].head(n).drop(columns=list(without)).to_parquet(tmp_path / "p.parquet")
    monkeypatch.setattr(common_plots, "save", lambda figure, path: path)  # drawn, not written
    monkeypatch.setattr(common_evaluation, "write_report", lambda path, **kwargs: path)
    report = evaluate.evaluate_predictions(tmp_path / "p.parquet", tmp_path / "out")
    judged = Table.read(tmp_path / "out" / "claims.ecsv").to_pandas()
    ours = judged[judged["ours"].notna()]
    assert report == tmp_path / "out" / "report.html"
    assert ("z-sigma" in set(ours["id"])) == (n >= tables.FEWEST)


@pytest.mark.parametrize("content, name", [(b"z_true,z_peak\n,\n", "blank.csv"), (b"x", "t.doc")])
def test_a_table_that_cannot_be_used_gets_a_message(tmp_path, capsys, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    assert evaluate.main(["--predictions", str(path), "-o", str(tmp_path / "out")]) in (1, 2)
    text = capsys.readouterr().err
    assert name in text and "Traceback" not in text


def test_predictions_that_are_no_test_or_fit_no_pdf_are_refused(tmp_path, made, df):
    write_run(tmp_path, made[0], made[1][:-1])
    with pytest.raises(ReadError, match="one row of probabilities for each id"):
        evaluate.read_pdf(tmp_path, df)
    with pytest.raises(SuiteError, match="no row of split 'test'"):
        held_out(made[0].assign(split="valid"))
    broken = tmp_path / "variants" / "x"
    broken.mkdir(parents=True)
    made[0].to_parquet(broken / "predictions.parquet")
    with pytest.raises(ReadError, match="configuration of this variant"):
        tables_variants.read_variants(tmp_path)


def test_a_run_that_is_not_the_papers_does_not_bear_its_name(df):
    def name(scale, n, **changes):
        config, wanted = make_config("moons", scale, **changes), published.value("test-size")
        return name_of(PAPER, config, n, wanted)

    assert name("demo", 1500) == "moons (comb-errors network)"
    assert name("paper", 15000) != "moons" and name("paper", 17000, seed=9) == "moons"
    for changes in ({"epochs": 5}, {"photometry": ("h",)}, {"filters": (8, 8)}):
        ((field, value),) = changes.items()
        assert f"paper scale, {field} {value} instead of" in name("paper", 17000, **changes)
    found = name("demo", 1500, head="dense", input="paper")
    assert found.startswith("moons (demo scale, ") and "head dense instead of comb" in found


def test_a_short_schedule_says_nothing_of_the_papers_epochs():
    wanted = [c for c in claims.load(CLAIMS) if c.id == "best-epoch"]
    about = {"best_epoch": 6, "config": {"schedule": "cosine"}}
    assert measured.measure(wanted, pd.DataFrame(), about=about) == {}
    about["config"]["schedule"] = "paper"
    assert measured.measure(wanted, pd.DataFrame(), about=about) == {"best-epoch": 6.0}


def claim(name):
    return next(c for c in claims.load(CLAIMS) if c.id == name)


def verdict(name, df, **run):
    return claims.verdict(claim(name), measured.measure([claim(name)], df, **run).get(name))


def test_the_papers_passes_are_fifty(df):
    for passes, said in ((10, "untested"), (50, "reproduced")):
        assert verdict("mc", df, about={"config": {"mc_passes": passes}}) == said
    assert verdict("mc", df) == "untested", "nobody says how many"


@pytest.mark.parametrize(
    "flux, said",
    [
        (1e-17, "reproduced"),
        (1.8e-17, "reproduced"),
        (3e-17, "missed"),
        (1e-22, "missed"),
        (0.0, "untested"),
    ],
)
def test_a_median_flux_is_close_on_both_sides(df, flux, said):
    assert verdict("median-ha", df.assign(f_ha=flux)) == said


def test_the_sample_is_that_of_all_splits(tmp_path, made, monkeypatch):
    write_run(tmp_path, made[0])
    labels = toy.galaxies(3000, seed=8)
    (tmp_path / "data").mkdir()
    labels.to_parquet(tmp_path / "data" / "labels.parquet")
    monkeypatch.setattr(common_plots, "save", lambda figure, path: path)
    monkeypatch.setattr(common_evaluation, "write_report", lambda path, **kwargs: path)
    evaluate.evaluate_run(tmp_path)
    table = read(tmp_path, "sample").set_index("quantity")
    assert (table["n"] == 3000).all()
    for quantity, column in (("z", "z_true"), ("log M", "lgm_true"), ("m_H", "m_h")):
        assert table.loc[quantity, "q50"] == pytest.approx(labels[column].median())
    flux = np.log10(labels["f_ha"].median())
    assert table.loc["log F(Hα)", "q50"] == pytest.approx(flux, abs=1e-6)
    assert table.loc["log M", "published_high"] == 11.2 and table.loc["m_H", "peak"] % 0.5 == 0
    judged = Table.read(tmp_path / "claims.ecsv").to_pandas()
    ours = judged[judged["dataset"] == "moons-mock"].set_index("id")["ours"]
    assert ours["median-ha"] == pytest.approx(flux)
    assert ours["m_h-peak"] == table.loc["m_H", "peak"]


def test_what_fig_1_shows_is_measured_of_galaxies():
    n = np.arange(1000)
    mass = np.where(n < 600, 9.05, np.linspace(8.02, 11.22, 1000))
    df = pd.DataFrame({"galaxy": n.astype(str), "lgm_true": mass, "m_h": 22.1, "dz": 0.0})
    df["z_true"] = np.linspace(0.70, 2.90, 1000)
    many = pd.concat([df, df.tail(300), df.tail(300)])  # spectra of one galaxy count once
    for name, said in (("z-lowest", "reproduced"), ("z-highest", "reproduced"),
                       ("mass-peak", "reproduced"), ("mass-highest", "reproduced"),
                       ("m_h-peak", "missed"), ("sfr-peak", "untested")):  # fmt: skip
        assert verdict(name, many) == said, name
    assert measured.measure([claim("mass-peak")], many) == {"mass-peak": 9.0}
    assert verdict("z-highest", df.assign(z_true=df["z_true"] + 0.1)) == "missed"


def variant(df, changed, *, lost=0):
    """A network that is like the run's, but for some of its redshifts and of its settings."""
    other = df.copy()
    right = other.index[tables.success(other["dz"]) & tables.exposed(other, 8)][:lost]
    other.loc[right, "dz"] = 0.9
    return other, {"tasks": tuple(changed.get("tasks", ("all",))), "dz": 0.003, "changed": changed}


def test_which_tasks_lose_more_is_claimed_as_an_order(df):
    alone, lines = {"tasks": ("z",)}, {"tasks": ("lines", "z")}
    for lost, said in (((30, 20), "reproduced"), ((20, 30), "missed")):
        nets = {"a": variant(df, alone, lost=lost[0]), "b": variant(df, lines, lost=lost[1])}
        assert verdict("order-single-lines", df, variants=nets) == said
        assert verdict("order-lines-all", df, variants=nets) == "reproduced"
    assert verdict("order-single-lines", df, variants={"b": nets["b"]}) == "untested"


def test_similar_is_judged_by_variants_that_change_one_number(df):
    few, many = int(0.01 * len(df)), int(0.05 * len(df))
    for lost, said in ((few, "reproduced"), (many, "missed")):
        nets = {"x": variant(df, {"dz": 0.0005}, lost=lost)}
        assert verdict("similar-dz", df, variants=nets) == said
        masked = {"x": variant(df, {"sky_limit": 2e-5}, lost=lost)}
        assert verdict("similar-mask", df, variants=masked) == said
        both = {"a": variant(df, {"line_margin": 1}, lost=lost),
                "b": variant(df, {"line_margin": 10})}  # fmt: skip
        assert verdict("similar-margin", df, variants=both) == said
        assert verdict("similar-margin", df, variants={"a": both["a"]}) == "untested"
    other = {"x": variant(df, {"dz": 0.0005, "head": "comb"})}
    assert verdict("similar-dz", df, variants=other) == "untested", "another head is another test"


def test_the_gain_of_several_tasks_is_a_mean_over_seeds(tmp_path, made, capsys):
    lost = (40, 60, 50)
    for seed, n in zip((1, 2, 3), lost, strict=True):
        run = write_run(tmp_path / f"s{seed}", made[0], seed=seed)
        write_run(run / "variants" / "z-only", spoilt(made[0], n), seed=seed, tasks=("z",))
    names = [str(tmp_path / f"s{seed}") for seed in (1, 2, 3)]
    out = tmp_path / "gain.ecsv"
    assert seeds.main([*names, "-o", str(out)]) == 0
    row = read_table(out).set_index(["network", "sample"]).loc[("redshift alone", "8 h")]
    share = np.array(lost) / 500
    assert row["seeds"] == 3 and row["success_minus_own"] == pytest.approx(-share.mean())
    assert row["catastrophic_minus_own"] == pytest.approx(share.mean())
    expected = share.std(ddof=1) / 3**0.5
    assert row["catastrophic_minus_own_err"] == pytest.approx(expected)
    write_run(tmp_path / "other", made[0], seed=4, epochs=77)
    for wrong, says in ((names[0], "has seed 1 again"), (tmp_path / "other", "differs in epochs")):
        assert seeds.main([names[0], str(wrong), "-o", str(out)]) == 2
        assert says in capsys.readouterr().err


def spoilt(df, n):
    """Predictions of a network that loses n more of the right redshifts of 8 h."""
    other = df.copy()
    right = other.index[(other["planted"] == 1) & (other["exposure"] == 8)][:n]
    other.loc[right, "z_peak"] = np.where(other.loc[right, "z_true"] < 1.8, 2.9, 0.7)
    return other
