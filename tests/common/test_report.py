"""Reports: their structure, that nothing of what they show is markup, and their tables' script."""

import base64
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from common import evaluation, pictures
from common.figures import save
from common.inspect.page import write_page
from common.report import VERDICTS, Section, claims_section, write_report
from tests.common.toy_page import toy
from tests.pictures import EMPTY, rendered

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "no Chromium: apt-get install chromium"
VOID = {"meta", "img", "br", "input", "link"}


class Page(HTMLParser):
    """Elements of a page: (tag, attributes), text of each id, and whether every tag is closed."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append((self.open[-1] if self.open else "", data))

    def of(self, tag, **wanted):
        return [a for t, a in self.elements
                if t == tag and all(a.get(k) == v for k, v in wanted.items())]  # fmt: skip

    def said(self, tag):
        return [text.strip() for t, text in self.text if t == tag and text.strip()]


def judged(verdicts):
    return pd.DataFrame({
        "id": [f"c{i}" for i in range(len(verdicts))], "where": "Fig. 1", "quantity": "x",
        "conditions": "all", "published": 0.5, "tolerance": 0.1,
        "ours": [np.nan if v == "untested" else 0.25 for v in verdicts],
        "dataset": ["far" if v == "untested" else "near" for v in verdicts], "verdict": verdicts,
    })  # fmt: skip


def test_published_numbers_stand_by_verdict_under_a_bar_that_links_them(tmp_path):
    table = judged(["missed", "reproduced", "untested", "reproduced", "untested", "untested"])
    card = claims_section(table, dataset="near", survey="far", subject="far", place="far")
    path = write_report(tmp_path / "r.html", title="T", sections=[Section("Before"), card])
    page = Page(path)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids)) and not page.open
    links = {a["class"]: a for a in page.of("a") if a.get("class") in VERDICTS}
    assert {k: a["href"] for k, a in links.items()} == {v: f"#s2-{v}" for v in VERDICTS}
    assert all(a["href"][1:] in ids for a in page.of("a"))
    assert page.said("h3") == ["Reproduced: 2", "Missed: 1", "Untested: 3"]
    assert {"2 reproduced", "1 missed", "3 untested"} <= set(page.said("a"))
    heads = [t for t in page.said("th") if t == "ours"]
    assert len(heads) == 2, "what was not measured has no value of ours"
    text = path.read_text()
    assert text.index("2 reproduced") < text.index("<nav"), "the bar is at the top"


def test_verdict_that_none_has_is_no_link(tmp_path):
    card = claims_section(judged(["missed"]), dataset="near", survey="far", subject="", place="")
    page = Page(write_report(tmp_path / "r.html", title="T", sections=[card]))
    assert [a["class"] for a in page.of("a") if a.get("class")] == ["missed"]


@settings(max_examples=15)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))).map(lambda t: f"{t}<b x='\"'>&{t}"))
def test_nothing_that_is_shown_is_markup(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("page")
    picture = folder / "p.png"
    picture.write_bytes(EMPTY["png"])
    table = pd.DataFrame({text: [text, text], "verdict": [text, "missed"]})
    section = Section(text, text, {text: table}, {text: picture}, link=text, link_text=text,
                      claims=table)  # fmt: skip
    page = Page(write_report(folder / "r.html", title=text, banner=text, facts={text: text},
                             sections=[section]))  # fmt: skip
    assert not page.of("b") and not page.open
    assert len(page.of("img", alt=text)) == 1 and len(page.of("a", href=text)) == 1
    assert [len(page.of(tag)) for tag in ("script", "style")] == [1, 1]


def test_page_needs_nothing_from_outside(tmp_path):
    figure = Figure()
    figure.subplots().plot([1, 2])
    with rendered(svg=True):
        path = write_report(
            tmp_path / "r.html", title="T", sections=[Section("F", "", {}, {"f": figure})]
        )
    sources = [a[k] for _, a in Page(path).elements for k in ("src", "href") if k in a]
    assert all(s.startswith(("data:", "#")) for s in sources) and len(sources) == 2
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp", path.read_text())


def a_figure(points):
    figure = Figure(figsize=(4, 3))
    rng = np.random.default_rng(0)
    figure.subplots().plot(*rng.normal(size=(2, points)), ".")
    return figure


def test_small_figures_are_shown_as_vectors_and_large_ones_at_twice_the_pixels(tmp_path):
    with rendered(svg=True):
        small = save(a_figure(20), tmp_path / "small")
        large = save(a_figure(9000), tmp_path / "large")
    assert {p.name for p in tmp_path.iterdir()} == {
        "small.png", "small.pdf", "small.svg", "large.png", "large.pdf"
    }  # fmt: skip
    assert small.with_suffix(".svg").stat().st_size < pictures.SMALL
    shown = pictures.embedded(small)
    assert shown["data"].startswith("data:image/svg+xml;base64,") and shown["width"] is None
    assert pictures.embedded(large)["data"].startswith("data:image/png;base64,")


def test_png_alone_is_as_wide_as_half_its_pixels(tmp_path):
    path = tmp_path / "p.png"
    Image.new("RGB", (800, 600)).save(path, dpi=(pictures.DENSE, pictures.DENSE))
    shown = pictures.embedded(path)
    data = base64.b64decode(shown["data"].partition(",")[2])
    assert Image.open(io.BytesIO(data)).width == 800 and shown["width"] == 400


def test_large_png_is_embedded_in_fewer_colours(tmp_path):
    path, rng = tmp_path / "p.png", np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (400, 400, 3), dtype=np.uint8)).save(path)
    shown = pictures.embedded(path)["data"]
    assert len(shown) < path.stat().st_size / 2
    image = Image.open(io.BytesIO(base64.b64decode(shown.partition(",")[2])))
    assert image.size == (400, 400) and len(image.getcolors()) == 256


def test_vector_of_an_earlier_figure_is_taken_away(tmp_path, monkeypatch):
    with rendered(svg=True):
        save(a_figure(5), tmp_path / "f")
        assert (tmp_path / "f.svg").exists()
        monkeypatch.setattr(pictures, "_PDF", 0)
        save(a_figure(5), tmp_path / "f")
    assert not (tmp_path / "f.svg").exists()


@pytest.mark.parametrize("there", [True, False])
def test_failures_link_the_page_of_their_spectra_where_it_is(tmp_path, there):
    class Two(evaluation.Evaluation):
        looked_at = "Wrong."

        def worst(self):
            return pd.DataFrame({"id": [f"o {i}" for i in range(120)]})

    if there:
        write_page(toy(3, ids=["o 1", "o 99", "z"]), tmp_path / "inspect.html", key="k")
    (section,) = evaluation._worst(Two(df=pd.DataFrame(), dataset="x"), tmp_path)
    ((caption, table),) = section.tables.items()
    assert len(table) == 100 and "120" in caption
    ids = (tmp_path / "tables/worth_a_look.txt").read_text(encoding="utf-8").splitlines()
    assert ids == [f"o {i}" for i in range(100)]
    page = Page(write_report(tmp_path / "r.html", title="T", sections=[section]))
    links = [a["href"] for a in page.of("a") if a.get("href", "").startswith("inspect.html")]
    wanted = ["inspect.html", "inspect.html#o%201", "inspect.html#o%2099"]
    assert links == (wanted if there else [])


def test_a_report_tells_how_its_failures_are_looked_at(tmp_path):
    class Named(evaluation.Evaluation):
        paper = SimpleNamespace(module="paper.{}".format)

        def worst(self):
            return pd.DataFrame({"id": ["a"]})

    (section,) = evaluation._worst(Named(df=pd.DataFrame(), dataset="x"), tmp_path)
    assert "python -m paper.inspect" in section.text and "worth_a_look.txt" in section.text


def in_browser(tmp_path, script):
    """Return what a script says of a report with a table of 12 rows."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(INSTALL)
    n = [3.0, 1e-5, np.nan, 12345.0, -2.0, *range(10, 17)]
    table = pd.DataFrame({"name": [f"row {i}" for i in range(12)], "n": n})
    path = write_report(tmp_path / "r.html", title="T", sections=[Section("S", "", {"c": table})])
    text = path.read_text().replace("</body>", f"<script>{HELP}{script}</script></body>")
    path.write_text(text)
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.S)[1].split("|")


