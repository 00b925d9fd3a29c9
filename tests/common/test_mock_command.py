"""The command `mock`, with a writer of a few files."""

from functools import partial
from types import SimpleNamespace

from common.commands import mock as command
from common.paper import Option

PAPER = SimpleNamespace(package="toypaper", module=lambda verb: f"python -m toypaper.{verb}")


def made(argv):
    calls = []

    def make(**how):
        calls.append(how)
        how["out_dir"].mkdir(exist_ok=True)
        (how["out_dir"] / "a.fits").write_text("a")
        return [how["out_dir"] / "a.fits"]

    run = partial(command.main, PAPER, make=make, about="A toy.", unit="spectra", n=7,
                  options=(Option("--survey", "whose", more={"default": "sdss"}),))  # fmt: skip
    return run(argv), calls


def test_it_writes_what_is_asked_for_and_says_that_nobody_observed_it(tmp_path, capsys):
    out = tmp_path / "mock"
    status, calls = made(["--out", str(out), "--seed", "5", "--survey", "desi", "--offline"])
    assert status == 0
    assert calls == [dict(n=7, seed=5, out_dir=out, offline=True, survey="desi")]
    assert "1 files of simulated spectra, which nobody observed" in capsys.readouterr().out


def test_a_folder_of_the_users_is_not_written_into(tmp_path, capsys):
    (tmp_path / "mine.fits").write_text("precious")
    status, calls = made(["--out", str(tmp_path)])
    assert status != 0 and not calls
    assert "is there and not empty" in capsys.readouterr().err
