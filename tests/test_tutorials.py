"""The tutorials are run block by block; pages made of code and of cards are held to them."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import PACKAGES, ROOT

DOCS = ROOT / "docs"
OWN = "# files of your own"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.M | re.S)


def steps(page):
    """Return [(language, text)] of the blocks that need no files of the reader's own."""
    return [(k, text) for k, text in BLOCK.findall(page.read_text()) if not text.startswith(OWN)]


def tutorial(package):
    return DOCS / f"tutorial_{package}.md"


@pytest.mark.parametrize("package", PACKAGES)
def test_tutorial_predicts_trains_judges_explains(package):
    text = "\n".join(block for _, block in steps(tutorial(package)))
    predict = "catalog" if package == "solarlike_distance" else "predict"
    for verb in ("train", "evaluate", "explain", *([] if package == "rvs_hybrid" else [predict])):
        assert f"python -m {package}.{verb} " in text, verb
    assert "--scale smoke" in text and "import" in text


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_tutorial_runs(package, tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    for language, text in steps(tutorial(package)):
        how = ["bash", "-ec"] if language == "bash" else [sys.executable, "-c"]
        done = subprocess.run([*how, text], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    assert list(tmp_path.glob("runs/*/report.html"))


@pytest.fixture(scope="module")
def columns():
    spec = importlib.util.spec_from_file_location("make_columns", DOCS / "make_columns.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_of_columns_is_what_the_packages_say(columns):
    page = (DOCS / "columns.md").read_text()
    assert page == columns.page(), "run: python docs/make_columns.py"
    for title, note in columns.notes().items():
        section = page.split(f"## {title}\n")[1].split("\n## ")[0]
        names = {n for part in note.values() for n in part}
        assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) >= names, title


TRUSTED = (DOCS / "trust.md").read_text()
ROWS = re.findall(r"^\| (.*) \| \[[\w ]+\]\(\.\./([\w/]+\.md)[^)]*\) \|$", TRUSTED, re.M)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?: \d{3})*(?:\.\d+)?")


def test_every_row_of_trust_names_its_file():
    rows = [r for r in re.findall(r"^\|.*\|$", TRUSTED, re.M) if "---" not in r]
    heads = [r for r in rows if r.endswith("| from |")]
    assert len(ROWS) == len(rows) - len(heads) > 20


@pytest.mark.parametrize("row, source", ROWS, ids=lambda v: v[:40])
def test_numbers_of_trust_stand_in_the_file_that_they_name(row, source):
    known = set(NUMBER.findall((ROOT / source).read_text().replace("*", "")))
    known |= {n.replace(" ", "") for n in known}
    cells = row.split(" | ")
    numbers = NUMBER.findall(" ".join(cells[1:]))
    assert numbers and [n for n in numbers if n not in known] == []


BULLETS = re.findall(r"^- (?:.|\n(?=  ))*", TRUSTED, re.M)


@pytest.mark.parametrize("text", BULLETS, ids=lambda t: t[:30])
def test_numbers_of_known_failures_stand_there_too(text):
    sources = [p for p in re.findall(r"\]\(([\w./-]+\.md)", text)]
    known = {n for p in sources for n in NUMBER.findall((DOCS / p).read_text())}
    assert sources and set(NUMBER.findall(re.sub(r"\]\(.*?\)", "", text))) <= known


def test_pictures_are_small_and_all_are_shown():
    shown = re.findall(r"\(pictures/([\w.]+)\)", (DOCS / "gallery.md").read_text())
    there = {p.name: p.stat().st_size for p in DOCS.glob("pictures/*")}
    assert set(shown) == set(there) and all(n < 60_000 for n in there.values())


def test_every_page_is_in_the_index():
    index = (DOCS / "index.md").read_text()
    named = set(re.findall(r"^([a-z][\w-]*)$", index, re.M))
    assert {p.stem for p in [*DOCS.glob("*.md"), *DOCS.glob("*.rst")]} - {"index"} == named
