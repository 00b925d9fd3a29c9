import json

import pandas as pd
import pytest

from common import overview
from common.errors import ReadError
from common.report import Section, write_report
from tests.pictures import EMPTY


def a_run(folder, title, verdicts, warn=False):
    folder.mkdir()
    (folder / "figures").mkdir()
    (folder / "figures/one.png").write_bytes(EMPTY["png"])
    card = pd.DataFrame({"id": [f"{title}-{i}" for i in range(len(verdicts))],
                         "published": 0.5, "ours": 0.25, "verdict": verdicts})  # fmt: skip
    cover = Section("", "In short.", {"Score card": card}, {"A figure": folder / "figures/one.png"})
    write_report(folder / "report.html", title=title, banner=f"of {title}", warn=warn, cover=cover)
    return folder


def test_page_shows_every_run_and_links_its_report(tmp_path):
    runs = [
        a_run(tmp_path / "a", "First paper", ["reproduced", "missed"]),
        a_run(tmp_path / "b", "Second paper", ["missed", "missed"], warn=True),
    ]
    page = overview.overview(runs, tmp_path / "report.html").read_text()
    for text in ("First paper", "Second paper", "First paper-1", 'href="a/report.html"',
                 'href="b/report.html"', "1 reproduced, 1 missed", "2 missed", "of Second paper",
                 "A figure", "In short."):  # fmt: skip
        assert text in page, text
    assert page.index("First paper-0") < page.index("Second paper-0")
    about = json.loads((runs[0] / "cover.json").read_text())
    assert about["figures"] == {"A figure": "figures/one.png"}
    assert about["tables"]["Score card"]["data"][0][1:3] == [0.5, 0.25]


def test_folder_without_an_evaluation(tmp_path, capsys):
    with pytest.raises(ReadError, match="Evaluate the run first"):
        overview.overview([tmp_path], tmp_path / "o.html")
    assert overview.main(["-o", str(tmp_path / "o.html"), str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    for text, says in (("[1]", "Evaluate the run again"), ("{", r"cover\.json")):
        (tmp_path / "cover.json").write_text(text)
        with pytest.raises(ReadError, match=says):
            overview.overview([tmp_path], tmp_path / "o.html")
