"""The evaluation on made-up predictions of known quality gives these qualities back."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common import claims
from common.calibration import fit_calibration
from common.catalog import write_table
from common.errors import SuiteError
from lamost_metallicity import evaluate, measured, selection
from lamost_metallicity.config import make_config
from lamost_metallicity.evaluation import Evaluation
from lamost_metallicity.figures import beyond as figures_beyond
from lamost_metallicity.figures import regression as figures
from lamost_metallicity.figures.network import layers
from lamost_metallicity.tables import beyond as tables_beyond
from lamost_metallicity.tables import classes as tables_classes
from lamost_metallicity.tables import real as tables_real
from lamost_metallicity.tables import regression as tables
from tests.lamost_metallicity import toy
from tests.lamost_metallicity.toy import CNN, FLOOR, FOREST
from tests.pictures import rendered


@pytest.fixture(scope="module")
def predictions():
    parts = toy.predictions(), toy.predictions(500, seed=9, split="valid")
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def rows(predictions):
    return tables.regression_rows(predictions[predictions["split"] == "test"])


@pytest.fixture(scope="module")
def run_dir(predictions, tmp_path_factory):
    """A run folder as training leaves it, without networks or data."""
    folder = tmp_path_factory.mktemp("run")
    config = asdict(make_config("lamost-mock", "smoke", input="paper"))
    about = {"config": config, "parameters": {"regressor": 104337}}
    (folder / "config.json").write_text(json.dumps(about))
    predictions.to_parquet(folder / "predictions.parquet")
    history = [{"network": name, "epoch": e, "loss": 1 / (e + 1), "val_loss": 1.2 / (e + 1)}
               for name in ("regressor", "classifier") for e in range(4)]  # fmt: skip
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    counts = pd.DataFrame({"cut": ["a", "b", "c", "d"], "n": [100, 90, 60, 20],
                           "fraction": [np.nan, 0.9, 2 / 3, 1 / 3], "published": 1})  # fmt: skip
    write_table(counts, folder / "data" / "selection.ecsv")
    with rendered():
        assert evaluate.main(["--run-dir", str(folder)]) == 0
    return folder


def test_every_figure_and_table_is_there(run_dir):
    wanted = {"F1_sample", "F2_network", "F3_labels", "F4_predicted_true", "T1_methods",
              "F5_sigma", "F6_mzr", "mzr_recovered", "F7_catalogue", "classifier",
              "network_or_lines", "reliability", "noise_floor", "multitask",
              "training"}  # fmt: skip
    for kind in ("png", "pdf"):
        found = {p.stem for p in (run_dir / "figures").glob(f"*.{kind}") if p.stat().st_size > 5000}
        assert found == wanted
    names = {p.stem for p in (run_dir / "tables").glob("*.ecsv")}
    assert names == {"selection", "methods", "methods_planted", "noise", "sigma_snr_r", "sigma_z",
                     "winner", "mzr", "recovery", "mzr_fit", "coverage", "multitask", "classifier",
                     "mistakes", "readings", "catalogue", "baselines"}  # fmt: skip
    text = (run_dir / "report.html").read_text()
    assert "MOCK DATA" in text and "Not drawn" in text and "lamost_metallicity.explain" in text
    assert 'href="http' not in text
    assert not list(run_dir.rglob(".*"))


def test_claims_are_judged_for_the_mock_alone(run_dir):
    judged = Table.read(run_dir / "claims.ecsv").to_pandas()
    assert tuple(judged.columns) == claims.COLUMNS
    survey = judged[judged["dataset"] == "lamost"]
    assert set(survey["verdict"]) == {"untested"} and survey["ours"].isna().all()
    ours = judged[judged["dataset"] == "lamost-mock"].set_index("id")["ours"]
    assert ours["sigma"] == pytest.approx(np.hypot(CNN, FLOOR), rel=0.06)
    assert ours["parameters"] == 104337
    assert "catalogue-size" not in ours  # no run on a test split can say
    assert not {"galaxies", "cut-z-snr", "matched-fraction", "labelled"} & set(ours.index)


def test_every_claim_is_a_number_of_the_paper_and_has_a_measure(rows):
    every = claims.load(Evaluation.claims)
    assert len(every) == 32 and {c.dataset for c in every} == {"lamost"}
    assert all(c.measure["metric"] in measured.MEASURES for c in every)
    printed = {c.id: c.published for c in every}
    wanted = {"sigma": 0.0829, "mean": -0.0002, "bias": 0.0034, "sigma-snr-3-5": 0.11,
              "sigma-snr-25": 0.05, "sf-precision": 0.9293, "other-f1": 0.9266, "accuracy": 0.925,
              "composites": 0.87, "catalogue-mean": 8.91, "labelled": 38500,
              "matched": 151000, "unmatched": 91400, "second-mean": -0.0053}  # fmt: skip
    assert {k: printed[k] for k in wanted} == wanted
    counts = selection.counts_table([261381, 242500, 151029, 38500])  # of a survey
    found = measured.measure(every, rows, rows=rows, counts=counts)
    assert found["galaxies"] == 261381 and found["labelled"] == 38500
    assert found["matched-fraction"] == pytest.approx(0.6228, abs=1e-4)


def test_methods_come_in_their_order_and_with_their_errors(rows):
    table = tables.method_table(rows).set_index("column")
    for column, own in (("oh_pred", CNN), ("oh_rf", FOREST), ("oh_mlp", 0.08)):
        assert table.loc[column, "sigma"] == pytest.approx(np.hypot(own, FLOOR), rel=0.06)
        off = abs(table.loc[column, "sigma"] - np.hypot(own, FLOOR))
        assert off < 4 * table.loc[column, "sigma_err"]
    assert table.loc["oh_rf", "mean"] == pytest.approx(0.01, abs=0.01)
    planted = tables.method_table(rows, against="oh_planted").set_index("column")
    assert planted.loc["oh_pred", "sigma"] == pytest.approx(CNN, rel=0.06)


def test_strong_lines_are_put_on_the_labels_scale_by_the_validation_split_alone(predictions):
    scales = tables.scales_of(predictions)
    assert scales["oh_n2_cal"] is None  # the made-up index is a constant
    spoiled = predictions.copy()
    spoiled.loc[spoiled["split"] == "test", "oh_true"] += 1
    again = tables.scales_of(spoiled)["oh_o3n2_cal"]
    x = np.linspace(-0.5, 1.5, 20)
    np.testing.assert_allclose(again(x), scales["oh_o3n2_cal"](x))
    df = tables.on_label_scale(predictions[predictions["split"] == "test"], scales)
    found = tables.method_table(tables.regression_rows(df)).set_index("column")
    assert abs(found.loc["oh_o3n2", "mean"] + 0.2) < 0.03  # the scale's offset was planted
    assert abs(found.loc["oh_o3n2_cal", "mean"]) < 0.02
    assert found.loc["oh_o3n2_cal", "share"] == pytest.approx(0.7, abs=0.04)
    assert tables.fit_scale(df.head(5), "o3n2") is None


def test_bins_hold_their_left_edge_and_the_papers_numbers(rows):
    table = tables.binned_table(rows, "snr_r", columns=("oh_pred", "oh_rf"))
    assert table["bin"].tolist() == ["[3, 5)", "[5, 7)", "[7, 10)", "[10, 15)", "[15, 25)", ">= 25"]
    assert table["n"].sum() == len(rows)
    assert table["oh_pred"].iloc[0] > 1.3 * table["oh_pred"].iloc[-1]
    assert table["published"].tolist()[0] == 0.11 and table["published"].tolist()[-1] == 0.05
    assert table["oh_rf_share"].eq(1).all()
    assert tables.bins_of([3, 4.999, 5, 25, 1e9, 2.9, np.nan], tables.SNR_EDGES).tolist() == [
        0, 0, 1, 5, 5, -1, -1]  # fmt: skip
    far = tables.binned_table(rows, "z")
    # Sect. 4.4 names the middle and a maximum, not the two ends.
    assert far["published"].isna().tolist() == [True, True, False, False, False, True]
    axis = figures.sigma_in_bins(rows).axes[1]
    told = [text.get_text() for text in axis.get_legend().get_texts()]
    assert "paper, LAMOST: largest of all bins" in told


def test_classifier_by_hand(predictions):
    df = predictions[predictions["split"] == "test"]
    table = tables_classes.class_table(df).set_index("class")
    hit, missed, false = 1380, 120, 150
    assert table.loc["star-forming", "recall"] == pytest.approx(hit / (hit + missed))
    assert table.loc["star-forming", "precision"] == pytest.approx(hit / (hit + false))
    precision, recall = table.loc["star-forming", ["precision", "recall"]]
    assert table.loc["star-forming", "f1"] == pytest.approx(2 / (1 / precision + 1 / recall))
    assert table.loc["all", "accuracy"] == pytest.approx(1 - 270 / 3000)
    share = tables_classes.composite_share(df)  # of the others called wrong
    assert share == pytest.approx(120 / 150)
    mistakes = tables_classes.mistake_table(df).set_index("bptclass")
    assert mistakes["misclassified"].to_dict() == {1: 120, 3: 120, 4: 30}
    assert mistakes[["share", "share_other"]].sum().tolist() == pytest.approx([1, 1])
    blank = df.drop(columns=["p_sf", "p_other"])
    assert not len(tables_classes.class_table(blank)) and not len(
        tables_classes.mistake_table(blank)
    )


def test_the_planted_relation_comes_back_and_a_wrong_one_does_not(rows):
    table = tables_beyond.mzr_table(rows)
    found = tables_beyond.recovery(table)
    assert found["rms"] < 0.02 and found["within_2"] > 0.8 and found["within_scatter"] == 1
    grid = np.linspace(9.2, 10.6, 8)
    ours, equation_2 = np.polynomial.Polynomial(tables_beyond.fit_mzr(rows)), tables_beyond.tremonti
    assert np.abs(ours(grid) - equation_2(grid)).max() < 0.02
    np.testing.assert_allclose(equation_2([9.0, 10.5]), [8.62994, 9.05284], atol=1e-5)
    flat = rows.assign(oh_pred=rows["oh_pred"].mean() + 0.3 * (rows["oh_pred"] - 8.9))
    worse = tables_beyond.recovery(tables_beyond.mzr_table(flat))
    assert worse["rms"] > 5 * found["rms"] and worse["within_2"] < 0.5
    assert tables_beyond.recovery(table.drop(columns="planted")) == {}
    assert tables_beyond.mzr_scatter(table) == pytest.approx(np.hypot(0.08, CNN), rel=0.2)


def test_both_readings_of_class_2_are_judged(predictions):
    """80 galaxies of class 2 that all pass for star-forming spoil recall and composites."""
    df = predictions[predictions["split"] == "test"]
    low = df[df["bptclass"] == 4].head(80).assign(bptclass=2, p_sf=0.9, p_other=0.1)
    table = tables_classes.readings_table(pd.concat([df, low], ignore_index=True))
    table = table.set_index("reading")
    out, among = table.loc["class 2 left out"], table.loc["class 2 among the others"]
    assert out["n_other"] == 1500 and among["n_other"] == 1580
    assert out["recall_other"] == pytest.approx(1 - 150 / 1500)
    assert among["recall_other"] == pytest.approx(1 - 230 / 1580)
    assert out["composites"] == pytest.approx(120 / 150)
    assert among["composites"] == pytest.approx(120 / 230)
    assert out["distance"] < among["distance"]
    assert table.loc["paper", "composites"] == 0.87
    assert list(tables_classes.readings_table(df)["reading"]) == ["class 2 left out", "paper"]


def test_the_catalogue_follows_the_rule_of_predict(rows):
    sure = rows.head(60).assign(p_sf=0.9, p_other=0.1)
    both = sure.assign(p_other=0.95)  # the two nodes know nothing of each other
    assert not len(tables_classes.catalogue_rows(both))
    assert len(tables_classes.catalogue_rows(pd.concat([sure, both]))) == 60
    assert len(tables_classes.catalogue_rows(sure, 0.95)) == 0


def measured_of(predictions, **more):
    """Return what a table of predictions and counts of a survey give for each claim."""
    counts = selection.counts_table([261381, 242500, 151029, 38500])
    df = predictions[predictions["split"] == "test"]
    every = claims.load(Evaluation.claims)
    return measured.measure(every, df, rows=tables.regression_rows(df), counts=counts, **more)


def test_the_papers_catalogue_is_that_of_galaxies_without_labels(predictions):
    """Held-out labelled galaxies say nothing of it, however many are called star-forming."""
    catalogue = {"catalogue-size", "catalogue-mean", "catalogue-peak", "table-3-102052"}
    assert not catalogue & set(measured_of(predictions))
    rng = np.random.default_rng(0)
    unmatched = pd.DataFrame({"id": np.arange(300).astype(str), "p_sf": 0.9, "p_other": 0.1,
                              "ra": 1.0, "dec": 2.0})  # fmt: skip
    unmatched["oh_pred"] = rng.normal(8.8, 0.1, 300)
    unmatched.loc[:99, "p_sf"] = 0.8
    unmatched.loc[200, ["id", "ra", "dec"]] = ["102052", 331.50241, -1.30848]
    unmatched.loc[50, ["id", "ra", "dec"]] = ["101162", 331.90851, -1.31349]  # not confident
    found = measured_of(predictions, unmatched=unmatched)
    assert found["catalogue-size"] == 200
    assert found["catalogue-mean"] == pytest.approx(unmatched["oh_pred"][100:].mean())
    assert found["catalogue-peak"] == pytest.approx(8.8, abs=0.05)
    assert found["table-3-102052"] == 1 and found["table-3-101162"] == 0
    assert "table-3-107037" not in found
    assert measured_of(predictions, unmatched=unmatched, confidence=0.7)["catalogue-size"] == 300


def test_a_mock_does_not_confirm_its_own_design(predictions):
    """A constant 8.91 would reproduce the catalogue's mean, a planted relation its scatter."""
    unmatched = predictions[predictions["split"] == "test"].assign(oh_pred=8.91)
    found = measured_of(predictions, unmatched=unmatched, is_mock=True)
    reasons = measured.by_design(claims.load(Evaluation.claims))
    assert {"far-fraction", "mzr-scatter", "catalogue-mean", "catalogue-peak", "galaxies",
            "matched", "unmatched", "table-3-101162"} <= set(reasons)  # fmt: skip
    assert not set(reasons) & set(found) and all(reasons.values())
    assert {"sigma", "sigma-snr-25", "composites", "second-mean"} <= set(found)
    survey = measured_of(predictions, unmatched=unmatched)
    assert survey["catalogue-mean"] == pytest.approx(8.91)
    assert survey["matched"] == 151029 and survey["unmatched"] == 242500 - 151029
    assert {"far-fraction", "mzr-scatter"} <= set(survey)


