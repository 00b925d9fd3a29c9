"""What a run from nothing to its report leaves, whatever the paper."""

import importlib

import pytest
from astropy.table import Table

from common import claims
from tests.archives import archives
from tests.eager import train_eagerly
from tests.pictures import rendered

FILES = ("config.json", "history.csv", "predictions.parquet", "claims.ecsv", "report.html")


def reproduced(package, folder, dataset, *more, needs):
    """Reproduce a paper at smoke scale, its figures drawn; return the run's folder."""
    main = importlib.import_module(f"{package}.reproduce").main
    argv = ["--dataset", dataset, "--scale", "smoke", "--epochs", "1", *more]
    with archives(*needs), rendered(), pytest.MonkeyPatch.context() as patch:
        train_eagerly(patch)
        assert main([*argv, "-o", str(folder / "run")]) == 0
    return folder / "run"


def check_products(run_dir, survey, *words, files=(), figures=(), tables=()):
    """Check files, claims and report, and that a mock never stands for the survey.

    The report must be one file that says mock and the words. Returns the mock's claims by id.
    """
    for name in (*FILES, *files):
        assert (run_dir / name).stat().st_size > 0, name
    for stem in figures:
        for ending in ("png", "pdf"):
            assert list((run_dir / "figures").glob(f"{stem}.{ending}")), stem
    for name in tables:
        assert (run_dir / "tables" / f"{name}.ecsv").is_file(), name
    text = (run_dir / "report.html").read_text()
    for word in ("MOCK DATA", "smoke", "data:image/png;base64", *words):
        assert word in text, word
    assert 'src="http' not in text and 'href="http' not in text
    table = Table.read(run_dir / "claims.ecsv").to_pandas()
    assert tuple(table.columns) == claims.COLUMNS
    theirs = table[table["dataset"] == survey]
    assert len(theirs) and set(theirs["verdict"]) == {"untested"}
    return table[table["dataset"].str.startswith(f"{survey}-mock")].set_index("id")
