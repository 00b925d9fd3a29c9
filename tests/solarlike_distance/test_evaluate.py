"""The evaluation on made-up predictions of known quality gives these qualities back."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common import claims
from common.catalog import write_table
from common.errors import ReadError, SuiteError
from common.overview import read_cover
from solarlike_distance import evaluate, measured
from solarlike_distance.config import TARGETS, make_config
from solarlike_distance.evaluation import Evaluation
from solarlike_distance.examples import file_examples
from solarlike_distance.figures import distance as figures_distance
from solarlike_distance.figures import network as figures_network
from solarlike_distance.figures import sample as figures
from solarlike_distance.tables import application, comparison, given
from solarlike_distance.tables import scatter as tables
from solarlike_distance.tables.rows import CATALOGUE, read_predictions
from tests.pictures import rendered
from tests.solarlike_distance import toy

KINDS = {"sh.csv": "starhorse", "nn.fits": "astronn", "dm.csv": "distmass",
         "allStar.csv": "apogee"}  # fmt: skip

NUMBERS = ("scatter", "distance")


@pytest.fixture(scope="module")
def predictions():
    parts = toy.predictions(700), toy.predictions(1600, 1, "reference")
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def others(predictions, tmp_path_factory):
    """Files of other catalogues of known offset and scatter, by three ways to match."""
    folder, rng = tmp_path_factory.mktemp("others"), np.random.default_rng(3)
    star = predictions.iloc[rng.permutation(len(predictions))[:1200]]
    n, d = len(star), star["distance_planted"]
    starhorse = pd.DataFrame({"APOGEE_ID": star["APOGEE_ID"], "dist16": 1.0, "dist84": 1.0,
                              "dist50": d / 1000 * (0.93 + 0.05 * rng.normal(size=n))})  # fmt: skip
    starhorse.to_csv(folder / "sh.csv", index=False)
    astronn = pd.DataFrame({"source_id": star["source_id"].astype("int64"),
                            "weighted_dist": d * (1.04 + 0.05 * rng.normal(size=n))})  # fmt: skip
    write_table(astronn, folder / "nn.fits")
    distmass = pd.DataFrame({"RA": star["ra"], "DEC": star["dec"] + 0.3 / 3600, "MASS": 1.0,
                             "DISTANCE": np.where(np.arange(n) % 10, d, -9999.0)})  # fmt: skip
    distmass.to_csv(folder / "dm.csv", index=False)
    apogee = pd.DataFrame({
        "APOGEE_ID": star["APOGEE_ID"], "TEFF": star["teff_true"], "LOGG": star["logg_true"],
        "FE_H": np.where(np.arange(n) % 20, star["feh_true"], -9999.99),
        "STARFLAG": np.where(np.arange(n) % 4, 0, 512), "TEFF_ERR": 40.0, "LOGG_ERR": 0.03,
        "FE_H_ERR": 0.02})  # fmt: skip
    apogee.to_csv(folder / "allStar.csv", index=False)
    truth = predictions[["id", "feh_planted", "distance_planted"]].rename(columns={"id": "obsid"})
    truth.to_csv(folder / "truth.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run_dir(predictions, others, tmp_path_factory):
    """A run folder as training leaves it, without networks or data."""
    folder = tmp_path_factory.mktemp("run")
    toy.write_run(folder, predictions, versions={"keras": "3", "commit": "abc"},
                  parameters={"cnn": 23849605}, sizes={"reference": 1600})  # fmt: skip
    history = [{"network": f"fold {k}", "epoch": e, "loss": 1 / (e + 1), "val_loss": 1.2 / (e + 1)}
               for k in range(2) for e in range(4)]  # fmt: skip
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    counts = pd.DataFrame({"cut": list("abcdefg"), "n": [100, 90, 60, 50, 40, 30, 20],
                           "fraction": 0.9, "published": 1})  # fmt: skip
    write_table(counts, folder / "data" / "selection.ecsv")
    models = pd.DataFrame({"model": ["CNN", "LightGBM"], **{k: [1.0, 2.0] for k in TARGETS},
                           "mean": [0.1, 0.2], "n": 900})  # fmt: skip
    claims.write(models, folder / "tables" / "baselines.ecsv")
    with rendered():
        evaluate.evaluate_run(folder, compare=[others / name for name in KINDS])
    return folder


def test_every_figure_and_table_is_there(run_dir):
    wanted = {"F1_kiel", "F2_distances", "F3_gspphot", "F4_network", "F5_predicted_true",
              "F6_residuals", "F7_fraction", "F8_problems", "F9_cmd", "F10_catalogues",
              "F11_surveys", "F12_density", "F13_metallicity", "F14_gradients", "recovered",
              "A1_labels", "C1_models", "reliability", "binaries", "training"}  # fmt: skip
    for kind in ("png", "pdf"):
        found = {p.stem for p in (run_dir / "figures").glob(f"*.{kind}") if p.stat().st_size > 5000}
        assert found == wanted
    names = {p.stem for p in (run_dir / "tables").glob("*.ecsv")}
    assert names == {"selection", "scatter", "scatter_planted", "distance", "by_snr_g", "by_teff",
                     "by_logg", "by_feh", "binaries", "coverage", "baselines", "catalogues",
                     "surveys", "problems", "gradients_radial", "gradients_vertical", "recovery",
                     "recovery_summary"}  # fmt: skip
    text = (run_dir / "report.html").read_text()
    assert "MOCK DATA" in text and "Not drawn" in text and "solarlike_distance.explain" in text
    assert "no spectrum file of the run is here" in text  # Fig. B.1
    assert 'src="http' not in text and 'href="http' not in text
    assert not list(run_dir.rglob(".*"))
    cover = read_cover(run_dir)
    assert cover["warn"] and cover["tables"] and len(cover["figures"]) == 2


def test_claims_are_judged_for_the_mock_alone(run_dir):
    judged = Table.read(run_dir / "claims.ecsv").to_pandas()
    assert tuple(judged.columns) == claims.COLUMNS
    survey = judged[judged["dataset"] == "lamost"]
    assert len(survey) == len(claims.load(Evaluation.claims))
    assert set(survey["verdict"]) == {"untested"} and survey["ours"].isna().all()
    name = "lamost-mock (scaled-input network)"
    ours = judged[judged["dataset"] == name].set_index("id")["ours"]
    assert ours["parameters"] == 23849605 and ours["pixels"] == 4875
    assert ours["scatter-bprp"] == pytest.approx(toy.SIGMA["bprp"], rel=0.3)
    assert ours["mse-lightgbm-teff"] == 2.0 and "mse-catboost-teff" not in ours
    # A mock has as many stars, and the gradients, that it was given, and is not in other surveys.
    assert not {"cut-sample", "test", "compare-cnn-starhorse-n", "compare-cnn-starhorse-sd",
                "apogee-n", "apogee-matched", "apogee-teff", "subsample", "radial-0.1-gradient",
                "radial-min", "problematic"} & set(ours.index)  # fmt: skip


def test_every_claim_is_a_number_of_the_paper_and_has_a_measure():
    every = claims.load(Evaluation.claims)
    assert len(every) == 220
    assert {c.dataset for c in every} == {"lamost"}
    assert all(c.measure["metric"] in measured.MEASURES for c in every)
    printed = {c.id: c.published for c in every}
    wanted = {
        "cut-sample": 18573, "scatter-teff": 86, "scatter-logg": 0.07, "scatter-feh": 0.06,
        "scatter-mg": 0.25, "scatter-bprp": 0.03, "scatter-distance": 65,
        "fraction-median": 0.037, "fraction-sd": 0.082, "notebook-bias-distance": -8.9,
        "problematic": 521455, "predicted": 521424, "compare-cnn-astronn-sdf": 0.1874,
        "compare-distmass-starhorse-mean": 0.152, "galah-feh": 0.13, "subsample": 458061,
        "radial-1.9-gradient": 0.008, "vertical-13.5-gradient-error": 0.006,
        "vertical-7.5-n": 67685, "mse-cnn-mean": 0.0685, "mse-kneighborsdist-feh": 0.02015,
    }  # fmt: skip
    assert {k: printed[k] for k in wanted} == wanted
    # One number, one claim: what is measured in the same way is the same claim.
    ways = [str(sorted(c.measure.items())) for c in every if c.measure["metric"] in NUMBERS]
    assert len(ways) == len(set(ways)) == 14


def test_the_papers_own_numbers_are_reproduced_by_residuals_like_its_own():
    """|f| with the released notebook's median and sd, and residuals of its mean, are judged so."""
    rng, n = np.random.default_rng(1), 200_000
    f = np.where(rng.random(n) < 0.5, 1, -1) * np.exp(rng.normal(np.log(0.037), 1.01, n))
    d = np.full(n, 500.0)
    frame = {"distance_true": d, "distance_pred": d * (1 + f), "dataset": "lamost", "split": "test"}
    for name, off in (("teff", -1.21), ("logg", -0.001), ("feh", -0.001), ("mg", 0.007)):
        frame |= {f"{name}_true": 1.0, f"{name}_pred": 1.0 + off}
    df = pd.DataFrame(frame)
    found = measured.measure(claims.load(Evaluation.claims),
                             Evaluation(df=df, everything=df, dataset="lamost"))  # fmt: skip
    assert found["fraction-median"] == pytest.approx(0.037, rel=0.02)
    assert found["fraction-sd"] == pytest.approx(0.082, rel=0.03)
    assert np.std(f) > 0.1  # whoever judges the signed one cannot pass
    assert abs(np.median(f)) < 0.002  # whoever judges the signed median cannot miss
    for claim in claims.load(Evaluation.claims):
        if claim.id.startswith("notebook-bias-") and claim.id[14:] in ("teff", "logg", "feh", "mg"):
            assert found[claim.id] == pytest.approx(claim.published)


