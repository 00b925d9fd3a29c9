"""The evaluation, fed with the authors' own predictions, gives their numbers to the last digit."""

import pandas as pd
import pytest
from astropy.table import Table

from common.catalog import read_table
from gasnet2 import evaluate, tables, tables_peer
from gasnet2.figures import redshifts as figures
from tests.pictures import rendered

PAPER = "GaSNet-II (Zhong et al. 2024), from the authors' released test predictions"
QUANTITIES = ("n", "mae", "mean_dz", "gf", "gf_snr_lt5", "gf_snr_5_10", "gf_snr_gt10",
              "frac_t_le_3")  # fmt: skip
PRINTED = {  # as printed: the number of digits sets the tolerance
    "GALAXY_AGN": ("3000", "0.0018", "0.0014", "0.854", "0.63", "0.76", "0.95", "0.999"),
    "GALAXY_STARBURST": ("3000", "0.0008", "0.0006", "0.942", "0.84", "0.98", "1.00", "0.998"),
    "GALAXY_STARFORMING": ("3000", "0.0012", "0.0010", "0.913", "0.47", "0.93", "0.97", "0.999"),
    "GALAXY_nan": ("3000", "0.0098", "0.0062", "0.625", "0.52", "0.77", "0.90", "0.989"),
    "QSO_BROADLINE": ("3000", "0.0194", "0.0073", "0.926", "0.90", "0.94", "0.95", "0.995"),
    "QSO_nan": ("3000", "0.1208", "0.0339", "0.760", "0.77", "0.71", "0.33", "0.960"),
}


def half_of_last_digit(text):
    return 0.5 * 10.0 ** -len(text.partition(".")[2]) if "." in text else 0.0


@pytest.fixture(scope="session")
def authors(shared_data):
    return shared_data / "reference" / "gasnet2" / "test_results.fits"


@pytest.fixture(scope="session")
def table(authors):
    return tables.metrics_table(tables.read_predictions(authors)).set_index("class")


@pytest.mark.parametrize("name", PRINTED)
def test_computed_numbers(table, name):
    for quantity, text in zip(QUANTITIES, PRINTED[name], strict=True):
        ours, tolerance = float(table.loc[name, quantity]), half_of_last_digit(text)
        assert abs(ours - float(text)) <= tolerance + 1e-9, (
            f"{PAPER}: {quantity} of {name} is {text}; ours {ours:.6f}, tolerance {tolerance:g}"
        )


def test_average_errors_of_the_abstract(table):
    for kind, text in (("GALAXY", "0.0023"), ("QSO", "0.021")):
        ours = table.loc[[name for name in PRINTED if name.startswith(kind)], "mean_dz"].mean()
        assert abs(ours - float(text)) <= half_of_last_digit(text), (
            f"{PAPER}: mean |dz| of {kind} is {text}; ours {ours:.6f}"
        )


@pytest.fixture(scope="session")
def output(authors, tmp_path_factory):
    out = tmp_path_factory.mktemp("authors")
    with rendered():
        assert evaluate.main(["--predictions", str(authors), "-o", str(out)]) == 0
    return out


def test_every_claim_that_the_table_can_speak_to_is_reproduced_and_none_for_the_survey(output):
    judged = Table.read(output / "claims.ecsv").to_pandas()
    theirs = judged[judged["dataset"] == "sdss (authors' predictions)"]
    wrong = theirs[theirs["verdict"] != "reproduced"]
    assert len(theirs) >= 60
    assert not len(wrong), "\n".join(
        f"{r.where}: {r.quantity}, {r.conditions}: published {r.published}, ours {r.ours}, "
        f"tolerance {r.tolerance}"
        for r in wrong.itertuples()
    )
    assert set(judged[judged["dataset"] == "sdss"]["verdict"]) == {"untested"}
    # The table holds ensemble means only: nothing may be said of point estimates.
    assert "sdss-point-dz-QSO_nan" not in set(theirs["id"])


def test_figures_are_drawn(output):
    for name in ("F13_point", "F14_bias_snr", "F15_mc", "F16_t", "F17_error_snr", "F18_robust",
                 "F11_training"):  # fmt: skip
        for kind in ("png", "pdf"):
            assert (output / "figures" / f"{name}.{kind}").stat().st_size > 20_000, name


def test_point_estimates_figure_says_that_it_shows_the_mean(authors):
    title = figures.point_estimates(tables.read_predictions(authors)).get_suptitle()
    assert "No point estimates" in title and "mean of the ensemble" in title


def test_velocity_dispersion_table_gives_the_same_redshifts_and_fig_e1(authors, table):
    path = authors.with_name("match_velocity_test_results.fits")
    df = tables.read_predictions(path)
    again = tables.metrics_table(df).set_index("class")
    for name in PRINTED:
        assert again.loc[name, "gf"] == pytest.approx(table.loc[name, "gf"], abs=0.005), name
    figure = figures.error_against_vdisp(df)
    names = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert len(names) == 4 and all(n.startswith("GALAXY_") for n in names)


def test_redrock_beside_any_catalogue_of_the_same_spectra_gives_its_own_numbers(shared_data):
    """Read by eye from its table once: the score card's last column."""
    path = shared_data / "reference" / "peers" / "redrock_sdss.csv"
    theirs = read_table(path)
    ids = [f"{p}-{m}-{f:04d}" for p, m, f in theirs[["plate", "mjd", "fiber"]].to_numpy()]
    true = theirs["cls"].to_numpy(str)
    df = pd.DataFrame({"id": ids, "class_true": true, "class_pred": true, "snr": theirs["snr"],
                       "z_true": theirs["z_t"], "z_pred": theirs["z_t"]})  # fmt: skip
    table = tables_peer.peer_table(df, tables_peer.read_peer(path)).set_index(["class", "snr"])
    whole = table.xs("all", level="snr")
    right = (whole["accuracy_peer"] * whole["n"]).sum() / whole["n"].sum()
    assert whole["n"].sum() == 148 and right == pytest.approx(0.966, abs=5e-4)
    assert whole.loc["GALAXY", "gf_peer"] == 1.0
    assert whole.loc["QSO", "gf_peer"] == pytest.approx(0.950, abs=5e-4)
    assert (whole[["gf"]].dropna() == 1).all(axis=None), "ours were the truth"
    bins = table.drop("all", level="snr").groupby("class")["n"].sum()
    assert bins.to_dict() == whole["n"].to_dict()


def test_the_authors_redshifts_are_a_peer_of_a_run_on_their_split(authors, table):
    df = tables.read_predictions(authors)
    own = df.assign(z_pred=df["z_true"]).drop(columns="z_err")
    peer = tables_peer.peer_table(own, tables_peer.read_peer(authors)).set_index(["class", "snr"])
    assert peer.loc[("QSO", "all"), "n"] == 6000 and peer.loc[("QSO", "all"), "gf"] == 1
    both = table.loc[["QSO_nan", "QSO_BROADLINE"], "gf"].mean()
    assert peer.loc[("QSO", "all"), "gf_peer"] == pytest.approx(both)