def test_the_report_says_why_a_mock_does_not_judge(run_dir):
    text = (run_dir / "report.html").read_text()
    assert "Not judged on a mock" in text and "a constant 8.91 would do" in text


def test_training_labels_are_drawn_where_the_data_are_there(predictions, tmp_path):
    labels = predictions.assign(has_label=predictions["in_oh"])[["split", "oh_true", "has_label"]]
    labels = pd.concat([labels, labels.assign(split="train")], ignore_index=True)
    labels.to_parquet(tmp_path / "labels.parquet")
    sample = evaluate._sample(tmp_path / "labels.parquet")
    assert sample["split"].value_counts().to_dict() == {"train": 2000, "test": 1500, "valid": 500}
    figure = figures.label_distributions(sample)
    drawn = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert [text.partition(":")[0] for text in drawn] == ["train", "valid", "test"]
    assert evaluate._sample(tmp_path / "none.parquet") is None
    ev = Evaluation(df=predictions, everything=predictions, dataset="x", sample=sample)
    plot = next(p for p in ev.figures() if p.name == "F3_labels")
    assert len(plot.rows) == 4000


def test_figure_2_has_the_sizes_of_the_paper():
    sizes = [size for _, size, _ in layers(make_config("lamost", "paper"))]
    assert sizes == ["4201", "4199 × 16", "4197 × 16", "1399 × 16", "1397 × 32", "1395 × 32",
                     "465 × 32", "463 × 64", "461 × 64", "153 × 64", "151 × 128", "149 × 128",
                     "49 × 128", "6272", "1"]  # fmt: skip


