import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common import claims, overview
from common.errors import SuiteError, UsageError
from common.report import Section, write_report
from gasnet2 import evaluate, measured, samples, tables
from gasnet2.config import CLASSES, COARSE, make_config
from gasnet2.evaluation import Evaluation
from gasnet2.figures import classes as figures_classes
from gasnet2.figures import redshifts as figures_redshifts
from tests.gasnet2.toy import made_up, whole_sample
from tests.pictures import rendered

EVERY = claims.load(Path(evaluate.__file__).with_name("claims.toml"))


def drawn_by(ev):
    """Return {name: function} of the figures of an evaluation."""
    return {plot.name: plot.draw for plot in ev.figures()}


def explained(n_pixels):
    """Return gradients as `gasnet2.explain` leaves them."""
    ones = [np.ones(n_pixels, dtype="f")] * 2
    return pd.DataFrame({"id": ["a", "b"], "class": ["GALAXY_AGN", "QSO_nan"], "snr": 9.0,
                         "z": [0.1, np.nan], "flux": ones, "dz": ones, "dp": ones})  # fmt: skip


@pytest.fixture
def run_dir(tmp_path):
    """A run folder as training leaves it, without networks or data."""
    config = make_config("sdss-mock", "smoke")
    mae = {c: 1e-4 for c in CLASSES["sdss"] if COARSE[c] != "STAR"}
    about = {"config": asdict(config), "versions": {"keras": "3"}, "validation_mae": mae}
    (tmp_path / "config.json").write_text(json.dumps(about))
    df = made_up()
    df.loc[::2, "snr"] = 9.0  # Fig. C1 wants some of each class in a bin
    df = pd.concat([df, df.assign(split="valid", z_pred=9.0, class_pred="STAR_A0")])
    df.to_parquet(tmp_path / "predictions.parquet")
    rows = [
        {"network": name, "epoch": e, "loss": 1 / (e + 1), "val_loss": 2 / (e + 1),
         "accuracy": 0.5, "val_accuracy": 0.4 + 0.1 * e, "mae": 0.1, "val_mae": 0.2 / (e + 1)}
        for name in ("classifier", "GALAXY_nan/0", "GALAXY_nan/1") for e in range(3)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "history.csv", index=False)
    return tmp_path


@rendered()
def test_a_run_gets_its_tables_figures_claims_and_report(run_dir, capsys):
    assert evaluate.main(["--run-dir", str(run_dir)]) == 0
    judged = Table.read(run_dir / "claims.ecsv").to_pandas()
    assert tuple(judged.columns) == claims.COLUMNS
    ours = judged[judged["id"] == "sdss-accuracy"].set_index("dataset")
    assert ours.loc["sdss-mock", "ours"] == pytest.approx(0.75)
    assert ours.loc["sdss-mock", "verdict"] == "missed"
    assert ours.loc["sdss", "verdict"] == "untested"
    # A mock run fills no row of any survey's own.
    real = judged[judged["dataset"].isin(CLASSES)]
    assert set(real["verdict"]) == {"untested"} and real["ours"].isna().all()
    for name in ("F12_confusion", "F13_point", "F15_mc", "B1_coarse", "C1_accuracy_snr", "E1_vdisp",
                 "F11_training", "F18_robust"):  # fmt: skip
        for kind in ("png", "pdf"):
            assert (run_dir / "figures" / f"{name}.{kind}").stat().st_size > 1000
    redshift = Table.read(run_dir / "tables" / "redshift.ecsv").to_pandas().set_index("class")
    assert redshift.loc["GALAXY_AGN", "n"] == 12  # the test split alone
    assert redshift.loc["GALAXY_AGN", "gf"] == 1.0
    text = (run_dir / "report.html").read_text()
    assert "MOCK DATA" in text
    assert "Not drawn" in text and "contamination_00.parquet" in text
    assert "no gradients are here" in text
    assert 'src="http' not in text and 'href="http' not in text
    assert not list(run_dir.rglob(".*"))
    assert "report.html" in capsys.readouterr().out
    cover = overview.read_cover(run_dir)
    figures = sorted(Path(f).stem for f in cover["figures"].values())
    assert figures == ["B1_coarse", "F12_confusion", "F15_mc"]
    page = overview.overview([run_dir], run_dir / "all.html").read_text()
    assert "GaSNet-II on sdss-mock" in page


