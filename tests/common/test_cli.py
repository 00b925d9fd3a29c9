import argparse

import pytest

from common.cli import run
from common.errors import MissingDataError, UsageError
from gasnet2 import train


@pytest.mark.parametrize(
    "error, status",
    [
        (None, 0),
        (UsageError("u"), 2),
        (MissingDataError("m"), 1),
        (OSError(28, "No space left on device"), 1),
        (KeyboardInterrupt(), 1),
        (ZeroDivisionError("z"), 1),
    ],
)
def test_exit_status_and_stderr(error, status, capsys):
    def work(_):
        if error is not None:
            raise error

    assert run(work, argparse.Namespace(), kept="All is kept.") == status
    out, err = capsys.readouterr()
    assert out == ""
    assert bool(err) == (status != 0)
    if isinstance(error, KeyboardInterrupt):
        assert "All is kept." in err


@pytest.mark.parametrize("option", ["--members", "--epochs", "--per-class", "--batch-size"])
def test_sizes_must_be_positive(option, tmp_path, capsys):
    assert train.main(["--run-dir", str(tmp_path), option, "0"]) == 2
    assert f"{option} must be above 0. Received 0." in capsys.readouterr().err


def test_unknown_dataset_exits_with_2(capsys):
    with pytest.raises(SystemExit) as end:
        train.main(["--dataset", "2df"])
    assert end.value.code == 2
    assert "sdss-mock" in capsys.readouterr().err