def test_network_or_lines_by_snr(rows):
    off = np.where(rows["snr_r"] > 15, 0, 0.2 * np.sin(np.arange(len(rows))))
    scaled = rows.assign(oh_o3n2_cal=rows["oh_true"] + off)
    table = tables_beyond.winner_table(scaled).set_index("bin")
    assert table.loc["[3, 5)", "O3N2_winner"] == "network"
    assert table.loc[">= 25", "O3N2_winner"] == "lines"
    assert table.loc["all", "n"] == len(rows) == table["n"].sum() / 2
    text = tables_beyond.winners_in_words(table.reset_index())
    assert "the network at [3, 5)" in text and ">= 25" in text.partition("O3N2 at ")[2]
    same = rows.assign(oh_o3n2_cal=rows["oh_pred"])
    assert (tables_beyond.winner_table(same)["O3N2_winner"] == "tie").all()
    few = tables_beyond.winner_table(scaled.head(40))
    assert (few.loc[few["n"] < tables.FEWEST, "O3N2_winner"] == "").all()


def test_the_network_is_put_beside_boosting_by_snr(rows):
    rng = np.random.default_rng(4)
    off = np.where(rows["snr_r"] > 15, 0.02, 0.2) * rng.normal(size=len(rows))
    df = rows.assign(oh_lines=rows["oh_true"] + off, oh_mass=rows["oh_true"] + 5 * off)
    table = tables_beyond.baseline_table(df).set_index("bin")
    assert list(table.index) == [*tables.binned_table(rows, "snr_r")["bin"], "all"]
    assert table.loc["[3, 5)", "lines_winner"] == "network"
    assert table.loc[">= 25", ["lines_winner", "mass_winner"]].tolist() == ["lines", "network"]
    assert table.loc["all", "network"] == pytest.approx(np.hypot(CNN, FLOOR), rel=0.06)
    assert table.loc[">= 25", "lines"] == pytest.approx(0.02, rel=0.2)
    assert not len(tables_beyond.baseline_table(rows.drop(columns=["oh_lines", "oh_mass"])))