@rendered("D1_gradients")
def test_an_output_folder_elsewhere_shows_gradients_and_earlier_real_results(run_dir, tmp_path):
    config = make_config("sdss-mock", "smoke")
    (run_dir / "explain").mkdir()
    explained(config.n_pixels).to_parquet(run_dir / "explain" / "gradients.parquet")
    coarse = pd.DataFrame({"class": ["all"], "n": [7], "accuracy": [0.9]})
    claims.write(coarse, run_dir / "on_sky" / "tables" / "coarse.ecsv", dataset="from the sky")
    out = tmp_path / "elsewhere"
    assert evaluate.main(["--run-dir", str(run_dir), "-o", str(out)]) == 0
    assert (out / "figures" / "D1_gradients.png").stat().st_size > 1000
    text = (out / "report.html").read_text()
    assert "Real spectra" in text and "from the sky" in text
    assert "no gradients are here" not in text


def test_mocks_among_the_files_are_no_sky(run_dir):
    config = make_config("sdss-mock", "smoke")
    files = {"real files": "TRAINED ON MOCK", "mock files and real files": "MOCK DATA"}
    for kinds, banner in files.items():
        ev = Evaluation(df=made_up(), classes=config.classes, survey="sdss", config=config,
                        dataset=f"sdss-mock -> {kinds} (x)", real=True)  # fmt: skip
        assert ev.banner().startswith(banner)
        judged = ev.judged()
        measured_here = set(judged.loc[judged["ours"].notna(), "id"])
        assert measured_here and not any("trained" in name for name in measured_here)
        assert set(ev.card(judged).claims["id"]) >= measured_here


def test_contaminated_runs_are_measured_against_the_clean_one(run_dir):
    trio = ("GALAXY_AGN", "GALAXY_STARBURST", "GALAXY_STARFORMING")
    for percent in (0, 5, 10):
        df = made_up(trio, n=20)
        df.loc[df.index % 20 < percent, "class_pred"] = "elsewhere"
        df.to_parquet(run_dir / f"contamination_{percent:02d}.parquet")
    runs = evaluate.contaminated(run_dir)
    every = [c for c in EVERY if c.id.startswith("sdss-contamination")]
    found = measured.measure(every, made_up(), contaminated=runs)
    assert found["sdss-contamination-10-accuracy"] == pytest.approx(0.25)  # 10 wrong instead of 5
    assert found["sdss-contamination-5-accuracy"] == pytest.approx(0.0)
    assert found["sdss-contamination-5-gf"] == pytest.approx(0.0)
    assert len(figures_classes.contaminated_confusion(runs).axes) == 3
    assert len(figures_classes.contaminated_redshift(runs).axes) == 9


def test_a_small_run_on_real_data_does_not_stand_for_the_survey():
    df = made_up()
    small = make_config("sdss", "demo")
    assert evaluate.measured_on(small, df).startswith("sdss (demo scale")
    assert evaluate.measured_on(make_config("sdss", "paper"), df) != "sdss"
    whole = pd.DataFrame(index=range(39_000))
    assert evaluate.measured_on(make_config("sdss", "paper"), whole) == "sdss"
    assert evaluate.measured_on(make_config("sdss-mock", "paper"), whole) == "sdss-mock"
    reseeded = make_config("sdss", "paper", seed=5, initialiser="faithful")
    assert evaluate.measured_on(reseeded, whole) == "sdss"
    short = make_config("sdss", "paper", epochs=3, members=2)
    assert evaluate.measured_on(short, whole) == (
        "sdss (paper scale, members 2 instead of 10, epochs 3 instead of 50, 39000 test spectra)"
    )
    named = make_config("sdss", "paper", n_pixels=3600)
    assert "n_pixels 3600 instead of 5001" in evaluate.measured_on(named, whole)


