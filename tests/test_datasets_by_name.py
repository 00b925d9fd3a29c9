"""Every data set of every paper without a network: one message says all that a user needs."""

import argparse
import importlib
import re
import shlex

import pytest

from common.assets.registry import registry

REAL = [
    ("gasnet2", "sdss"), ("gasnet2", "fourmost"), ("gasnet2", "desi"),
    ("lamost_metallicity", "lamost"), ("solarlike_distance", "lamost"), ("mtopnet", "moons"),
    ("rvs_hybrid", "gaia-apogee"), ("rvs_hybrid", "gaia-rvs"),
]  # fmt: skip
NOT_PUBLIC = ("fourmost", "moons")


MOCKS = {("rvs_hybrid", "gaia-rvs"): "gaia-apogee-mock"}  # where it is not called as the real one


def mock_of(package, dataset):
    return MOCKS.get((package, dataset), f"{dataset}-mock")


@pytest.mark.parametrize("package, dataset", REAL)
def test_each_real_one_has_a_mock_beside_it_and_a_command_that_writes_it(package, dataset, capsys):
    paper = importlib.import_module(f"{package}.config").PAPER
    config = paper.configure(mock_of(package, dataset), "smoke")
    assert config.is_mock
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"{package}.mock.__main__").main(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0 and all(word in text for word in ("--n", "--seed", "--out"))


def test_every_real_data_set_is_tried_here():
    papers = sorted({package for package, _ in REAL})
    known = [
        (package, name)
        for package in papers
        for name in importlib.import_module(f"{package}.config").PAPER.datasets
        if not name.endswith("-mock")
    ]
    assert sorted(REAL) == sorted(known)


class ParsedError(Exception):
    pass


def parses(command, monkeypatch):
    """Return whether a command of a message is one that its module takes."""
    words = shlex.split(command)
    assert words[:2] == ["python", "-m"]
    module = importlib.import_module(words[2])
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{words[2]}.__main__")
    original = argparse.ArgumentParser.parse_args

    def stop(self, *args, **kwargs):
        raise ParsedError(original(self, *args, **kwargs))

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(ParsedError):
            module.main(words[3:])


@pytest.mark.parametrize("package, dataset", REAL)
def test_one_message_says_what_how_large_which_command_and_what_runs_now(
    package, dataset, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path / "cache"))
    train = importlib.import_module(f"{package}.train")
    with monkeypatch.context() as patch:
        patch.setattr("socket.socket.connect", None)
        patch.setattr("common.assets.fetching.fetch_package", None)
        arguments = ["--dataset", dataset, "--offline", "--scale", "smoke"]
        assert train.main([*arguments, "--run-dir", str(tmp_path / "run")]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    text = lines[0]
    assert text.startswith(f"error: --dataset {dataset}: ")
    assert re.search(r"\(.*\d (kB|MB|GB)\) are not here", text)
    assert text.endswith("runs now.") and "--data-dir" in text
    commands = re.findall(r"`(python -m [^`]+)`", text)
    assert len(commands) == (1 if dataset in NOT_PUBLIC else 2)
    assert ("With a network, `" in text) == (dataset not in NOT_PUBLIC)
    assert f"--dataset {mock_of(package, dataset)}" in commands[-1]
    for command in commands:
        parses(command, monkeypatch)


def test_commands_of_the_registry_are_commands(monkeypatch):
    for asset in registry().values():
        if asset.command:
            parses(asset.command, monkeypatch)