def test_coverage_of_right_and_of_wrong_errors(rows):
    half = tables_beyond.half_widths(rows)
    table = tables_beyond.coverage_table(rows, half).set_index("of")
    assert table.loc["label", "coverage_68"] == pytest.approx(0.683, abs=0.035)
    assert table.loc["label", "coverage_95"] == pytest.approx(0.95, abs=0.02)
    assert table.loc["planted", "coverage_68"] > 0.72  # the interval is the label's
    small = tables_beyond.coverage_table(rows, {0.68: 0.5 * half[0.68]}).set_index("of")
    assert small.loc["label", "coverage_68"] < 0.45
    groups = np.where(rows["snr_r"] < 7, "low", "high")
    assert set(tables_beyond.coverage_table(rows, half, groups)["group"]) == {"all", "low", "high"}


def test_the_runs_own_calibration_is_used(rows):
    raw = 3.0 * rows["oh_sigma"].to_numpy()
    groups = np.full(len(rows), "x")
    fitted = fit_calibration(residual=rows["oh_pred"] - rows["oh_true"], sigma=raw, group=groups)
    half = tables_beyond.half_widths(rows.assign(oh_sigma_raw=raw), fitted, groups)
    assert set(half) == {0.38, 0.68, 0.86, 0.95}
    table = tables_beyond.coverage_table(rows, half).set_index("of")
    assert table.loc["label", "coverage_95"] == pytest.approx(0.95, abs=0.02)
    assert len(figures_beyond.reliability(rows, half, groups).axes) == 2