def test_metrics_table_against_hand_computed_values():
    df = pd.DataFrame({"class_true": ["QSO_nan"] * 4, "snr": [1.0, 5.0, 10.0, 20.0],
                       "z_true": [1.0] * 4, "z_pred": [1.0, 1.02, 1.2, np.nan],
                       "z_err": [0.01, 0.01, 0.01, 0.01]})  # fmt: skip
    row = tables.metrics_table(df, ["QSO_nan"], validation_mae={"QSO_nan": 0.01}).iloc[0]
    assert row["n"] == 4 and row["gf"] == 0.5  # biases 0, 0.00995, 0.095, and no prediction
    assert (row["gf_snr_lt5"], row["gf_snr_5_10"], row["gf_snr_gt10"]) == (1.0, 1.0, 0.0)
    assert row["frac_t_le_3"] == pytest.approx(2 / 3)
    assert row["outlier_fraction"] == 0.5  # |dz| = 0.1 and the missing one, beyond 0.05
    assert row["mae"] == pytest.approx(0.22 / 3)
    assert (row["n_failed"], row["n_measured"]) == (1, 3)
    assert row["robust_fraction"] == 0.75, "a redshift that is not there is not robust"
    assert row["robust_gf"] == pytest.approx(2 / 3)


def test_figures_count_failed_redshifts_as_their_tables_do():
    df = made_up(("GALAXY_nan",), n=40)
    df.loc[:9, ["z_pred", "z_err"]] = np.nan
    df["snr"] = 20.0
    assert tables.metrics_table(df).set_index("class").loc["GALAXY_nan", "gf"] == 0.75
    words = [t.get_text() for a in figures_redshifts.mc_estimates(df).axes for t in a.texts]
    assert any("GF = 0.750   n = 40 (10 failed)" in w for w in words), words
    legend = figures_redshifts.bias_by_snr(df).axes[0].get_legend().get_texts()[0].get_text()
    assert "GF 0.75 (n=40)" in legend


def test_coarse_table_counts_a_star_call_as_a_failed_redshift():
    df = pd.DataFrame({"class_true": ["QSO_BROADLINE", "QSO_STARBURST", "STAR_M4"],
                       "class_pred": ["QSO_nan", "STAR_A0", "STAR_K5"], "snr": [9.0, 9.0, 9.0],
                       "z_true": [1.0, 1.0, np.nan], "z_routed_pred": [1.0, np.nan, np.nan],
                       "z_routed_err": [0.1, np.nan, np.nan]})  # fmt: skip
    table = tables.coarse_table(df).set_index("class")
    assert (table.loc["QSO", ["accuracy", "gf", "outlier_fraction"]] == 0.5).all()
    assert table.loc["all", "accuracy"] == pytest.approx(2 / 3)


def test_tables_1_to_3_are_of_the_sample_before_the_split():
    df, sample = made_up(n=40), whole_sample()
    table = tables.class_table(df, sample=sample).set_index("class")
    row = table.loc["QSO_nan"]
    of_class = sample[sample["class_true"] == "QSO_nan"]
    assert (row["num"], row["n"], row["accuracy"]) == (100, 40, 0.75)
    assert row["mean_snr"] == 7 and row["z_max"] == of_class["z_true"].max()
    assert np.isnan(table.loc["STAR_A0", "z_max"]), "a star's velocity is no redshift"
    alone = tables.class_table(df).set_index("class").loc["QSO_nan"]
    assert np.isnan(alone["num"]) and alone["z_max"] < 0.4


def test_tables_and_figures_say_which_spectra_they_show():
    df, sample = made_up(n=40), whole_sample()
    common = dict(df=df, classes=CLASSES["sdss"], survey="sdss")
    whole = Evaluation(dataset="sdss-mock", sample=sample, **common)
    alone = Evaluation(dataset="sdss-mock", **common)
    told = {"Fig. 3": "F03_redshifts", "Fig. 4": "F04_snr"}
    for figure, name in told.items():
        for ev, words in ((whole, "the whole sample of 1300"), (alone, "the 520 test spectra")):
            captions = {plot.name: plot.caption for plot in ev.figures()}
            assert figure in captions[name] and words in captions[name]
    assert "the whole sample of 1300" in whole.tables(Path())["classes"][0]
    assert "the 520 test spectra" in alone.tables(Path())["classes"][0]
    real = Evaluation(dataset="files", real=True, **common)
    assert "the 520 spectra of the files" in real.tables(Path())["classes"][0]
    axis = drawn_by(whole)["F03_redshifts"]().axes[0]
    assert axis.get_xlim()[1] > 1.5, "the sample's redshifts are drawn"
    assert "the whole sample" in axis.get_title()
    assert "the whole sample" in drawn_by(whole)["F04_snr"]().get_suptitle()


