import json
import re
import sys
import types
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common import claims
from common.errors import SuiteError
from common.headline import scores
from common.overview import overview
from rvs_hybrid import evaluate, galactic, giants, measured, null, tables, texts
from rvs_hybrid.config import PAPER
from rvs_hybrid.coverage import coverage_table
from rvs_hybrid.evaluation import HEADLINE, Evaluation
from rvs_hybrid.figures import alpha as figures_alpha
from rvs_hybrid.figures import labels as figures
from rvs_hybrid.figures.plots import titled
from tests.pictures import rendered
from tests.rvs_hybrid.toy import LABELS, SCATTER, predictions, true_m_k

SYNTHETIC = "gaia-apogee + semi-synthetic RVS"
CLAIMS = Evaluation.claims


@pytest.fixture(scope="module")
def toy():
    return predictions()


@pytest.fixture(scope="module")
def test_rows(toy):
    return toy[toy["split"] == "test"].reset_index(drop=True)


def write_run(folder, df, variants=(), config=(), **about):
    folder.mkdir(exist_ok=True)
    df.to_parquet(folder / "predictions.parquet")
    config = asdict(PAPER.configure(scale="demo", seed=5)) | dict(config)
    about |= {"config": config, "sizes": {"train": 10, "test": 20}, "timing": {"train": 12.5},
              "versions": {"keras": "3.0", "commit": "abc123"}}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(about))
    loss = np.linspace(2, 1.7, 4)
    history = pd.DataFrame({"network": "0", "epoch": range(4), "loss": loss, "val_loss": loss + 1})
    history.to_csv(folder / "history.csv", index=False)
    for name, part in dict(variants).items():
        (folder / "variants" / name).mkdir(parents=True)
        part.to_parquet(folder / "variants" / name / "predictions.parquet")
    return folder


def nothing_is_said_of_apogee(folder):
    judged = Table.read(folder / "claims.ecsv").to_pandas()
    return judged.loc[judged["dataset"] == "gaia-apogee", "ours"].isna().all()


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, toy):
    variants = {"phot+xp": predictions(scale=0.5), "xp": predictions(scale=1.5)}
    folder = tmp_path_factory.mktemp("rvs")
    write_run(folder, toy, variants, parameters={"guiglion2020": 58549})
    with rendered():
        assert evaluate.main(["--run-dir", str(folder)]) == 0
    return folder


def test_a_run_gets_its_tables_figures_claims_and_report(run_dir, test_rows, tmp_path):
    for name in ("one_to_one", "F1_alpha", "F1_alpha_all_giants", "alpha_histograms", "kiel",
                 "coverage", "pit", "residuals_snr", "residuals_g", "training"):  # fmt: skip
        for kind in ("png", "pdf"):
            assert (run_dir / "figures" / f"{name}.{kind}").stat().st_size > 3000, name
    labels = Table.read(run_dir / "tables" / "labels.ecsv").to_pandas()
    row = labels[(labels["label"] == "logg") & (labels["stars"] == "all")].iloc[0]
    assert row["n"] == len(test_rows)  # the test split alone
    assert row["sd"] == pytest.approx((test_rows["logg_pred"] - test_rows["logg_true"]).std())
    places = Table.read(run_dir / "tables" / "positions.ecsv").to_pandas()
    assert list(places["source_id"]) == list(test_rows["source_id"])
    assert set(places["distance_source"]) == {"parallax", "photometric"}
    text = (run_dir / "report.html").read_text()
    for words in ("u &lt; 0.20 test", "xp, phot, parallax", "train 12.5", "test 20", "abc123",
                  "Not drawn", "What limits each label"):  # fmt: skip
        assert words in text, words
    assert "semi-synthetic" not in text.lower()
    assert 'src="http' not in text and 'href="http' not in text
    assert not list(run_dir.rglob(".*"))
    text = overview([run_dir], tmp_path / "all.html").read_text()
    assert "Hybrid network on gaia-apogee" in text and "58549" in text


