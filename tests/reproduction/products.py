"""What a run from nothing to its report leaves, whatever the paper."""

from astropy.table import Table

from common import claims

FILES = ("config.json", "history.csv", "predictions.parquet", "claims.ecsv", "report.html")


def check_products(run_dir, *, files=(), figures=(), tables=()):
    for name in (*FILES, *files):
        assert (run_dir / name).stat().st_size > 0, name
    for stem in figures:
        for ending in ("png", "pdf"):
            assert (run_dir / "figures" / f"{stem}.{ending}").is_file(), stem
    for name in tables:
        assert (run_dir / "tables" / f"{name}.ecsv").is_file(), name


def check_claims(run_dir, survey):
    """Check columns, and that a mock never stands for the survey; return the mock's rows by id."""
    table = Table.read(run_dir / "claims.ecsv").to_pandas()
    assert tuple(table.columns) == claims.COLUMNS
    theirs = table[table["dataset"] == survey]
    assert len(theirs) and set(theirs["verdict"]) == {"untested"}
    return table[table["dataset"] == f"{survey}-mock"].set_index("id")


def check_report(run_dir, *words):
    """Check that the report is one file that says mock and the words."""
    text = (run_dir / "report.html").read_text()
    for word in ("MOCK DATA", "smoke", "data:image/png;base64", *words):
        assert word in text, word
    assert 'src="http' not in text and 'href="http' not in text
