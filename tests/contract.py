"""What every paper's commands promise, as tests that each paper's test_contract.py takes over."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from common import evaluation, overview, released, training
from common.catalog import FORMATS, is_text, read_table, write_table
from common.catalogue import parts
from common.catalogue.assemble import rejects_of
from common.errors import SuiteError, UsageError
from common.paper import Paper
from common.rows import name_of
from tests.catalogues import fill_disk, killed_at
from tests.eager import train_eagerly
from tests.pages import told

VERBS = ("train", "evaluate", "predict", "explain", "reproduce")


@dataclass
class Subject:
    """A paper under test.

    Attributes
    ----------
    paper : common.paper.Paper
    tiny : dict
        Changes of the configuration with which it trains in seconds.
    write_files : callable
        Folder -> anything: writes labelled files to train on, to predict and to evaluate on.
    models : callable
        Run folder -> the keras.Models that it holds, loaded as the commands load them.
    train : sequence of str
        Options of a training beside the folders ("--dataset", "sdss").
    verb : str
        The command that makes a catalogue.
    steps : dict of str to str
        Attribute of the paper's reproduce module -> what a failure of it is called.
    patch : callable
        pytest.MonkeyPatch -> None: puts made-up data in place of those that would be fetched.
    reproduce : sequence of str
        Further options of `reproduce`.
    needs_data_dir : bool
        Whether training takes --data-dir.
    batch : (str, int)
        What says how many spectra a batch of a catalogue has, and a number so that there are three
        or more.
    """

    paper: Paper
    tiny: dict
    write_files: Callable
    models: Callable
    train: tuple = ()
    verb: str = "predict"
    steps: dict = field(default_factory=dict)
    patch: Callable = lambda patch: None
    reproduce: tuple = ()
    needs_data_dir: bool = True
    batch: tuple = ("common.catalogue.files.CHUNK", 40)

    def main(self, verb, *argv):
        """Run a command in this process; return the exit status."""
        module = importlib.import_module(f"{self.paper.package}.{verb}")
        return module.main([str(a) for a in argv])

    def trained(self, verb, run_dir, files, *more):
        """Run `train` or `reproduce` into a folder; return the exit status."""
        data = ["--data-dir", files] if self.needs_data_dir else []
        where = "--run-dir" if verb == "train" else "-o"
        return self.main(verb, "--scale", "smoke", "--precision", "float32", *self.train, *data,
                         where, run_dir, *more)  # fmt: skip


class Contract:
    """The tests; a paper's own class names its `subject`."""

    subject: Subject

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def tiny(cls):
        with pytest.MonkeyPatch.context() as patch:
            tiny = {k: v for k, v in cls.subject.tiny.items() if k not in ("dataset", "scale")}
            patch.setitem(cls.subject.paper.scales, "smoke", tiny)
            cls.subject.patch(patch)
            train_eagerly(patch)
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def house(cls, tiny, tmp_path_factory):
        """The files, and a run that the command line made of them; tests leave it as it is."""
        root = tmp_path_factory.mktemp(cls.subject.paper.package)
        files, run = root / "files", root / "run"
        files.mkdir()
        cls.subject.write_files(files)
        assert cls.subject.trained("train", run, files) == 0
        report = root / "evaluation"
        assert cls.subject.main("evaluate", "--run-dir", run, "-o", report) == 0
        return SimpleNamespace(files=files, run=run, evaluation=report)

    @pytest.fixture
    def copy(self, house, tmp_path):
        """A copy of the run that a test may change."""
        return shutil.copytree(house.run, tmp_path / "copy")

    # --- command lines

    @pytest.mark.parametrize("verb", VERBS)
    def test_help_says_what_a_command_takes(self, verb, capsys):
        module = self.subject.verb if verb == "predict" else verb
        with pytest.raises(SystemExit) as stop:
            self.subject.main(module, "--help")
        text = capsys.readouterr().out
        assert stop.value.code == 0
        assert f"python -m {self.subject.paper.package}.{module}" in " ".join(text.split())
        wanted = {"train": ("--dataset", "--seed", "--resume"), "evaluate": ("--on", ".vot"),
                  "predict": (".fits, .vot, .parquet, .ecsv or .csv", "--precision"),
                  "explain": ("--run-dir",), "reproduce": ("--on", "--resume")}  # fmt: skip
        for option in wanted[verb]:
            assert option in " ".join(text.split()), option

    def test_options_that_are_wrong_exit_with_2(self, tmp_path, capsys):
        wrong = [("--epochs", "-3"), ("--seed", "-1"), ("--precision", "double")]
        for o in self.subject.paper.options:
            if o.sets and o.more.get("type") in (int, float) and "nargs" not in o.more:
                wrong.append((o.name, "-1" if o.zero else "0"))
        for option, value in wrong:
            assert self.subject.main("train", "--run-dir", tmp_path / "r", option, value) == 2
            text = capsys.readouterr().err
            assert option in text and value in text
        assert not (tmp_path / "r").exists()
        with pytest.raises(SystemExit) as stop:
            self.subject.main("train", "--no-such-option")
        assert stop.value.code == 2
        for names in ({"dataset": "nonsense"}, {"scale": "huge"}):
            with pytest.raises(UsageError, match="must be one of"):
                self.subject.paper.configure(**names)

    def test_only_the_papers_own_settings_bear_the_papers_name(self):
        paper = self.subject.paper
        for dataset in (d for d in paper.datasets if not d.endswith("-mock")):
            full = paper.configure(dataset, "paper")
            free = {"seed", *paper.free}
            for f in fields(full):
                value = getattr(full, f.name)
                if isinstance(value, int | float):
                    other = replace(full, **{f.name: value + 1})
                    name = name_of(paper, other, 1000, wanted=1000)
                    assert (name == dataset) == (f.name in free), f.name
            assert name_of(paper, full, 1000, wanted=1000) == dataset
            assert name_of(paper, full, 500, wanted=1000) != dataset
            small = paper.configure(dataset, "demo")
            name = name_of(paper, small, 1000, wanted=1000)
            # Another network is named after itself.
            words = f"{small.variant} network" if small.variant else "demo scale, 1000 test spectra"
            assert name == f"{dataset} ({words})"

    def test_tensorflow_is_not_loaded_before_the_device_is_chosen(self):
        # `explain` computes in float32 alone
        verbs = ("train", "evaluate", "reproduce", self.subject.verb)
        modules = ", ".join(f"{self.subject.paper.package}.{verb}" for verb in verbs)
        code = f"import sys, {modules}; sys.exit('tensorflow' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_folder_without_a_run_is_named(self, tmp_path, capsys):
        for verb in ("evaluate", "explain"):
            assert self.subject.main(verb, "--run-dir", tmp_path) == 1
            text = capsys.readouterr().err
            assert str(tmp_path) in text and f"{self.subject.paper.package}.train" in text

    # --- training

    def test_run_is_not_overwritten_but_gone_on_with(self, house, copy, capsys):
        before = pd.read_parquet(copy / "predictions.parquet")
        assert self.subject.trained("train", copy, house.files) == 2
        assert "--resume" in capsys.readouterr().err
        assert self.subject.trained("train", copy, house.files, "--resume", "--epochs", "77") == 2
        assert "epochs" in capsys.readouterr().err
        assert self.subject.trained("train", copy, house.files, "--resume") == 0
        pd.testing.assert_frame_equal(pd.read_parquet(copy / "predictions.parquet"), before)

    def test_killed_training_goes_on(self, house, tmp_path, monkeypatch, capsys):
        save, calls = training.save_state, []

        def killed(*args):
            save(*args)
            calls.append(args)
            if len(calls) == 1:
                raise KeyboardInterrupt

        monkeypatch.setattr(training, "save_state", killed)
        run = tmp_path / "run"
        assert self.subject.trained("train", run, house.files) == 1
        assert "--resume" in capsys.readouterr().err
        assert self.subject.main("evaluate", "--run-dir", run) == 1
        assert "--resume" in capsys.readouterr().err
        assert self.subject.trained("train", run, house.files, "--resume") == 0
        ours, whole = (pd.read_parquet(r / "predictions.parquet") for r in (run, house.run))
        assert list(ours) == list(whole) and len(ours) == len(whole)
        config = [json.loads((r / "config.json").read_text())["config"] for r in (run, house.run)]
        assert config[0] == config[1]

    # --- evaluation

    def test_evaluation_has_all_its_parts(self, house):
        for name in ("report.html", "claims.ecsv", "cover.json", "tables", "figures"):
            assert (house.evaluation / name).exists(), name
        assert list((house.evaluation / "tables").glob("*.ecsv"))
        text = (house.evaluation / "report.html").read_text()
        assert "References" in text and 'src="http' not in text

    def test_overview_takes_the_evaluation(self, house, tmp_path):
        page = tmp_path / "page.html"
        assert overview.main(["-o", str(page), str(house.evaluation)]) == 0
        assert "Score card" in page.read_text() or "Measured on" in page.read_text()

    def test_predictions_made_elsewhere_come_in_every_format(self, house, tmp_path, monkeypatch):
        monkeypatch.setattr(evaluation, "draw", lambda *_, **__: ({}, []))  # tables are compared
        table = pd.read_parquet(house.run / "predictions.parquet")
        made = {}
        for ending in FORMATS:
            path = tmp_path / f"table{ending}"
            write_table(table, path)
            out = tmp_path / ending.strip(".")
            assert self.subject.main("evaluate", "--predictions", path, "-o", out) == 0, ending
            made[ending] = {p.name: read_table(p) for p in (out / "tables").glob("*.ecsv")}
            assert (out / "cover.json").exists()
        first = made[FORMATS[0]]
        assert first
        for ending, tables in made.items():
            assert tables.keys() == first.keys(), ending
            for name, table in tables.items():
                pd.testing.assert_frame_equal(table, first[name], rtol=1e-4, obj=f"{ending} {name}")

    def test_predictions_need_a_folder_and_no_files(self, house, tmp_path, capsys):
        table = house.run / "predictions.parquet"
        assert self.subject.main("evaluate", "--predictions", table) == 2
        assert "-o" in capsys.readouterr().err
        argv = ("--predictions", table, "-o", tmp_path / "o", "--on", house.files)
        assert self.subject.main("evaluate", *argv) == 2
        assert "--on" in capsys.readouterr().err

    def test_table_that_is_none_is_named(self, tmp_path, capsys):
        path = tmp_path / "table.csv"
        path.write_text("a,b\n1,2\n")
        assert self.subject.main("evaluate", "--predictions", path, "-o", tmp_path / "o") == 1
        assert "table.csv" in capsys.readouterr().err

    def test_figure_of_an_earlier_evaluation_does_not_stay(self, house, tmp_path):
        table = pd.read_parquet(house.run / "predictions.parquet")
        few = table.groupby("split", group_keys=False).head(6)
        out, fresh = tmp_path / "out", tmp_path / "fresh"
        path = tmp_path / "few.parquet"
        few.to_parquet(path)
        argv = ("--predictions", house.run / "predictions.parquet", "-o", out)
        assert self.subject.main("evaluate", *argv) == 0
        many = {p.name for p in (out / "figures").glob("*")}
        codes = [self.subject.main("evaluate", "--predictions", path, "-o", o)
                 for o in (out, fresh)]  # fmt: skip
        assert codes == [0, 0]
        left = {p.name for p in (out / "figures").glob("*")}
        new = {p.name for p in (fresh / "figures").glob("*")}
        assert left == new
        assert many - new, "the toy must have a figure that six rows cannot give"

    def test_files_with_labels_are_evaluated_on(self, house, copy):
        assert self.subject.main("evaluate", "--run-dir", copy, "--on", house.files) == 0
        out = copy / f"on_{house.files.name}"
        for name in ("report.html", "claims.ecsv", "predictions.parquet"):
            assert (out / name).exists(), name

    # --- catalogues

    def predict(self, house, out, *more):
        """Run the command that makes a catalogue; return the exit status."""
        return self.subject.main(self.subject.verb, "--run-dir", house.run, "-o", out,
                                 "--precision", "float32", *more, house.files)  # fmt: skip

    def test_catalogue_refuses_what_it_cannot_do(self, house, tmp_path, capsys):
        assert self.predict(house, tmp_path / "a.txt") == 2
        assert ".fits, .vot" in capsys.readouterr().err
        assert self.predict(house, tmp_path / "a.fits", tmp_path / "nowhere") == 2
        assert "nowhere" in capsys.readouterr().err
        argv = ("--run-dir", tmp_path, "-o", tmp_path / "a.fits", house.files)
        assert self.subject.main(self.subject.verb, *argv) == 1
        assert f"{self.subject.paper.package}.train" in capsys.readouterr().err
        assert not list(tmp_path.iterdir())

    def test_killed_catalogue_goes_on_in_every_format(self, house, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(*self.subject.batch)
        out, whole = tmp_path / "a.fits", tmp_path / "whole.fits"
        bad = tmp_path / "bad.fits"
        bad.write_text("no FITS at all")
        with monkeypatch.context() as patch:
            killed_at(patch, parts.Parts, "write", 3)
            assert self.predict(house, out, bad) == 1
        text, partial = capsys.readouterr().err, tmp_path / "a.partial.fits"
        assert str(partial) in text and "go on with the same command" in text
        begun = read_table(partial)
        assert not out.exists() and len(begun)
        assert rejects_of(partial).exists(), "the kill must not lose what could not be read"
        assert read_table(rejects_of(partial))["file"].tolist() == [str(bad)]
        monkeypatch.setattr(parts.Parts, "remove", lambda self: None)  # the parts are looked at
        calls = killed_at(monkeypatch, parts.Parts, "write", 0)
        assert self.predict(house, out, bad) == 0
        n = len(calls)
        assert self.predict(house, whole, bad) == 0
        assert len(calls) - n == n + 2 >= 3  # two batches were not predicted again
        assert out.read_bytes() == whole.read_bytes()
        table = read_table(whole)
        assert len(begun) < len(table)
        pd.testing.assert_frame_equal(begun, table.head(len(begun)), check_dtype=False)
        assert read_table(rejects_of(whole))["file"].tolist() == [str(bad)]
        assert rejects_of(out).read_bytes() == rejects_of(whole).read_bytes()
        for ending in FORMATS:
            path = tmp_path / f"other{ending}"
            shutil.copytree(f"{out}.parts", f"{path}.parts")
            assert self.predict(house, path, bad) == 0
            other = read_table(path)
            assert list(other) == list(table), ending
            for name in filter(lambda name: is_text(table[name]), table):  # CSV has no types
                other[name] = other[name].astype(object).fillna("").astype(str)
            pd.testing.assert_frame_equal(other, table, check_dtype=False, obj=ending)
        assert len(calls) - n == n + 2

    def test_full_disk_leaves_the_catalogue_elsewhere(self, house, tmp_path, monkeypatch, capsys):
        out = tmp_path / "a.csv"
        with monkeypatch.context() as patch:
            fill_disk(patch, tmp_path)
            assert self.predict(house, out) == 1
        text = capsys.readouterr().err
        assert "No space left" in text and "go on with the same command" in text
        spare = Path(text.split("finished catalogue is at ")[1].split(" instead")[0])
        calls = killed_at(monkeypatch, parts.Parts, "write", 0)
        assert self.predict(house, out) == 0 and not calls
        assert spare.read_bytes() == out.read_bytes()
        shutil.rmtree(spare.parent)

    @pytest.mark.slow
    def test_workers_make_the_same_catalogue(self, house, tmp_path, monkeypatch):
        monkeypatch.setattr(*self.subject.batch)
        monkeypatch.setattr("common.catalogue.files.FILES", 1)
        monkeypatch.setattr("common.catalogue.files.BYTES", 300_000)  # big tables are cut
        bad = tmp_path / "bad.fits"
        bad.write_text("no FITS at all")
        for name, options in (("alone", ()), ("two", ("--workers", "2"))):
            assert self.predict(house, tmp_path / f"{name}.fits", *options, bad) == 0
        alone, two = (tmp_path / f"{name}.fits" for name in ("alone", "two"))
        assert two.read_bytes() == alone.read_bytes()
        assert rejects_of(two).read_bytes() == rejects_of(alone).read_bytes()
        assert self.predict(house, tmp_path / "many.parquet", "--partitioned", bad) == 0
        many, one = read_table(tmp_path / "many.parquet"), read_table(alone)
        pd.testing.assert_frame_equal(many, one, check_dtype=False)

    # --- released networks

    def test_released_network_needs_no_run_dir_and_is_checked(
        self, house, tmp_path, monkeypatch, capsys
    ):
        argv = ("--run-dir", house.run, "--about", "a toy of tests", "--into", tmp_path)
        assert self.subject.main("release", *argv, "toy") == 0
        monkeypatch.setattr(released, "room", lambda package: tmp_path)
        card = (tmp_path / "toy" / "README.md").read_text()
        assert self.subject.paper.module("train") in card and "Cite:" in card
        assert str(house.run) not in "".join(p.read_text() for p in tmp_path.rglob("*.json"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            self.subject.main(self.subject.verb, "--list")
        assert stop.value.code == 0 and "toy (default): a toy of tests" in capsys.readouterr().out
        out, own = tmp_path / "a.parquet", tmp_path / "own.parquet"
        argv = ("-o", out, "--precision", "float32", house.files)
        assert self.subject.main(self.subject.verb, *argv) == 0
        assert "released network toy: a toy of tests" in capsys.readouterr().out
        assert self.predict(house, own) == 0
        pd.testing.assert_frame_equal(read_table(out), read_table(own))
        assert self.subject.main("evaluate", "--on", house.files, "-o", tmp_path / "on") == 0
        assert (tmp_path / "on" / "report.html").is_file()
        if self.subject.paper.package != "rvs_hybrid":  # whose stars anyone can fetch
            assert self.subject.main("evaluate") == 2 and "--on" in capsys.readouterr().err
        with open(next((tmp_path / "toy" / "models").rglob("*.keras")), "ab") as file:
            file.write(b"x")
        assert self.subject.main(self.subject.verb, "--run-dir", "toy", *argv) == 1
        text = capsys.readouterr().err
        assert ".keras" in text and "sha256" in text

    # --- precision

    # --- looked at by eye, and called in Python

    @pytest.mark.slow
    def test_page_of_inspection_and_the_function_say_what_the_catalogue_says(self, house, tmp_path):
        if importlib.util.find_spec(f"{self.subject.paper.package}.inspect") is None:
            pytest.skip("a paper of tests, without a page of inspection")
        out, page = tmp_path / "cat.parquet", tmp_path / "page.html"
        assert self.predict(house, out) == 0
        table = read_table(out)
        argv = ["--run-dir", house.run, "--catalogue", out, "-o", page, "--n", 5, house.files]
        assert self.subject.main("inspect", *argv) == 0
        shown = told(page)
        view = shown["objects"]
        assert len(view) == min(5, len(table)) and all(one["headline"] for one in view)
        assert set(shown["stripWords"]) >= {s["name"] for o in view for s in o["arrays"]["strips"]}
        for diagram in shown["diagrams"]:
            assert all(diagram in one["places"] for one in view)
        package = importlib.import_module(self.subject.paper.package)
        function = getattr(package, package.__all__[0])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*spectra could not be used")
            found = function(house.files, run_dir=house.run)
        assert len(found) == len(table) and set(table) == set(found.colnames)
        for name in table.select_dtypes("float"):
            ours = np.asarray(np.ma.filled(np.ma.asarray(found[name], dtype=float), np.nan))
            assert np.allclose(ours, table[name], rtol=1e-4, atol=1e-4, equal_nan=True), name
        units = [str(found[name].unit) for name in found.colnames if found[name].unit is not None]
        assert units and all(found[name].description != "" for name in found.colnames)

    def test_networks_compute_in_the_precision_of_now(self, house):
        import keras

        plain = list(self.subject.models(house.run))
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        try:
            models = list(self.subject.models(house.run))
        finally:
            keras.mixed_precision.set_global_policy("float32")
        assert models
        for model, other in zip(models, plain, strict=True):
            for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
                np.testing.assert_array_equal(ours, theirs, err_msg=model.name)
            kinds = {layer.compute_dtype for layer in model.layers if layer.trainable_weights}
            assert "bfloat16" in kinds, model.name
            assert {tensor.dtype for tensor in model.outputs} == {"float32"}, model.name

    # --- all of it

    def test_reproduce_survives_a_failing_step(self, house, tmp_path, monkeypatch, capsys):
        module = importlib.import_module(f"{self.subject.paper.package}.reproduce")
        copy = shutil.copytree(house.run, tmp_path / "run")
        errors = itertools.cycle((MemoryError, SuiteError))

        def fail(*_, **__):
            raise next(errors)("a step that fails")

        for name in self.subject.steps:
            monkeypatch.setattr(module, name, fail)
        argv = ("--resume", "--on", house.files, *self.subject.reproduce)
        assert self.subject.trained("reproduce", copy, house.files, *argv) == 0
        text = capsys.readouterr().out
        for what in self.subject.steps.values():
            assert f"no {what}: a step that fails" in text
        assert (copy / "report.html").exists()
        assert (copy / f"on_{house.files.name}" / "report.html").exists()

    def test_reproduce_refuses_before_it_trains(self, house, tmp_path, capsys):
        argv = ("--on", tmp_path / "nowhere")
        assert self.subject.trained("reproduce", tmp_path / "run", house.files, *argv) != 0
        assert "nowhere" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