def test_claims_are_judged_on_the_data_they_were_measured_on(run_dir):
    judged = Table.read(run_dir / "claims.ecsv").to_pandas()
    assert tuple(judged.columns) == claims.COLUMNS
    row = judged.set_index(["id", "dataset"])
    (here,) = {name for name in judged["dataset"] if "gaia-apogee (demo scale" in name}
    # The variant of XP and photometry alone decides the baseline's claims, not the run itself.
    part = predictions(scale=0.5).query("split == 'test'")
    sd = (part["logg_pred"] - part["logg_true"]).std()
    assert row.loc[("baseline-sd-logg", here), "ours"] == pytest.approx(sd)
    assert row.loc[("precursor-ratio-logg", here), "ours"] == pytest.approx(0.2, rel=0.15)
    for key in (("baseline-sd-logg", here), ("precursor-parameters", "architecture")):
        assert row.loc[key, "verdict"] == "reproduced"
    assert here == f"gaia-apogee (demo scale, {len(part)} test spectra)"
    # Real RVS and RAVE, and runs of other settings: nothing of this run stands for them.
    elsewhere = judged[judged["dataset"].isin(["gaia-rvs", "rave", "gaia-apogee"])]
    assert set(elsewhere["verdict"]) == {"untested"}
    assert {"fig1-giants", "catalogue-stars", "precursor-sd-teff"} <= set(elsewhere["id"])


def test_semi_synthetic_spectra_are_named_everywhere(tmp_path, toy):
    snr = np.random.default_rng(0).uniform(15, 40, len(toy))
    df = toy.assign(dataset=SYNTHETIC, has_rvs=True, snr_rvs=snr)
    folder = write_run(
        tmp_path / "run", df, config={"inputs": ["rvs", "xp"], "rvs": "semi-synthetic"}
    )
    evaluate.evaluate_run(folder)
    text = (folder / "report.html").read_text()
    assert "SEMI-SYNTHETIC RVS" in text
    captions = re.findall(r'<p class="caption">(.+?)</p>|<figcaption>(.+?)</figcaption>', text)
    ours = [a or b for a, b in captions]
    ours = [c for c in ours if not c.startswith(("The proceedings", "Reference", "Not measured"))]
    assert len(ours) > 15
    assert [c for c in ours if "semi-synthetic RVS" not in c] == []
    for path in (folder / "tables").glob("*.ecsv"):
        assert Table.read(path).meta["dataset"].startswith(SYNTHETIC)
    assert (folder / "figures" / "F1_alpha_low_snr.png").is_file()
    assert nothing_is_said_of_apogee(folder)
    assert "semi-synthetic RVS" in titled(Evaluation(df=df, dataset=SYNTHETIC), "x")


@pytest.fixture
def many(monkeypatch):
    """So many stars that a hundred of the paper's giants are in a bin, at fixed metallicity."""
    quick = partial(giants.bimodality_table, n_resamples=6)
    monkeypatch.setattr(giants, "bimodality_table", quick)
    return predictions(4000)


def test_only_a_run_with_the_papers_data_and_settings_decides_its_claims(tmp_path, many):
    snr = np.where(np.arange(len(many)) % 5 == 0, 40.0, 20.0)
    df = many.assign(dataset="gaia-rvs", has_rvs=True, snr_rvs=snr)
    settings = asdict(PAPER.configure("gaia-rvs", "paper", rvs=str(tmp_path)))
    for name, changes, verdict in (("own", {}, "reproduced"), ("few", {"members": 2}, "untested")):
        folder = write_run(tmp_path / name, df, config=settings | changes)
        evaluate.evaluate_run(folder)
        judged = Table.read(folder / "claims.ecsv").to_pandas().set_index(["id", "dataset"])
        assert judged.loc[("fig1-bimodality", "gaia-rvs"), "verdict"] == verdict
    other = "gaia-rvs (paper scale, members 2 instead of 30"
    assert any(d.startswith(other) for _, d in judged.index)
    high = df.assign(snr_rvs=60.0)  # no star of the paper's selection
    ev = Evaluation(df=high, dataset="gaia-rvs", known=evaluate.known_labels(high))
    assert measured._bimodal(ev, "bins") == (None, "gaia-rvs")