def test_fig_7_names_the_fractions_that_the_paper_prints(predictions):
    df = predictions[predictions["split"] == "test"]
    off = (df["distance_pred"] - df["distance_true"]) / df["distance_true"]
    texts = [t.get_text() for a in figures.fractional_error(df).axes if a.get_legend()
             for t in a.get_legend().get_texts()]  # fmt: skip
    wanted = f"median of |f| {100 * off.abs().median():.1f} % (paper 3.7 %)"
    assert any(wanted in t and f"sd of |f| {100 * off.abs().std():.1f} %" in t for t in texts)


def survey(df, **more):
    """Return an evaluation of a run on the survey."""
    counts = pd.DataFrame({"n": [7060679, 4067525, 54971, 47557, 44593, 39416, 18573]})
    real = df.assign(mock=False)
    return Evaluation(df=real[real["split"] == "test"], everything=real, dataset="lamost",
                      counts=counts, **more)  # fmt: skip


APPLIED = ("predicted", "problematic", "problematic-fraction", "with-gaia", "subsample",
           "radial-0.1-gradient", "vertical-8.5-n")  # fmt: skip


def test_a_survey_is_measured_where_a_mock_is_not(predictions, others, monkeypatch):
    real = predictions.assign(mock=False)
    chosen = application.of_kind(real) & application.problematic(real)
    monkeypatch.setattr(application, "STARS", int(chosen.sum()))
    external = [comparison.read_external(others / name) for name in KINDS]
    ev = survey(predictions, catalogue=real, external=external)
    found = measured.measure(claims.load(ev.claims), ev)
    assert found["cut-sample"] == 18573 and found["test"] == 700 and found["reference"] == 1600
    assert 100 < found["predicted"] == found["problematic"] == chosen.sum() < len(real)
    whole = application.of_kind(real, snr=False).sum()
    assert found["problematic-fraction"] == pytest.approx(chosen.sum() / whole)
    assert found["with-gaia"] == whole  # the toy's Gaia knows all
    assert set(APPLIED) <= set(found) and found["vertical-8.5-n"] < chosen.sum()
    assert found["compare-cnn-starhorse-n"] < chosen.sum() and found["apogee-teff"] > 0
    alone = survey(predictions, catalogue=real[chosen].reset_index(drop=True))
    again = measured.measure(claims.load(ev.claims), alone)
    assert again["predicted"] == chosen.sum() and again["subsample"] == found["subsample"]
    assert not {"problematic-fraction", "with-gaia"} & set(again)  # it does not hold the others