def test_a_run_keeps_its_sample_and_its_evaluation_takes_it(run_dir):
    whole_sample().to_parquet(run_dir / "sample.parquet")
    assert evaluate.main(["--run-dir", str(run_dir)]) == 0
    table = Table.read(run_dir / "tables" / "classes.ecsv").to_pandas()
    assert set(table["num"]) == {100} and set(table["n"]) == {12}


def test_table_4_has_parameters_and_the_number_of_training_spectra():
    history = pd.DataFrame({"network": ["classifier", "QSO_nan/0", "pooled/0"], "epoch": 0,
                            "val_loss": 1.0, "val_mae": 0.1, "n_train": [182, 14, 9]})  # fmt: skip
    about = {"parameters": {"classifier": 4163325, "QSO_nan": 4160241}}
    ev = Evaluation(df=made_up(), classes=CLASSES["sdss"], survey="sdss", dataset="sdss-mock",
                    history=history, about=about)  # fmt: skip
    table = ev.tables(Path())["models"][1].set_index("network")
    assert table["parameters"].tolist()[:2] == [4163325, 4160241]
    assert table["n_train"].tolist() == [182, 14, 9]


def test_both_estimates_are_told_apart():
    point = [c for c in EVERY if c.id == "sdss-point-dz-QSO_nan"]
    df = made_up(n=40)
    assert measured.measure(point, df, point_is_mean=True) == {}
    assert measured.measure(point, df)["sdss-point-dz-QSO_nan"] < 1e-3
    assert measured.measure(point, df.drop(columns="z_point_pred")) == {}


def test_predictions_of_the_authors_are_read_with_vectors_of_one_and_gaps(tmp_path):
    table = Table({"label": np.array([[0.1], [0.2]]), "pred_bar": np.array([[0.1], [0.3]]),
                   "pred_std": [0.01, 0.02], "flux": np.ones((2, 5)), "CLASS": ["GALAXY", "QSO"],
                   "SUBCLASS": ["AGN", ""], "PLATE": [1, 2], "MJD": [5, 6],
                   "FIBERID": [7, 8]})  # fmt: skip
    table["SNR"] = np.ma.array([3, 4], mask=[True, False])
    table.write(tmp_path / "t.fits")
    df = tables.read_predictions(tmp_path / "t.fits")
    assert df["class_true"].tolist() == ["GALAXY_AGN", "QSO_nan"]
    assert df["id"].tolist() == ["1-5-7", "2-6-8"] and df.attrs["layout"] == "authors"
    assert df["z_pred"].tolist() == [0.1, 0.3] and df["z_true"].tolist() == [0.1, 0.2]
    assert np.isnan(df["snr"][0]) and df["snr"][1] == 4 and "flux" not in df


def test_bad_arguments(tmp_path, capsys):
    assert evaluate.main([]) == 2  # a released network is there, and nothing to try it on
    assert "--on is needed" in capsys.readouterr().err
    for name, status in (("t.doc", 2), ("other.csv", 1)):
        (tmp_path / name).write_bytes(b"a,b\n1,2\n")
        assert evaluate.main(["--predictions", str(tmp_path / name), "-o", str(tmp_path)]) == status
        text = capsys.readouterr().err
        assert str(tmp_path / name) in text and (".vot" if status == 2 else "allowed") in text


def test_unknown_classes_are_refused():
    with pytest.raises(UsageError, match="PLANET"):
        tables.classes_of(pd.DataFrame({"class_true": ["PLANET"]}))