HELP = """
const said = document.createElement("pre"); said.id = "said"; document.body.append(said);
const rows = () => Array.from(document.querySelectorAll("table.data tbody tr"));
const column = (i) => rows().filter((r) => !r.hidden).map((r) => r.cells[i].textContent);
const press = (i) => document.querySelectorAll("table.data th button")[i].click();
const say = (...what) => { said.textContent += what.join(",") + "|"; };
"""


@pytest.mark.slow
def test_tables_sort_and_filter_in_a_browser(tmp_path):
    script = """
    press(1); say(...column(1)); press(1); say(...column(1)); press(0); say(...column(0));
    say(document.querySelectorAll("th[aria-sort=ascending]").length);
    const box = document.querySelector(".filter input");
    box.value = "ROW 12345"; box.dispatchEvent(new Event("input")); say(...column(0));
    say(document.querySelector(".filter [role=status]").textContent);
    box.value = "row nothing"; box.dispatchEvent(new Event("input")); say(column(0).length);
    box.value = ""; box.dispatchEvent(new Event("input")); say(column(0).length);
    """
    said = in_browser(tmp_path, script)
    up = ["-2", "1e-05", "3", *map(str, range(10, 17)), "12345", "–"]
    assert said[0].split(",") == up
    assert said[1].split(",") == [*up[-2::-1], "–"], "without a number: last either way"
    assert said[2].split(",") == [f"row {i}" for i in range(12)], "10 comes after 9"
    assert said[3] == "1"
    assert said[4:8] == ["row 3", "1 of 12", "0", "12"]