def test_neither_the_training_sample_nor_a_mocks_catalogue_is_the_application(
    predictions, others, monkeypatch
):
    monkeypatch.setattr(application, "STARS", 100)
    external = [comparison.read_external(others / name) for name in KINDS]
    real = predictions.assign(mock=False)
    for more in ({}, {"catalogue": predictions}, {"catalogue": real.head(100)}):
        ev = survey(predictions, external=external, **more)
        found = measured.measure(claims.load(ev.claims), ev)
        assert found["cut-sample"] == 18573 and "scatter-teff" in found
        assert not {*APPLIED, "compare-cnn-starhorse-sd", "apogee-teff"} & set(found)
    assert "(simulated)" in survey(predictions, catalogue=predictions).facts()[
        "stars of the catalogue"]  # fmt: skip


def test_giants_of_low_signal_fill_neither_figures_nor_gradients(predictions):
    real = predictions.assign(mock=False)
    rng = np.random.default_rng(5)
    giants = real.sample(3000, replace=True, random_state=1).reset_index(drop=True)
    giants = giants.assign(lasp_teff=4700.0, lasp_logg=2.4, snr_g=1.0, teff_pred=4750.0,
                           logg_pred=2.5, feh_pred=rng.uniform(-1, 0.5, 3000),
                           distance_pred=rng.uniform(500, 6000, 3000))  # fmt: skip
    both = pd.concat([real, giants], ignore_index=True)
    with_them, without = survey(predictions, catalogue=both), survey(predictions, catalogue=real)
    assert 1500 < len(without.applied) == len(with_them.applied) <= len(real)
    for kind in ("radial", "vertical"):
        pd.testing.assert_frame_equal(with_them.gradients()[kind], without.gradients()[kind])
    for name in ("F8_problems", "F9_cmd", "F12_density", "F13_metallicity", "F14_gradients"):
        plot = next(p for p in with_them.figures() if p.name == name)
        assert len(plot.rows) == len(without.applied)
    one = giants.head(4).copy()
    one.loc[0, ["lasp_teff", "lasp_logg", "lasp_feh"]] = np.nan  # the network's decide then
    one["snr_g"] = [50.0, 50.0, 5.0, np.nan]
    one.loc[2:, ["lasp_teff", "lasp_logg", "lasp_feh"]] = 5772.0, 4.44, 0.0
    assert application.of_kind(one).tolist() == [False] * 4
    assert application.of_kind(one, snr=False).tolist() == [False, False, True, True]
    sun = one.assign(lasp_teff=np.nan, teff_pred=5772.0, logg_pred=4.44, feh_pred=0.0, snr_g=50.0)
    assert application.of_kind(sun).all()