def test_numbers_of_others_do_not_count_with_the_papers(run_dir):
    judged = Table.read(run_dir / "claims.ecsv").to_pandas()
    assert judged["ours"].notna().sum() > 2
    text = texts.published(judged).text
    paper = judged.loc[judged["ours"].notna(), "id"].str.contains("bimodality").sum()
    assert text.startswith(f"{paper} statements of the proceedings were measured: ")
    assert "numbers of others stand apart" in text


def test_variants_say_how_many_members_they_have(run_dir):
    table = Table.read(run_dir / "tables" / "variants.ecsv").to_pandas()
    members = table.groupby("network")["members"].first()
    assert members["xp"] == 1 and members["xp+phot+parallax (this run)"] == 3
    assert "null" in set(table["network"])


def test_a_table_of_one_label_made_elsewhere(tmp_path, toy):
    few = toy[["teff_true", "teff_pred"]].iloc[:200]
    few.assign(sigma_of="x").to_csv(tmp_path / "mine.csv")
    out = tmp_path / "out"
    text = evaluate.evaluate_predictions(tmp_path / "mine.csv", out).read_text()
    labels = Table.read(out / "tables" / "labels.ecsv").to_pandas()
    middle = (few["teff_pred"] - few["teff_true"]).median()
    assert labels["bias_median"][0] == pytest.approx(middle)
    for words in ("mine.csv", "the table has no ra and dec", "The predictions have no errors"):
        assert words in text
    assert nothing_is_said_of_apogee(out)


def test_handful_of_stars_gives_what_it_can(tmp_path, test_rows):
    test_rows.head(6).to_parquet(tmp_path / "few.parquet")
    report = evaluate.evaluate_predictions(tmp_path / "few.parquet", tmp_path / "out")
    assert "there are too few stars to count" in report.read_text()


@pytest.mark.parametrize("wrong, says", [
    ({"teff_pred": "hot"}, "column teff_pred"), ({"ra": "10:00:00"}, "column ra"),
    ({"split": "train"}, "no row of split 'test'"),
])  # fmt: skip
def test_table_that_cannot_be_evaluated_is_told_of(wrong, says, tmp_path, toy):
    toy[["teff_true", "teff_pred"]].assign(**wrong).to_csv(tmp_path / "t.csv")
    with pytest.raises(SuiteError, match=says):
        evaluate.evaluate_predictions(tmp_path / "t.csv", tmp_path / "out")


def test_scatter_by_hand():
    s = tables.scatter([1.0, 2.0, 3.0, 10.0, np.nan])
    assert (s["n"], s["bias_mean"], s["bias_median"]) == (4, 4.0, 2.5)
    assert s["sd"] == pytest.approx(np.std([1, 2, 3, 10], ddof=1))
    assert s["mad_sigma"] == pytest.approx(1.4826 * 1.0)  # |r - 2.5| = 1.5, 0.5, 0.5, 7.5


def test_label_table_finds_the_planted_scatter_and_groups(test_rows):
    table = tables.label_table(test_rows).set_index(["label", "stars"])
    for label, base in SCATTER.items():
        assert table.loc[(label, "all"), "sd"] == pytest.approx(base * np.sqrt(13 / 3), rel=0.1)
        assert table.loc[(label, "all"), "label_error"] == pytest.approx(0.2 * base)
    n = {k: table.loc[("logg", k), "n"] for k in ("all", "giants", "dwarfs")}
    assert n["all"] == n["giants"] + n["dwarfs"] == len(test_rows)
    assert n["giants"] == (test_rows["logg_true"] < 3.5).sum()
    near = table.loc[("logg", "parallax S/N > 10"), "n"]
    sn = (test_rows["parallax"] - test_rows["parallax_zp"]) / test_rows["parallax_error"]
    assert near == (sn > 10).sum()
    assert table.loc[("logg", "without parallax"), "n"] == test_rows["parallax"].isna().sum()


def test_bins_hold_every_star_once(test_rows):
    for column in ("snr", "g"):
        table = tables.binned_table(test_rows, column)
        few = table[table["label"] == "teff"]["n"].sum()
        assert len(test_rows) - tables.FEWEST * 6 <= few <= len(test_rows)
    assert not len(tables.binned_table(test_rows, "snr_rvs"))  # no star has RVS


