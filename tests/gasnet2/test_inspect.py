"""Pages of classified spectra, and an inspector's verdicts as labels, with the released network."""

import numpy as np
import pandas as pd
import pytest

from gasnet2 import evaluate, inspect, predict
from gasnet2.data import by_eye
from gasnet2.inspecting import answer
from tests.browser import browser, opened
from tests.gasnet2.toy import write_table
from tests.pages import told


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Twenty-six made-up spectra and what the released network says of them."""
    root = tmp_path_factory.mktemp("inspect")
    write_table(root / "spectra.fits", per_class=2)
    out = root / "cat.fits"
    assert predict.main(["-o", str(out), "--precision", "float32", str(root / "spectra.fits")]) == 0
    return out


def run(catalogue, *more):
    argv = ["--catalogue", catalogue, "-o", catalogue.parent / "page.html", *more]
    return inspect.main([str(a) for a in argv])


def test_page_shows_why_and_verdicts_become_labels(catalogue, tmp_path, capsys):
    files = catalogue.parent / "spectra.fits"
    assert run(catalogue, files, "--select", 'coarse == "QSO"', "--n", "3") == 0
    page = told(catalogue.parent / "page.html")
    assert 1 <= len(page["objects"]) <= 3
    assert {"GALAXY", "QSO", "QSO_BROADLINE"} <= set(page["kinds"])
    assert page["kinds"]["QSO"]["Mg II"] == 2799.12 and page["templates"]["QSO"]["data"]
    for one in page["objects"]:
        assert one["kind"].startswith("QSO") and "at z = " in one["headline"]
        assert one["solutions"][0]["z"] == pytest.approx(one["z"])
        assert one["arrays"]["pdf"] > 0 and one["arrays"]["strips"][0]["name"] == "evidence"
        assert any(name == "p_z" and "calibrated" in what for name, _, what in one["numbers"])
    # Verdicts: one agrees, one is too unsure to count, one is left out.
    objects = page["objects"]
    lines = [f"{objects[0]['id']},{objects[0]['kind']},{objects[0]['z']},4"]
    lines += [f"{one['id']},STAR,,1" for one in objects[1:]]
    (tmp_path / "v.csv").write_text("id,class,z,quality\n" + "\n".join(lines) + "\n")
    out = tmp_path / "out"
    argv = ["--on", files.parent, "--inspected", tmp_path / "v.csv", "-o", out]
    assert evaluate.main([str(a) for a in argv]) == 0
    table = pd.read_parquet(out / "predictions.parquet")
    assert list(table["id"]) == [objects[0]["id"]]
    assert table["z_true"].iloc[0] == pytest.approx(objects[0]["z"])
    assert "labels by eye" in (out / "report.html").read_text(encoding="utf-8")


def test_headline_tells_the_probability_of_each_part_of_the_answer():
    row = {"class": "STAR_OB", "class_probability": 0.43, "z": 1e-4, "z_err": 2e-4, "p_z": 0.98}
    assert answer(row)["headline"] == (
        "STAR_OB at z = 0.00010 ± 0.00020; STAR and redshift right with 98 % probability, the "
        "subclass with 43 %"
    )
    none = {"class": "NONE", "class_probability": 0.9, "z": np.nan, "p_z": 0.9}
    assert answer(none)["headline"] == "NONE; NONE right with 90 % probability"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--select", "zz < 1"], "no column 'zz'"),
        (["--select", "import os"], "Allowed"),
        (["--n", "501"], "--n must be from 1 to 500"),
        (["--ids", "nobody"], "no nobody"),
    ],
)
def test_bad_choices_are_told(catalogue, more, why, capsys):
    assert run(catalogue, *more) == 2
    assert why in capsys.readouterr().err


def test_verdicts_need_the_files_that_were_inspected(tmp_path, capsys):
    assert evaluate.main(["--inspected", "v.csv"]) == 2
    assert "--on" in capsys.readouterr().err


def test_labels_by_eye_replace_the_survey_s():
    labels = pd.DataFrame({"id": ["a", "b", "c"], "class": "STAR_G2", "coarse": "STAR", "z": 0.0})
    verdicts = pd.DataFrame({"class": ["QSO", ""], "z": [2.0, 1.0]}, index=["c", "a"])
    found = by_eye(labels, verdicts)
    assert list(found["class"]) == ["", "", "QSO"] and list(found["coarse"]) == ["", "", "QSO"]
    assert np.array_equal(found["z"], [1.0, np.nan, 2.0], equal_nan=True)


@pytest.mark.slow
def test_real_spectra_of_three_surveys_open_in_a_browser(shared_data, tmp_path):
    real = shared_data / "real"
    paths = [*sorted((real / "sdss/spec").glob("*"))[:3], *sorted(real.glob("desi/coadd*")),
             *sorted((real / "lamost/spec").glob("*"))[:3]]  # fmt: skip
    out, page = tmp_path / "cat.ecsv", tmp_path / "page.html"
    assert predict.main(["-o", str(out), *map(str, paths)]) == 0
    assert inspect.main(["--catalogue", str(out), "-o", str(page), *map(str, paths)]) == 0
    objects = told(page)["objects"]
    assert len(objects) == 13
    with browser() as chromium, opened(chromium, page, scheme="dark") as (tab, errors):
        for one in objects:
            assert tab.text_content("#headline") == one["headline"]
            assert tab.evaluate("Array.from(model('flux').data.y).filter(isFinite).length") > 1000
            tab.keyboard.press("n")
        assert errors == []