def test_scatter_and_distances_are_those_put_in_and_bins_have_their_stars(predictions):
    df = predictions[predictions["split"] == "test"]
    table = tables.scatter_table(df).set_index("quantity")
    off = df["bprp_pred"] - df["bprp_true"]
    assert table.loc["(BP-RP)_0", "sd"] == pytest.approx(off.std())
    assert table["published"].tolist() == [86, 0.07, 0.06, 0.25, 0.03, 65]
    off = (df["distance_pred"] - df["distance_true"]) / df["distance_true"]
    whole = tables.distance_table(df).set_index("distance").loc["all"]
    assert whole["median_fraction"] == pytest.approx(off.median())
    assert whole["sd_fraction"] == pytest.approx(off.std())
    assert whole["median_abs_fraction"] == pytest.approx(off.abs().median())
    assert whole["sd_abs_fraction"] == pytest.approx(off.abs().std())
    assert not len(tables.distance_table(df.drop(columns="distance_pred")))
    found = tables.spread([1.0, 3.0, np.nan])
    assert found["n"] == 2 and found["bias"] == 2 and np.isnan(found["sd_err"])
    for by in ("teff", "logg", "feh", "snr_g"):
        table = tables.binned_table(df, by)
        assert table["n"].sum() <= len(df) and len(table) > 3
    snr = tables.binned_table(df, "snr_g")
    assert snr["n"].sum() == len(df)
    assert snr["teff_sd"].iloc[0] > 1.5 * snr["teff_sd"].iloc[-1]
    assert tables.bins_of([0, 1, 1.99, 2, np.nan], [0, 1, 2]).tolist() == [0, 1, 1, -1, -1]


def test_coverage_of_right_and_of_wrong_errors(predictions):
    table = tables.coverage_table(predictions).set_index("quantity")
    for name in ("Teff", "log g", "(BP-RP)_0"):
        assert table.loc[name, "cover_68"] == pytest.approx(0.683, abs=0.05)
    assert table.loc["distance", "cover_68"] == pytest.approx(0.74, abs=0.06)
    small = predictions.assign(teff_sigma=0.5 * predictions["teff_sigma"])
    assert tables.coverage_table(small)["cover_68"].iloc[0] < 0.45


def test_binaries_are_called_too_faint_and_too_near(predictions):
    table = tables.binary_table(predictions).set_index("stars")
    single, binary = table.loc["single"], table.loc["unresolved binary"]
    assert binary["n"] == pytest.approx(toy.BINARIES * 2300, rel=0.15)
    assert binary["mg_bias"] > 0.1 > single["mg_bias"]
    assert binary["fraction"] < -0.05 < single["fraction"]


