import importlib
import json
import re

import numpy as np
import pandas as pd
import pytest

from common import claims, overview
from common.errors import ReadError
from common.headline import Score, scores
from common.report import Section, write_report
from common.worst import farthest
from tests.pictures import EMPTY

PACKAGES = ("gasnet2", "lamost_metallicity", "mtopnet", "rvs_hybrid", "solarlike_distance")
CLAIM = """
[[claim]]
id = "one"
where = "Fig. 1"
quantity = "x"
conditions = "all"
published = 0.5
tolerance = 0.1
dataset = "far"
better = "lower"
measure = { metric = "m" }
"""


def a_run(folder, title, verdicts, warn=False, about=None):
    folder.mkdir()
    (folder / "figures").mkdir()
    (folder / "figures/one.png").write_bytes(EMPTY["png"])
    card = pd.DataFrame({"id": [f"{title}-{i}" for i in range(len(verdicts))],
                         "published": 0.5, "ours": 0.25, "verdict": verdicts})  # fmt: skip
    cover = Section("", "In short.", {"Score card": card}, {"A figure": folder / "figures/one.png"},
                    claims=card)  # fmt: skip
    write_report(folder / "report.html", title=title, banner=f"of {title}", warn=warn, cover=cover,
                 about=about)  # fmt: skip
    return folder


def said(package, dataset, kind, ours, n):
    scores = [{"quantity": "sigma, dex", "published": 0.0829, "ours": ours, "n": n}]
    return {"package": package, "paper": "Nobody 2026", "gives": f"{package} gives <all>",
            "dataset": dataset, "kind": kind, "n": n, "scores": scores}  # fmt: skip


def test_page_shows_every_run_and_links_its_report(tmp_path):
    runs = [
        a_run(tmp_path / "a", "First paper", ["reproduced", "missed"]),
        a_run(tmp_path / "b", "Second paper", ["missed", "missed"], warn=True),
    ]
    page = overview.overview(runs, tmp_path / "report.html").read_text()
    for text in ("First paper", "Second paper", "First paper-1", 'href="a/report.html"',
                 'href="b/report.html"', 'href="a/report.html">1 reproduced<', "2 missed<",
                 "of Second paper",
                 "A figure", "In short."):  # fmt: skip
        assert text in page, text
    assert page.index("First paper-0") < page.index("Second paper-0")
    about = json.loads((runs[0] / "cover.json").read_text())
    assert about["figures"] == {"A figure": "figures/one.png"}
    assert about["tables"]["Score card"]["data"][0][1:3] == [0.5, 0.25]


def test_scores_stand_beside_the_published_and_name_what_they_are_of(tmp_path):
    run = a_run(
        tmp_path / "a", "First", ["missed"], True, said("first", "m-mock", "mock", 0.1, 674)
    )
    a_run(
        run / "on_sky",
        "Sky",
        [],
        True,
        said("first", "m-mock -> real files", "mock to real", 0.2, 9),
    )
    a_run(run / "on_sim", "Sim", [], True, said("first", "m-mock -> mock files", "mock", 0.3, 5))
    a_run(run / "on_old", "Old", [], True)
    page = overview.overview([run], tmp_path / "report.html").read_text()
    assert "first gives &lt;all&gt;" in page and "Nobody 2026" in page
    row = re.search(r"<tr><td>sigma, dex</td>(.*?)</tr>", page)[1]
    assert re.findall(r"<td>(.*?)</td>", row) == [
        "0.0829", "0.1<small>n = 674</small>", "0.2<small>n = 9</small>"
    ]  # fmt: skip
    heads = re.findall(
        r'<span class="kind mock">(.*?)</span><small><a href="(.*?)">(.*?)</a>', page
    )
    assert heads == [("on the mock", "a/report.html", "m-mock"),
                     ("mock → real spectra", "a/on_sky/report.html", "sky")]  # fmt: skip


def test_two_runs_of_one_paper_are_told_apart(tmp_path):
    about = said("toy", "a mock", "mock", 0.1, 9)
    runs = [a_run(tmp_path / name, name, ["missed"], about=about) for name in ("long", "short")]
    page = overview.overview(runs, tmp_path / "report.html").read_text()
    assert "toy (long)" in page and "toy (short)" in page
    page = overview.overview(runs[:1], tmp_path / "report.html").read_text()
    assert "toy (long)" not in page


def test_cover_of_an_earlier_version_says_what_is_missing(tmp_path):
    run = a_run(tmp_path / "a", "First paper", ["missed", "reproduced"])
    cover = json.loads((run / "cover.json").read_text())
    del cover["counts"]
    (run / "cover.json").write_text(json.dumps(cover))
    page = overview.overview([run], tmp_path / "report.html").read_text()
    assert "Evaluate the run again" in page and "1 missed<" in page and "First paper" in page


def test_picture_that_is_gone_costs_the_picture(tmp_path):
    run = a_run(tmp_path / "a", "First paper", ["missed"])
    (run / "figures/one.png").unlink()
    page = overview.overview([run], tmp_path / "report.html").read_text()
    assert "First paper" in page and "<img" not in page


def test_headline_takes_the_first_table_that_is_there(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(CLAIM)
    rows = pd.DataFrame({"k": ["a", "b"], "sd": [1.0, 2.0], "n": [3, np.nan]})
    wanted = [Score("x", {"none": {}, "t": {"k": "b"}}, "sd", "one"), Score("y", {"t": {}}, "sd"),
              Score("z", {"t": {"k": "c"}}, "sd"), Score("w", {"t": {"other": 1}}, "sd"),
              Score("v", {"t": {}}, "mean")]  # fmt: skip
    assert scores(wanted, {"t": ("", rows)}, path) == [
        {"quantity": "x", "published": 0.5, "ours": 2.0, "n": None},
        {"quantity": "y", "published": None, "ours": 1.0, "n": 3},
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_headlines_name_published_numbers_of_their_paper(package):
    evaluation = importlib.import_module(f"{package}.evaluation").Evaluation
    known = {c.id for c in claims.load(evaluation.claims)}
    assert evaluation.gives and evaluation.headline and evaluation.looked_at
    assert {s.claim for s in evaluation.headline} - {""} <= known


def test_objects_worth_a_look_are_those_far_off_in_errors():
    df = pd.DataFrame({"id": ["a", "b", "c", "d"], "t_true": 0.0, "t_pred": [1.0, 4.0, 9.0, 50.0],
                       "t_sigma": [1.0, 1.0, 1.0, 0.0], "u_true": 0.0, "u_pred": 1.0})  # fmt: skip
    found = farthest(df, ("t", "u"), more=("none",))
    assert found["id"].tolist() == ["c", "b"] and found["errors_off"].tolist() == [9.0, 4.0]
    assert farthest(df, ("u",)) is None


def test_folder_without_an_evaluation(tmp_path, capsys):
    with pytest.raises(ReadError, match="Evaluate the run first"):
        overview.overview([tmp_path], tmp_path / "o.html")
    assert overview.main(["-o", str(tmp_path / "o.html"), str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    for text, says in (("[1]", "Evaluate the run again"), ("{", r"cover\.json")):
        (tmp_path / "cover.json").write_text(text)
        with pytest.raises(ReadError, match=says):
            overview.overview([tmp_path], tmp_path / "o.html")