def test_spectra_figures_from_flux():
    config = make_config("sdss-mock", "smoke", n_pixels=400)
    rng = np.random.default_rng(1)
    names = np.repeat(["GALAXY_nan", "QSO_nan", "STAR_A0"], 5)
    labels = pd.DataFrame({"id": [str(i) for i in range(15)], "class": names,
                           "z": rng.uniform(0.05, 0.3, 15), "snr": 9.0})  # fmt: skip
    x = 1 + 0.1 * rng.normal(size=(15, 400))
    shown = samples.beside(config, (labels, x), (labels, x))
    assert list(shown) == ["STAR_A0", "GALAXY_nan", "QSO_nan"]
    assert shown["GALAXY_nan"]["wavelength"].max() < config.grid[-1]  # rest frame
    assert len(figures_classes.mock_beside_real(shown).axes) >= 3
    df = made_up(("GALAXY_nan", "QSO_nan", "STAR_A0"), n=5)
    df["id"] = labels["id"]
    ev = Evaluation(df=df, classes=CLASSES["sdss"], survey="sdss", dataset="test", config=config,
                    real=True, real_spectra=(labels, x))  # fmt: skip
    wrong = (tables.coarse(df["class_true"]) != tables.coarse(df["class_pred"])).sum()
    assert wrong > 0
    assert len(drawn_by(ev)["failures"]().axes) == wrong
    table = explained(config.n_pixels)
    figure = figures_classes.gradients(table, wavelength=config.grid)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["GALAXY_AGN   z = 0.100", "QSO_nan"]


def test_two_classes_at_one_redshift_are_drawn_from_spectra_near_it():
    config = make_config("fourmost-mock", "smoke", n_pixels=400)
    labels = pd.DataFrame({"id": [str(i) for i in range(8)], "snr": [1.0, 9, 5, 5, 5, 5, 5, 5],
                           "class": ["ClusB", "ClusB", "ClusB", "RedGAL"] * 2,
                           "z": [0.31, 0.33, 0.5, 0.27, 0.88, 0.91, 0.7, 0.75]})  # fmt: skip
    x = np.arange(8.0)[:, None] + np.ones((8, 400))
    pairs = samples.same_redshift(labels, x, ("ClusB", "RedGAL"), (0.3, 0.9))
    assert list(pairs) == [0.3], "no RedGAL lies within 0.1 of 0.9"
    assert {k: z for k, (_, z) in pairs[0.3].items()} == {"ClusB": 0.33, "RedGAL": 0.27}
    assert pairs[0.3]["ClusB"][0][0] == 2.0  # the brighter of the two near 0.3
    figure = figures_classes.alike(pairs, wavelength=config.grid)
    assert len(figure.axes) == 1 and len(figure.axes[0].get_legend().get_texts()) == 2
    lines = [line.get_ydata() for line in figure.axes[0].get_lines() if len(line.get_ydata()) > 99]
    assert all(np.allclose(y, 1) for y in lines), "each is 1 at 6000 Å"
    ev = Evaluation(df=made_up(CLASSES["fourmost"]), classes=CLASSES["fourmost"],
                    survey="fourmost", dataset="test", config=config)  # fmt: skip
    rows = drawn_by(ev)
    with pytest.raises(SuiteError, match="no spectra"):
        rows["F20_alike"]()
    ev.own = (labels, x)
    assert len(rows["F20_alike"]().axes) == 1


def test_report_escapes_what_it_is_given(tmp_path):
    table = pd.DataFrame({"name": ["<script>"], "value": [0.12345678], "verdict": ["missed"]})
    section = Section("A & B", "first\n\nsecond", {"cap": table})
    path = write_report(tmp_path / "r.html", title="<t>", facts={"n": 1, "no": None},
                        sections=[section])  # fmt: skip
    text = path.read_text()
    assert "<script>" not in text and "&lt;script&gt;" in text
    assert "0.1235" in text and 'class="missed"' in text and "<td>no</td>" not in text


def test_coarse_classes_are_not_drawn_twice():
    df = made_up(CLASSES["desi"], n=4)
    ev = Evaluation(df=df, classes=CLASSES["desi"], survey="desi", dataset="test")
    rows = drawn_by(ev)
    with pytest.raises(SuiteError, match="coarse already"):
        rows["B1_coarse"]()
    assert len(rows["F12_confusion"]().axes) == 1