def test_the_three_sets_of_fig_8():
    df = pd.DataFrame({"parallax": [1.0, np.nan, 1.0, 1.0, np.nan, 1.0],
                       "parallax_over_error": [10, np.nan, 4, 5, np.nan, 20],
                       "distance_gspphot": [900, np.nan, np.nan, 800, 700, np.nan]})  # fmt: skip
    found = tables.problem_counts(df)
    assert found == {"all": 5, "fraction": 5 / 6, "no_parallax": 2, "low_parallax": 2,
                     "no_gspphot": 3, "gspphot_without_parallax": 1}  # fmt: skip
    assert tables.problem_counts(df[["parallax"]]) == {}
    texts = {t.get_text() for t in figures_distance.venn(df).axes[0].texts}
    assert {"no parallax\n2", "no GSP-Phot distance: 3"} <= texts
    with pytest.raises(SuiteError, match="every star"):
        figures_distance.venn(df.iloc[:1])


def test_other_catalogues_by_name_unit_and_identifier(predictions, others):
    found = {name: comparison.read_external(others / name) for name in KINDS}
    assert {k: v.kind for k, v in found.items()} == KINDS
    assert found["sh.csv"].df["distance_pc"].median() > 100  # from kpc
    assert found["dm.csv"].df["distance_pc"].isna().mean() == pytest.approx(0.1, abs=0.01)
    hows = {k: comparison.match(predictions, v)[2] for k, v in found.items()}
    assert hows["nn.fits"] == "Gaia source_id" and hows["sh.csv"] == "APOGEE_ID"
    assert hows["dm.csv"].startswith("position")
    distances = comparison.distances(predictions, list(found.values()))
    assert distances["starhorse"].notna().sum() == 1200 == distances["astronn"].notna().sum()
    ratio = distances["starhorse"] / predictions["distance_planted"]
    assert ratio.mean() == pytest.approx(0.93, abs=0.01)
    table = comparison.distance_table(distances, list(found.values()))
    assert table["first"].tolist() == ["this work"] * 3 + ["astroNN", "DistMass", "DistMass"]
    assert table["second"].tolist() == ["StarHorse", "DistMass", "astroNN", "StarHorse",
                                        "StarHorse", "astroNN"]  # fmt: skip
    row = table.iloc[3]
    assert row["mean_fraction"] == pytest.approx(1.04 / 0.93 - 1, abs=0.02)
    other = found["allStar.csv"]
    both, matched = comparison.parameters(predictions, other)
    assert matched == 1200 and 0.2 < len(both) / matched < 0.4  # flags, S/N_g > 50, no [Fe/H]
    table = comparison.parameter_table(predictions, [other])
    assert table["quantity"].tolist() == ["Teff", "log g", "[Fe/H]"]
    assert (table["sd"] < [80, 0.08, 0.08]).all()


def test_a_table_not_known_by_name(tmp_path, predictions):
    few = predictions[:50]
    mine = Table({"ra": few["ra"], "dec": few["dec"], "dist": few["distance_planted"] / 1000})
    mine["dist"].unit = "kpc"
    mine.write(tmp_path / "mine.ecsv")
    other = comparison.read_external(tmp_path / "mine.ecsv")
    assert other.kind == other.name == "mine"
    distances = comparison.distances(predictions, [other])
    np.testing.assert_allclose(distances["mine"][:50], few["distance_planted"])
    path = tmp_path / "no.csv"
    for text, lacks in (("ra,dec\n1,1\n", "distance_kpc"), ("distance_kpc\n1\n", "ra and dec")):
        path.write_text(text)
        with pytest.raises(ReadError, match=lacks):
            comparison.read_external(path)


def test_a_catalogue_without_labels_is_evaluated(tmp_path, predictions, others):
    back = {v: k for k, v in CATALOGUE.items()}
    keep = [c for c in predictions if not c.endswith(("_true", "_planted")) and c != "split"]
    named = predictions[keep].rename(columns=back).drop(columns=["mock", "dataset", "binary"])
    write_table(named, tmp_path / "catalogue.fits")
    arguments = ["--predictions", str(tmp_path / "catalogue.fits"), "-o", str(tmp_path / "out"),
                 "--compare", str(others / "sh.csv")]  # fmt: skip
    assert evaluate.main(arguments) == 0
    figures = {p.stem for p in (tmp_path / "out" / "figures").glob("*.png")}
    assert {"F9_cmd", "F10_catalogues", "F12_density", "F14_gradients"} <= figures
    assert "F5_predicted_true" not in figures and "recovered" not in figures
    df = given.with_truth(read_predictions(tmp_path / "catalogue.fits"), others / "truth.csv")
    np.testing.assert_allclose(df["feh_planted"], predictions["feh_planted"])
    assert df["source_id"].tolist() == predictions["source_id"].tolist()
    write_table(named.head(9), tmp_path / "catalogue.vot")
    few = read_predictions(tmp_path / "catalogue.vot")
    assert few["source_id"].tolist() == df["source_id"].head(9).tolist()