def test_variants_are_compared_on_the_same_stars(test_rows):
    worse = predictions(scale=2.0).query("split == 'test'").sample(frac=0.6, random_state=1)
    worse.iloc[:20, worse.columns.get_loc("logg_pred")] = np.nan
    table = tables.variant_table({"xp": test_rows, "rvs": worse.assign(dataset=SYNTHETIC)})
    row = table[(table["label"] == "logg") & (table["stars"] == "all")].set_index("network")
    assert set(row["n"]) == {len(worse) - 20}
    assert list(row.index) == ["xp", "rvs (semi-synthetic RVS)"]
    assert row["sd"].iloc[1] > 1.7 * row["sd"].iloc[0]
    assert not len(tables.variant_table({"xp": test_rows}))


def test_protocols_stand_side_by_side(test_rows):
    table = tables.protocol_table(test_rows)
    row = table[(table["label"] == "fe_h") & (table["stars"] == "all")]
    assert list(row["ensemble"]) == ["never sees the test set", "precursors' rule"]
    assert row["std_over_sd"].to_numpy() == pytest.approx([0.24, 0.19], abs=0.04)
    assert not len(tables.protocol_table(test_rows[[c for c in test_rows if "precursor" not in c]]))


def test_calibrated_errors_cover_and_bare_ones_do_not(toy, test_rows):
    fitted = evaluate.calibrations({}, toy)
    table = coverage_table(test_rows, fitted).set_index(["label", "stars", "error"])
    for label in LABELS:
        final = table.loc[(label, "all", "calibrated")]
        assert final["cover_68"] == pytest.approx(0.68, abs=0.06)
        assert final["cover_95"] == pytest.approx(0.95, abs=0.03)
        assert final["mean_over_sd"] == pytest.approx(0.96, abs=0.1)
        bare = table.loc[(label, "all", "bare ensemble std")]
        assert bare["cover_68"] == pytest.approx(0.2, abs=0.05)  # a quarter of the true sigma
        raw = table.loc[(label, "all", "aleatoric + ensemble, not calibrated")]
        assert raw["cover_68"] == pytest.approx(0.38, abs=0.05)  # a half
    kept = {"calibration": {k: v.to_dict() for k, v in fitted.items()}}
    again = coverage_table(test_rows, evaluate.calibrations(kept))
    pd.testing.assert_frame_equal(table.reset_index(), again)


def test_distances_come_back_from_parallaxes_and_from_magnitudes(toy):
    places, relation = galactic.positions(toy)
    ratio = places["distance"] / toy["planted_distance"].to_numpy()
    by = places["distance_source"]
    sn = tables.parallax_sn(toy)
    assert ((by == "parallax") == (sn > 5)).all()
    assert set(by) == {"parallax", "photometric"}
    assert ratio[(by == "parallax") & (sn > 20)].to_numpy() == pytest.approx(1, abs=0.3)
    # log g is predicted to 0.12-0.36 dex: 2.5 times that in mag, half of it in ln(distance)
    assert np.median(ratio[by == "photometric"]) == pytest.approx(1, abs=0.06)
    assert np.std(np.log(ratio[by == "photometric"])) < 0.45
    assert relation.n == (sn > 10).sum()
    masks = np.array(list(galactic.bins(R=places["R"], Z=places["Z"]).values()))
    inside = (places["R"] < galactic.R_EDGES[-1]) & (places["Z"].abs() < galactic.Z_EDGES[-1])
    assert masks.sum(axis=0).max() == 1 and masks.sum() == inside.sum()  # bins do not overlap


