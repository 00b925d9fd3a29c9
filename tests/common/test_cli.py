import argparse

import pytest

from common.cli import run
from common.errors import MissingDataError, UsageError
from gasnet2 import train

FULL = OSError(28, "No space left on device")
ERRORS = (MissingDataError("m"), FULL, KeyboardInterrupt(), ZeroDivisionError("z"))
CASES = [(None, 0), (UsageError("u"), 2), *((e, 1) for e in ERRORS)]


@pytest.mark.parametrize("error, status", CASES)
def test_exit_status_and_stderr(error, status, capsys):
    def work(_):
        if error is not None:
            raise error

    assert run(work, argparse.Namespace(), kept="All is kept.") == status
    out, err = capsys.readouterr()
    assert out == "" and bool(err) == (status != 0)
    if isinstance(error, KeyboardInterrupt):
        assert "All is kept." in err


def test_sizes_must_be_positive_and_a_dataset_known(tmp_path, capsys):
    for option in ("--members", "--epochs", "--per-class", "--batch-size"):
        assert train.main(["--run-dir", str(tmp_path), option, "0"]) == 2
        assert f"{option} must be above 0. Received 0." in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        train.main(["--dataset", "2df"])
    assert end.value.code == 2 and "sdss-mock" in capsys.readouterr().err
