"""What the written pages say must be so: commands parse, options and links exist."""

import argparse
import importlib
import inspect
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("gasnet2", "lamost_metallicity", "mtopnet", "rvs_hybrid", "solarlike_distance")
PAGES = sorted(
    [ROOT / n for n in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    + [*ROOT.glob("docs/*.md"), *(ROOT / p / "README.md" for p in (*PACKAGES, "data"))]
)
VERBS = ("train", "evaluate", "predict", "inspect", "explain", "reproduce", "release")
COMMANDS = [f"{package}.{verb}" for package in PACKAGES for verb in VERBS]
COMMANDS[COMMANDS.index("solarlike_distance.predict")] = "solarlike_distance.catalog"
COMMANDS += ["gasnet2.contaminate"]
COMMANDS += [f"{p}.fetch" for p in PACKAGES if p != "mtopnet"]  # whose spectra are not public
COMMANDS += [f"mtopnet.{verb}" for verb in ("adversarial", "latent", "peer", "seeds")]
COMMANDS += [f"{package}.mock" for package in PACKAGES]
COMMANDS += ["common.ingest"]
COMMANDS += [f"solarlike_distance.{verb}" for verb in ("baselines", "galaxy", "scorecard", "tune")]
MORE = {name: {"--on"} for name in PACKAGES} | {"rvs_hybrid": {"--on", "--variants"}}
"""Options of `reproduce` beside those of training."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.M | re.S)


def commands():
    """Return (page, module, arguments) of every `python -m` line in a bash block or inline."""
    found = []
    for page in PAGES:
        lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
        lines += re.findall(r"`(python -m [^`]*)`", page.read_text())
        for line in lines:
            match = re.search(
                rf"python -m (common\.ingest|(?:{'|'.join(PACKAGES)})\.\w+)(.*)", line
            )
            if match:
                arguments = shlex.split(match[2], comments=True)
                found.append((page.relative_to(ROOT).as_posix(), match[1], arguments))
    return found


def entry(module):
    """Return the module that `python -m` runs: of a package its __main__."""
    found = importlib.import_module(module)
    return importlib.import_module(f"{module}.__main__") if hasattr(found, "__path__") else found


class ParsedError(Exception):
    pass


def test_pages_show_every_command():
    assert {module for _, module, _ in commands()} == set(COMMANDS)


@pytest.mark.parametrize(
    "page, module, arguments", [c for c in commands() if c[2] and c[2] != ["--list"]]
)
def test_command_parses(page, module, arguments, monkeypatch):
    original = argparse.ArgumentParser.parse_args

    def stop(self, *args, **kwargs):
        raise ParsedError(original(self, *args, **kwargs))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    with pytest.raises(ParsedError) as end:
        entry(module).main(arguments)
    assert end.value.args[0] is not None


def options_of(module, capsys):
    with pytest.raises(SystemExit) as end:
        entry(module).main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0 and f"python -m {module}" in text
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_option_tables_match_help(command, capsys):
    page, heading = "command-line.md", f"## python -m {command}"
    if command.endswith(".release"):  # one for all
        page, heading = "released.md", "## Release one of your own"
    if command == "common.ingest":
        page = "ingest.md"
    if command.endswith(".inspect"):
        page, heading = "inspect.md", "## Options"
    text, heading = (ROOT / "docs" / page).read_text(), re.escape(heading)
    section = re.search(rf"^{heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    cells = " ".join(re.findall(r"^\|([^|]*)\|", section, flags=re.M))
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", cells))
    known = options_of(command, capsys)
    assert written <= known
    package, verb = command.split(".")
    if verb == "reproduce":  # the page says: the options of training, and these
        more = known - options_of(f"{package}.train", capsys) - {"--output"}
        assert more == MORE[package]
        assert all(f"`{option}" in section for option in more)
    else:
        assert known - written <= {"--output"}  # shown as -o


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_relative_links_and_make_targets_resolve(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)\b", page.read_text(), flags=re.M)) <= targets
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), flags=re.M)
            assert anchor in {slug(h) for h in headings}, f"{target}#{anchor}"


def test_citation_file_and_changelog():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"message", "title", "authors"} <= set(cff)
    wanted = {key: PROJECT[key] for key in ("version", "license")}
    wanted |= {"cff-version": "1.2.0", "type": "software"}
    assert {key: str(cff[key]) for key in wanted} == wanted
    assert {r["scope"] for r in cff["references"]} == set(PACKAGES)
    for paper in cff["references"]:
        assert paper["type"] in ("article", "conference-paper")
        assert paper["title"] and isinstance(paper["year"], int)
        for author in paper["authors"]:
            assert set(author) in ({"family-names", "given-names"}, {"name"})
        assert re.fullmatch(r"10\.\d{4,9}/\S+", paper.get("doi", "10.1234/none"))
    headings = re.findall(r"^## \[(.+?)\](?: - (.*))?$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", dict(headings)[PROJECT["version"]])


def test_catalogue_columns_and_warnings_are_explained():
    from gasnet2 import predict

    readme = (ROOT / "README.md").read_text()
    for name in predict.DESCRIPTIONS:
        assert f"`{name}`" in readme, name
    page = (ROOT / "docs/own-spectra.md").read_text()
    flags = re.findall(r'"([A-Z_]+)":', inspect.getsource(predict.catalogue))
    assert flags and all(f"| `{flag}` |" in page for flag in flags)


def test_python_examples_import():
    for page in PAGES:
        for block in blocks(page, "python"):
            compile(block, str(page), "exec")
            for module, names in re.findall(r"^from (\S+) import (.+)$", block, flags=re.M):
                for name in names.split(", "):
                    assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


MODULES = {
    ".".join(f.relative_to(ROOT).with_suffix("").parts)
    for folder in ("common", *PACKAGES)
    for f in ROOT.glob(f"{folder}/**/*.py")
    if f.stem not in ("__init__", "__main__")
}


def test_every_module_is_in_the_reference():
    """The page names the packages; from there autosummary goes down as `pkgutil` does."""
    page = (ROOT / "docs/api.rst").read_text()
    options, names = re.search(r"autosummary::\n((?:   :.*\n)+)\n((?:   \w+\n)+)", page).groups()
    assert ":recursive:" in options and set(names.split()) == {"common", *PACKAGES}
    walks = (pkgutil.walk_packages([str(ROOT / p)], f"{p}.") for p in names.split())
    assert {found.name for walk in walks for found in walk} >= MODULES


@pytest.mark.slow
def test_documentation_builds_without_warnings(tmp_path):
    pytest.importorskip("sphinx")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", ROOT / "docs", tmp_path],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert MODULES <= {page.stem for page in (tmp_path / "_reference").glob("*.html")}


def test_scale_table_matches_the_configuration():
    from gasnet2.config import SCALES, make_config

    text = (ROOT / "docs/command-line.md").read_text()
    for scale in SCALES:
        row = re.search(rf"^\| `{scale}` \|(.*)\|$", text, flags=re.M)[1]
        cells = [re.sub(r"\(.*\)|\s", "", cell) for cell in row.split("|")]
        config = make_config("sdss", scale)
        sizes = [config.per_class, config.epochs, config.pool_epochs, config.members]
        sizes += [config.batch_size, config.learning_rate]
        assert cells[:6] == [str(n) for n in sizes], scale
        assert ("cosine" in cells[6]) == (config.schedule == "cosine"), scale