def test_label_noise_floor(rows):
    table = tables_beyond.noise_table(rows).set_index("quantity")["sigma"]
    assert table["label - planted (floor)"] == pytest.approx(FLOOR, rel=0.06)
    assert table["predicted - label, floor taken off"] == pytest.approx(CNN, rel=0.1)
    assert table["MPA-JHU's error of a label (median)"] == FLOOR
    blind = tables_beyond.noise_table(rows.drop(columns="oh_planted"))
    assert "label - planted (floor)" not in set(blind["quantity"])


def test_multitask_difference_is_paired(rows):
    table = tables_beyond.multitask_table(rows).set_index(["quantity", "network"])
    row = table.loc[("12 + log(O/H)", "multi-task")]
    assert abs(row["difference"]) < 4 * row["difference_err"] + 0.01
    mass = table.loc[("log stellar mass (fibre)", "multi-task")]
    assert mass["sigma"] == pytest.approx(0.15, rel=0.1)
    same = tables_beyond.multitask_table(rows.assign(oh_multi=rows["oh_pred"]))
    assert same["difference"].dropna().tolist() == [0.0]


def test_a_table_of_others_is_read_and_judged_whole(tmp_path, rows):
    path = tmp_path / "mine.csv"
    few = rows.head(30)[["oh_true", "oh_pred", "snr_r", "z", "is_sf", "bptclass"]]
    few.rename(columns={"oh_true": "OH_TRUE"}).to_csv(path, index=False)
    df = tables.read_predictions(path)
    np.testing.assert_allclose(df["oh_true"], few["oh_true"], rtol=1e-6)
    assert df["is_sf"].dtype == "boolean" and df["is_sf"].all()
    assert df["bptclass"].tolist() == [1] * 30
    evaluate.evaluate_predictions(path, tmp_path / "out")
    judged = Table.read(tmp_path / "out" / "claims.ecsv").to_pandas()
    assert set(judged[judged["dataset"] == "lamost"]["verdict"]) == {"untested"}
    assert {"sigma", "mean", "bias"} <= set(judged[judged["dataset"] != "lamost"]["id"])