def test_fig_c1_is_the_average_over_classes_not_over_objects():
    """Nine in ten objects are of a class that is always right: its share says nothing."""
    df = pd.DataFrame({"class_true": ["STAR"] * 180 + ["QSO"] * 20, "snr": 45.0})
    df["class_pred"] = ["STAR"] * 190 + ["QSO"] * 10
    df = pd.concat([df, pd.DataFrame({"class_true": ["GALAXY"] * 4, "class_pred": "QSO",
                                      "snr": 45.0})])  # fmt: skip
    axis = figures_classes.accuracy_against_snr(df, CLASSES["desi"]).axes[0]
    assert axis.lines[0].get_ydata()[-1] == pytest.approx(75.0)
    assert [t.get_text() for t in axis.texts] == ["200\n(2)"], "4 galaxies are too few"
    with pytest.raises(SuiteError, match="no class has 5"):
        figures_classes.accuracy_against_snr(df.tail(4), CLASSES["desi"])
    of_bin = claims.Claim("a", "C1", "accuracy", "", 0.96, 0.01, "desi",
                         measure={"metric": "accuracy", "snr": [40, 50]})  # fmt: skip
    assert measured.measure([of_bin], df) == {"a": pytest.approx(0.75)}


def test_spectra_with_a_redshift_and_no_class_are_counted_apart():
    df = made_up(("GALAXY_nan", "QSO_nan"), n=10)
    df["coarse_true"] = [c.split("_")[0] for c in df["class_true"]]
    df.loc[df["class_true"] == "QSO_nan", ["class_true", "coarse_true"]] = ""
    df["z_routed_pred"], df["z_routed_err"] = df["z_pred"], df["z_err"]
    table = tables.coarse_table(df).set_index("class")
    assert table.loc["no class", ["n", "n_z"]].tolist() == [10, 10]
    assert np.isnan(table.loc["no class", "accuracy"])
    assert table.loc["all", "n"] == 10


@pytest.mark.parametrize("kind", ["fits", "parquet", "csv", "ecsv"])
def test_predictions_of_others_are_read_in_four_formats(tmp_path, kind):
    table = pd.DataFrame({"label": [0.1, 0.2], "pred_bar": [0.1, 0.3], "pred_std": [0.01, 0.02],
                          "SNR": [3.0, 8.0], "CLASS": ["GALAXY", "QSO"], "SUBCLASS": ["AGN", ""],
                          "PLATE": [1, 2], "MJD": [5, 6], "FIBERID": [7, 8]})  # fmt: skip
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        table.to_parquet(path)
    elif kind == "csv":
        table.to_csv(path, index=False)
    else:
        Table.from_pandas(table).write(path, format={"ecsv": "ascii.ecsv"}.get(kind, kind))
    df = tables.read_predictions(path)
    assert df["class_true"].tolist() == ["GALAXY_AGN", "QSO_nan"]
    assert df["id"].tolist() == ["1-5-7", "2-6-8"]
    np.testing.assert_allclose(df["z_pred"], [0.1, 0.3], rtol=1e-6)
    assert df.attrs["layout"] == "authors"


def test_labels_of_another_survey_measure_what_they_can():
    config = make_config("sdss-mock", "smoke", n_pixels=400)
    df = made_up(CLASSES["desi"], n=40).assign(class_pred="QSO_nan")
    mine = [c for c in EVERY if c.dataset == "sdss"]
    found = measured.measure(mine, df, classes=CLASSES["sdss"])
    assert found["sdss-accuracy-coarse-QSO"] == 1.0
    assert found["sdss-accuracy-coarse"] == pytest.approx(1 / 3)
    assert not {k for k in found if "GALAXY_nan" in k or k == "sdss-accuracy"}
    spectra = pd.DataFrame({"id": df["id"], "class": df["class_true"], "z": 0.1, "snr": 9.0})
    ev = Evaluation(df=df, classes=CLASSES["sdss"], survey="sdss", dataset="test", config=config,
                    real=True, real_spectra=(spectra, np.ones((120, 400))))  # fmt: skip
    by_name = drawn_by(ev)
    with pytest.raises(SuiteError, match="no true class"):
        by_name["F12_confusion"]()
    names = [a.texts[0].get_text() for a in by_name["real_redshifts"]().axes if a.texts]
    assert any(n.startswith("QSO") for n in names) and any(n.startswith("GALAXY") for n in names)