def test_a_catalogue_beside_its_run(tmp_path, run_dir, predictions, others):
    stars = predictions[predictions["split"] == "test"].filter(regex="(?<!_planted)$")
    stars.to_parquet(tmp_path / "stars.parquet")
    isochrones = pd.DataFrame({"feh": [0.0, 0.0], "bprp": [0.7, 0.9], "mg": [3.9, 5.0]})
    isochrones.to_csv(tmp_path / "iso.csv", index=False)
    theirs = pd.DataFrame({"kind": ["radial", "vertical"], "at": [0.5, 8.5],
                           "gradient": [-0.05, -0.2]})  # fmt: skip
    theirs.to_csv(tmp_path / "others.csv", index=False)
    claims.write(theirs, run_dir / "on_files" / "tables" / "real.ecsv", dataset="one night")
    report = evaluate.evaluate_run(
        run_dir, tmp_path / "out", catalogue=tmp_path / "stars.parquet",
        truth=others / "truth.csv", isochrones=tmp_path / "iso.csv",
        gradients=[tmp_path / "others.csv"],
    )  # fmt: skip
    assert "one night" in report.read_text()  # evaluations on files are shown beside
    made = report.parent / "tables"
    assert (given.read_ecsv(made / "recovery_summary.ecsv")["plane_off"].abs() < 4).all()
    assert given.read_ecsv(made / "recovery.ecsv")["n"].max() < 700
    theirs.assign(kind="oblique").to_csv(tmp_path / "others.csv", index=False)
    with pytest.raises(ReadError, match="vertical"):
        evaluate.evaluate_run(run_dir, tmp_path / "out", gradients=[tmp_path / "others.csv"])


def test_the_networks_layers_are_those_of_fig_4():
    rows = figures_network.layers(make_config("lamost-mock", "paper"))
    sizes = [size for _, size, _ in rows]
    assert sizes == ["4875", "4875 × 64", "1625 × 64", "1625 × 128", "541 × 128", "541 × 256",
                     "180 × 256", "46080", "512", "256", "5"]  # fmt: skip


def test_pre_processing_examples_of_real_spectra(shared_data):
    config = make_config("lamost-mock", "paper")
    found = file_examples([shared_data / "real" / "lamost" / "spec"], config)
    assert len(found) == 2 and "0 pixels replaced" in found[0]["title"]
    for one in found:
        assert one["x"].shape == one["normalised"].shape == config.grid.shape
        assert np.std(one["smoothed"] - one["flux"]) > 0
    changed = found[1]["x"] != found[1]["normalised"]
    assert changed.any() and (found[1]["x"][changed] == 1).all()
    assert len(figures_network.preprocessing(found, config.grid).axes) == 4


def test_bad_input_is_answered(tmp_path, run_dir):
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": [1.0]}).to_csv(path, index=False)
    with pytest.raises(ReadError, match="teff_pred"):
        read_predictions(path)
    pd.DataFrame({"obsid": ["none"], "feh_planted": [0.0]}).to_csv(path, index=False)
    with pytest.raises(SuiteError, match="same spectra"):
        evaluate.evaluate_run(run_dir, tmp_path, truth=path)
    toy.predictions(30, split="reference").to_csv(path, index=False)
    with pytest.raises(SuiteError, match="no row of split 'test'"):
        evaluate.evaluate_predictions(path, tmp_path)


def test_real_stars_beyond_what_was_learned_are_told_apart(predictions):
    df = predictions[predictions["split"] == "test"].iloc[:60].copy()
    df["snr_g"] = 40.0
    giants = df.index[:20]
    df.loc[giants, ["teff_true", "logg_true"]] = 4700.0, 2.4
    df.loc[df.index[20:25], "snr_g"] = 8.0
    found = tables.real_table(df)
    kinds = list(found["stars"].unique())
    assert kinds == ["solar-like, S/N_g >= 10", "all with parameters"]
    both = found[found["quantity"] == "Teff"].set_index("stars")
    assert both.loc[kinds[0], "n"] == tables.learned(df).sum() <= 35
    assert both.loc[kinds[1], "n"] == 60 and both.loc[kinds[1], "sd"] > both.loc[kinds[0], "sd"]