@pytest.mark.parametrize("n", [1, 25, 130])
@pytest.mark.parametrize(
    "without", [(), ("oh_planted", "p_sf", "p_other", "lgm_fib_true", "o3n2", "oh_sigma", "snr_r")]
)
def test_small_and_sparse_tables_give_what_they_can(tmp_path, predictions, n, without):
    df = predictions.groupby(["split", "is_sf"]).head(n).drop(columns=list(without))
    df.to_parquet(tmp_path / "p.parquet")
    report = evaluate.evaluate_predictions(tmp_path / "p.parquet", tmp_path / "out")
    judged = Table.read(tmp_path / "out" / "claims.ecsv").to_pandas()
    ours = judged[judged["ours"].notna()]
    assert report == tmp_path / "out" / "report.html" and len(judged) >= 25
    assert ("sigma" in set(ours["id"])) == (n >= tables.FEWEST)
    for path in (tmp_path / "out" / "tables").glob("*.ecsv"):
        assert len(Table.read(path)) > 0


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"oh_true\n8.9\n", "mine.csv.*oh_true and oh_pred"),
     (b"oh_true,oh_pred\n,\n", "mine.csv.*no row with both"),
     (b"split,oh_true,oh_pred\nvalid,8.9,8.9\n", "no row of split 'test'")],
)  # fmt: skip
def test_a_table_that_cannot_be_used_gets_a_message(tmp_path, content, words):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(SuiteError, match=words):
        evaluate.evaluate_predictions(tmp_path / "mine.csv", tmp_path / "out")


def test_a_small_run_on_real_data_does_not_stand_for_the_survey(rows):
    small = make_config("lamost", "demo", input="paper")
    assert evaluate._name(small, rows).startswith("lamost (demo scale")
    assert evaluate._name(make_config("lamost", "paper"), rows) != "lamost"
    whole = pd.concat([rows] * 5, ignore_index=True)
    assert evaluate._name(make_config("lamost", "paper"), whole) == "lamost"
    assert evaluate._name(make_config("lamost-mock", "paper"), whole) == "lamost-mock"
    other = make_config("lamost", "paper", input="standardised")
    assert evaluate._name(other, whole) == "lamost (standardised network)"


def test_real_spectra_are_compared_with_their_own_lines(rows):
    rng = np.random.default_rng(2)
    df = rows.head(40).assign(oh_o3n2_cal=rows["oh_pred"] + rng.normal(0.1, 0.05, len(rows)),
                              survey=["lamost", "sdss"] * 20, oh_true=np.nan)  # fmt: skip
    df["n2"], df["o3n2"] = -0.5, np.where(np.arange(40) % 4 == 0, 1.4, 0.3)
    df = tables_real.with_kind(df)
    assert set(df["lines_say"]) == {"AGN", "star-forming"}
    table = tables_real.agreement_table(df)
    row = table[(table["estimate"] == "O3N2, on the labels' scale")
                & (table["survey"] == "all")].set_index("galaxies")  # fmt: skip
    assert row.loc["star-forming by their lines", "n"] == 30
    assert row.loc["all with these lines", "mean"] == pytest.approx(-0.1, abs=0.03)
    assert row.loc["all with these lines", "sigma"] == pytest.approx(0.05, abs=0.02)
    assert len(tables_real.object_table(df)) == 40
    forming = (df["lines_say"] == "star-forming").to_numpy()
    sure = np.where(np.arange(40) % 8 < 6, 0.99, 0.6)
    df = df.assign(p_sf=np.where(forming, sure, 0.01), p_other=np.where(forming, 0.3, 0.99))
    kinds = tables_real.kind_table(df, 0.85).set_index("lines_say")
    assert list(kinds.index) == ["star-forming", "AGN"] and list(kinds["n"]) == [30, 10]
    assert kinds.loc["star-forming", "called"] == 1 and kinds.loc["AGN", "called"] == 0
    assert kinds.loc["star-forming", "kept"] == np.mean(sure[forming] > 0.85) < 1
    assert 0.05 < kinds.loc["star-forming", "kept_err"] < 0.1
    ev = Evaluation(df=df, everything=df, dataset="x", real=True)
    names = [plot.name for plot in ev.figures()]
    assert names[0] == "real" and not len(ev.rows)
    assert figures_beyond.real_spectra(df).axes