def test_absolute_magnitude_is_exact_where_labels_are():
    rng = np.random.default_rng(0)
    teff, logg, m = rng.uniform(4000, 6500, 400), rng.uniform(0, 5, 400), rng.uniform(-1, 0.3, 400)
    m_k = true_m_k(teff, logg, m)
    m_k[:20] += 4  # binaries and failures are clipped
    found = galactic.fit_absolute_magnitude(teff=teff, logg=logg, metal=m, m_k=m_k)
    assert found(teff=teff[20:], logg=logg[20:], metal=m[20:]) == pytest.approx(m_k[20:], abs=0.02)
    beyond = found(teff=[4000.0], logg=[-0.5], metal=[0.0])  # log g beyond the fit: still 2.5 log g
    assert beyond == pytest.approx(true_m_k(4000.0, -0.5, 0.0), abs=0.1)
    with pytest.raises(SuiteError, match="30 stars"):
        galactic.fit_absolute_magnitude(teff=teff[:30], logg=logg[:30], metal=m[:30], m_k=m_k[:30])


def test_positions_in_the_galaxy_by_hand():
    # Towards the centre (Sgr A*) and away from it; the north galactic pole.
    R, Z = galactic.galactocentric(ra=[266.405, 86.405, 192.859, 10.0],
                                   dec=[-28.936, 28.936, 27.128, 0.0],
                                   distance=[8.122, 2.0, 1.0, np.nan])  # fmt: skip
    assert R[:3] == pytest.approx([0.0, 10.122, 8.122], abs=0.02)
    assert Z[:3] == pytest.approx([0.0, 0.02, 1.02], abs=0.03)
    assert np.isnan(R[3]) and np.isnan(Z[3])


def test_stars_that_cannot_be_placed(toy):
    with pytest.raises(SuiteError, match="no star has a distance"):
        galactic.positions(toy.assign(parallax=np.nan, k=np.nan))
    with pytest.raises(SuiteError, match="no ra and dec"):
        galactic.positions(toy.drop(columns="ra"))
    odd = toy.copy()
    odd.loc[0, ["parallax", "a_k"]] = [np.nan, -85.8]  # an extinction that is none
    odd.loc[1, ["parallax", "parallax_error"]] = [-3.0, 0.03]  # negative: no distance by itself
    places, _ = galactic.positions(odd)
    assert places["distance_source"].iloc[0] == "none" and np.isnan(places["R"].iloc[0])
    assert places["distance_source"].iloc[1] == "photometric" and places["distance"].iloc[1] > 0


def test_figure_1_shows_the_same_stars_twice(test_rows):
    places, _ = galactic.positions(test_rows)
    figure = figures_alpha.alpha_metallicity(test_rows, places, "fe_h", "Toy")
    texts = [[t.get_text() for t in a.texts] for a in figure.axes]
    shown = [int(t[0].split("= ")[1]) for t in texts]
    columns = len({a.get_subplotspec().colspan.start for a in figure.axes})
    for top in range(0, len(shown), 2 * columns):
        assert shown[top : top + columns] == shown[top + columns : top + 2 * columns]
    assert max(shown) > 40
    with pytest.raises(SuiteError, match="no bin"):
        figures_alpha.alpha_metallicity(test_rows, places.assign(R=np.nan), "fe_h", "Toy")


def test_bimodality_is_measured_for_labels_and_predictions_in_bins(test_rows):
    ev = Evaluation(df=test_rows, dataset="toy")
    table = ev.bimodality
    whole = table[table["bin"].str.startswith("all giants, log g < 3.5")]
    every = whole[whole["metallicity"] == "all"].set_index("values")
    assert (
        set(every.index) == {"APOGEE labels", "predictions"} and every["beyond_null"].isna().all()
    )
    assert every["bimodal"].astype(bool).all()
    assert every.loc["APOGEE labels", "valley"] < every.loc["predictions", "valley"] < 1
    assert every.loc["APOGEE labels", "weight_high"] == pytest.approx(1 / 3, abs=0.07)
    assert table["bin"].str.match(r"R \d.*log g < 2.2$").any()
    blind = test_rows.assign(alpha_m_pred=0.1)
    assert measured._bimodal(Evaluation(df=blind, dataset="toy"), "bins")[0] in (None, 0.0)
    assert not len(Evaluation(df=test_rows.drop(columns="logg_pred"), dataset="toy").bimodality)


def test_a_predictor_of_metallicity_and_log_g_alone_is_not_bimodal(many):
    known, few = evaluate.known_labels(many), many["split"] == "test"
    df = many[few].reset_index(drop=True)
    df["fe_h_true"] += np.where(df["alpha_m_true"] > 0.15, -0.04, 0.04)  # a bit more apart
    known["fe_h"] += np.where(known["alpha_m"] > 0.15, -0.04, 0.04)
    df["fe_h_pred"] = df["fe_h_true"]
    alike = null.null_alpha(known, df, metal="fe_h")
    blind = df.assign(alpha_m_pred=alike + 0.01 * np.random.default_rng(0).normal(size=len(df)))
    (shown, hidden) = (Evaluation(df=d, dataset="toy", known=known) for d in (df, blind))
    table = hidden.bimodality.query("values == 'predictions'")
    assert table.loc[table["bin"].str.match(r"R \d"), "bimodal"].any()  # two peaks from nothing
    assert measured._bimodal(shown, "bins")[0] == 1.0
    assert measured._bimodal(hidden, "bins")[0] == 0.0
    assert measured._bimodal(Evaluation(df=df, dataset="toy"), "bins")[0] is None  # no null
    for ev, found in ((shown, 1.0), (hidden, 0.0)):
        table = null.alpha_table(ev.df, ev.null, metal="fe_h").set_index(["stars", "metallicity"])
        row = table.loc[("giants", "-0.4 to -0.2")]
        assert row["found"] == pytest.approx(found, abs=0.15) and row["null_mad_sigma"] > 0.03
    labels = tables.label_table(df, null=shown.null).set_index(["label", "stars"])
    spread = tables.scatter(df["teff_true"])["mad_sigma"]
    assert labels.loc[("teff", "all"), "null_mad_sigma"] == pytest.approx(spread)
    own = labels.loc[("alpha_m", "all")]
    assert (
        own["mad_sigma"] < own["null_mad_sigma"] < tables.scatter(df["alpha_m_true"])["mad_sigma"]
    )


def test_headline_has_alpha_at_fixed_metallicity_and_the_null(many):
    """A predictor of metallicity and log g alone finds nothing beyond the null."""
    known = evaluate.known_labels(many)
    test = many[many["split"] == "test"].reset_index(drop=True)
    found = {}
    for name, df in (
        ("predictions", test),
        ("null", null.null_predictions(known, test, metal="fe_h")),
    ):
        ev = Evaluation(df=df, dataset="gaia-apogee", known=known)
        rows = scores(HEADLINE, ev.tables(None), ev.claims)
        found[name] = {row["quantity"].split(":")[0]: row["ours"] for row in rows}
    fixed = "[alpha/M] at fixed metallicity"
    assert found["predictions"][fixed] > 0.8 and abs(found["null"].get(fixed, 0.0)) < 1e-6
    sigma, of_null = "MAD-sigma of [alpha/M], dex", "MAD-sigma of [alpha/M], dex, of the null"
    of_null = next(k for k in found["null"] if k.startswith(of_null))
    assert found["null"][sigma] == pytest.approx(found["predictions"][of_null])


def test_null_is_the_mean_of_stars_alike():
    rng = np.random.default_rng(2)
    fe_h, logg = rng.uniform(-1, 0.4, 5000), rng.uniform(1, 4.5, 5000)
    known = pd.DataFrame({"fe_h": fe_h, "logg": logg, "alpha_m": 0.1 - 0.2 * fe_h + 0.02 * logg})
    at = pd.DataFrame({"fe_h_true": [-0.5, 0.0, np.nan], "logg_true": [2.0, 4.0, 2.0]})
    found = null.null_alpha(known, at, metal="fe_h")
    assert found[:2] == pytest.approx([0.24, 0.18], abs=0.01) and np.isnan(found[2])
    assert np.isnan(null.null_alpha(known.head(20), at, metal="fe_h")).all()


def test_error_whose_calibration_failed_is_not_called_calibrated(test_rows):
    failed = test_rows.assign(teff_sigma=test_rows["teff_raw"])
    kinds = coverage_table(failed, {}).groupby("label")["error"].unique()
    assert "calibrated" in kinds["logg"] and "calibrated" not in kinds["teff"]


def test_metallicity_is_m_h_where_there_is_one(test_rows):
    assert Evaluation(df=test_rows, dataset="toy").metal == "fe_h"
    with_m_h = test_rows.assign(m_h_true=test_rows["fe_h_true"], m_h_pred=test_rows["fe_h_pred"])
    assert Evaluation(df=with_m_h, dataset="toy").metal == "m_h"


def test_figures_stand_holes_in_the_data(test_rows):
    df = test_rows.copy()
    df.loc[:100, ["teff_true", "logg_pred", "snr", "parallax"]] = np.nan
    df["alpha_m_true"] = np.nan
    assert len(figures.one_to_one(df, "t").axes) >= 3
    assert len(figures.residuals_against(df, "snr", "S/N", "t").axes) >= 3
    figures.kiel(df, "fe_h", "t")
    figures.pit_histograms(df, {}, "t")
    with pytest.raises(SuiteError, match="no star to show"):  # no giants
        figures_alpha.alpha_histograms({"predictions": (np.zeros(0), np.zeros(0))}, "fe_h", "t")
    df.loc[::2, "teff_true"], df.loc[1::2, "fe_h_true"] = np.nan, np.nan
    with pytest.raises(SuiteError, match="no star has Teff"):
        figures.kiel(df, "fe_h", "t")
    with pytest.raises(SuiteError, match="no errors"):
        figures.coverage_panels(df[["teff_true", "teff_pred"]], {}, "t")


def test_claims_file_separates_the_paper_from_what_is_not():
    every = claims.load(CLAIMS)
    for claim in every:
        reference = claim.id.startswith(("precursor-", "baseline-"))
        assert reference == ("not the paper" in claim.where), claim.id
        assert (claim.dataset == "gaia-rvs") == (not reference), claim.id
    printed = {c.id: c.published for c in every}
    assert printed["fig1-giants"] == 53200 and printed["catalogue-stars"] == 886080
    assert printed["precursor-parameters"] == 58549
    assert [printed[f"baseline-sd-{k}"] for k in LABELS] == [156, 0.31, 0.18, 0.063]
    assert [printed[f"baseline-mad-{k}"] for k in LABELS] == [76, 0.21, 0.125, 0.038]
    wrong = claims.Claim("x", "", "", "", 1, 0, "d", measure={"metric": "nothing"})
    with pytest.raises(SuiteError, match="'nothing'"):
        measured.measure([wrong], Evaluation(df=pd.DataFrame(), dataset="d"))


def test_labelled_files_are_predicted_first(tmp_path, toy, test_rows, monkeypatch):
    some = test_rows[[c for c in test_rows if not c.startswith(("fe_h", "alpha_m"))]]
    seen, rejects = [], pd.DataFrame({"file": ["bad.csv"], "reason": ["no label"]})

    def predict_labelled(run_dir, paths):
        seen.extend(paths)
        return some.assign(split="real", dataset="files"), rejects

    stand_in = types.SimpleNamespace(predict_labelled=predict_labelled)  # without TensorFlow
    monkeypatch.setitem(sys.modules, "rvs_hybrid.predict", stand_in)
    folder = write_run(tmp_path / "run", toy.iloc[:20])
    path = evaluate.evaluate_run(folder, on=tmp_path / "mine")
    assert path == folder / "on_mine" / "report.html" and seen == [tmp_path / "mine"]
    text = path.read_text()
    assert "bad.csv" in text and "never saw" not in text  # who knows what is in a user's files
    assert len(pd.read_parquet(folder / "on_mine" / "predictions.parquet")) == len(some)
    assert nothing_is_said_of_apogee(folder / "on_mine")


@settings(max_examples=50)
@given(
    values=st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=40),
    shift=st.floats(-100, 100),
    factor=st.floats(0.01, 100),
)
def test_scatter_moves_and_stretches_with_its_residuals(values, shift, factor):
    one, other = tables.scatter(values), tables.scatter(factor * np.array(values) + shift)
    for key in ("sd", "mad_sigma"):
        assert other[key] == pytest.approx(factor * one[key], rel=1e-6, abs=1e-6)
    for key in ("bias_mean", "bias_median"):
        assert other[key] == pytest.approx(factor * one[key] + shift, rel=1e-6, abs=1e-6)
