"""The table of rejects, its codes, and the limit at which a catalogue stops."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from common.catalog import read_table
from common.catalogue.assemble import rejects_of
from common.catalogue.files import SpectrumFiles
from common.catalogue.how import How
from common.catalogue.limit import LEAST, Limit, check_limit, limit_of
from common.catalogue.make import make
from common.catalogue.recipe import Recipe
from common.catalogue.spread import Receipt
from common.errors import SuiteError, UsageError
from common.rejects import CODES, COLUMNS, PATTERNS, code_of, reject_table
from common.surveys import read_many
from tests.common.test_sdss import spec_hdus, table_hdus

REASONS = {  # as readers and networks write them
    "the file is damaged or truncated (truncated: 3 bytes of at least 9); allowed: a": "damaged",
    "this is not a FITS file: it starts with b'x'; allowed: FITS": "damaged",
    "there is no such file; allowed: a complete FITS file": "missing",
    "the file is empty; allowed: a complete FITS file": "empty",
    "the file holds no spectra": "empty",
    "a FITS file without spectra in a known layout (HDUs: 0 A); allowed: wavelength": "unknown",
    "a broken SDSS spec or spec-lite file: no column ivar in HDU 1": "broken",
    "a table: DESI redshifts (redrock or zcatalog); allowed: files of spectra": "other",
    "a LAMOST medium-resolution spectrum (two short arms near 5000 and 6500 Å)": "other",
    "a MOONS spectrum without the RI and YJ arms": "arms",
    "duplicate id: first seen in a.fits": "duplicate",
    "source_id: 1 of 4 rows: no id": "id",
    "OBSID 9.1 as floating point, in 1 of 3 rows": "id",
    "no target: OBJTYPE SKY": "sky",
    "no label: class unknown": "label",
    "a star by its survey's class; the networks know galaxies only": "class",
    "no redshift (Z is missing, -9999 or 999); the rest frame needs one": "redshift",
    "z = 0.4000; allowed is z < 0.3, as in the paper's sample": "redshift",
    "wavelength does not increase strictly": "wavelength",
    "wavelengths in the frame SPECSYS = 'TOPOCENT'; allowed: BARYCENT": "frame",
    "TUNIT = 'parsec'; allowed: a unit that converts to Angstrom": "unit",
    "covers 4000-5000 Å, 20% of the network's 3900-9000 Å": "coverage",
    "flux is zero everywhere": "flux",
    "ivar is zero everywhere": "error",
    "S/N_r = 1.20; at least 5 is needed, as in the paper's sample": "signal",
    "none of the network's inputs (rvs, xp)": "input",
    "of a star that the run was trained on": "learned",
    "MemoryError": "memory",
    "quite another thing": "reason",
}


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_code(reason):
    assert code_of(reason) == REASONS[reason]


def test_codes_are_all_documented_and_all_used():
    assert {code for code, _ in PATTERNS} | {"reason"} == set(CODES) == set(REASONS.values())
    assert all(re.fullmatch("[a-z]+", code) for code in CODES)
    page = (Path(__file__).parents[2] / "docs" / "surveys.md").read_text()
    assert dict(re.findall(r"^\| `([a-z]+)` \| (.*) \|$", page, re.M)) == CODES


def test_table_of_rejects():
    table = reject_table([{"file": "a", "id": "1", "reason": "ivar is zero everywhere"},
                          {"file": "b", "hdu": "HDU 1, row 2", "id": "", "code": "sky",
                           "reason": "x"}])  # fmt: skip
    assert tuple(table.columns) == COLUMNS == ("file", "hdu", "id", "code", "reason")
    assert table.iloc[0].tolist() == ["a", "", "1", "error", "ivar is zero everywhere"]
    assert table.iloc[1].tolist() == ["b", "HDU 1, row 2", "", "sky", "x"]
    assert reject_table([]).columns.tolist() == list(COLUMNS)


def test_place_of_a_row_in_a_table(tmp_path):
    hdus = table_hdus(header=[("COEFF0", 3.6), ("COEFF1", 1e-4)])
    hdus[1].data["flux"][2] = 0
    hdus.writeto(tmp_path / "rows.fits")
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE")
    stream = read_many(tmp_path, progress=False)
    assert sum(map(len, stream)) == 4
    bad, row = stream.rejects
    assert (bad["hdu"], bad["code"]) == ("", "damaged")
    assert (row["hdu"], row["code"], row["reason"]) == (
        "HDU 1, row 3", "flux", "flux is zero everywhere")  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("12", 12), ("0.25", 0.25), ("0.0", 0.0)])
def test_limit_is_a_number_or_a_share(text, value):
    assert limit_of(text) == value and type(limit_of(text)) is type(value)
    check_limit(value)


@pytest.mark.parametrize("value", [-1, 1.0, -0.1, 3.5])
def test_other_limits_are_refused(value):
    with pytest.raises(UsageError, match="whole number, or a share"):
        How(max_rejects=value)


def test_a_share_is_judged_after_enough_spectra():
    limit = Limit(0.5)
    limit.add(Receipt(0, LEAST - 1, LEAST - 1, 0))
    with pytest.raises(SuiteError, match=f"{LEAST} of {LEAST} could not be used"):
        limit.add(Receipt(1, 0, 0, 1))
    number = Limit(3)
    number.add(Receipt(0, 9, 3, 0))
    with pytest.raises(SuiteError, match=r"4 of 10 .* more than --max-rejects 3"):
        number.add(Receipt(0, 0, 0, 1))
    Limit(None).add(Receipt(0, 9, 9, 9))


def names_of(spectra):
    return pd.DataFrame({"id": spectra.ids, "file": spectra.meta["file"]}), []


@pytest.fixture
def spectra(tmp_path):
    """Nine files of which three are no spectra."""
    for number in range(6):
        spec_hdus(PLATE=number + 1).writeto(tmp_path / f"a{number}.fits")
    for number in range(3):
        fits.PrimaryHDU(np.ones((2, 2))).writeto(tmp_path / f"b{number}.fits")
    return tmp_path


@pytest.mark.parametrize("limit", [2, 0.3])
def test_a_catalogue_stops_and_keeps_what_is_finished(spectra, tmp_path, limit, monkeypatch):
    monkeypatch.setattr("common.catalogue.files.FILES", 2)
    (tmp_path / "config.json").write_text("{}")
    source = SpectrumFiles(sorted(spectra.glob("*.fits")))
    recipe = Recipe(source=source, rows=names_of, run_dir=tmp_path)
    out = tmp_path / "o.csv"
    with pytest.raises(SuiteError, match=f"could not be used, more than --max-rejects {limit}"):
        make(recipe, out, How(max_rejects=limit))
    assert not out.exists() and len(pd.read_csv(tmp_path / "o.partial.csv")) == 6
    lost = read_table(rejects_of(tmp_path / "o.partial.csv"))
    assert lost["code"].tolist() == ["unknown"] * 3
    made = make(recipe, out, How(max_rejects=3))
    assert (made.rows, made.lost) == (6, 3) and not (tmp_path / "o.csv.parts").exists()


def test_limit_of_a_command_line():
    from common.catalogue.how import add_how, how_of
    from common.cli import parser

    p = parser("x", "y")
    add_how(p)
    assert how_of(p.parse_args(["--max-rejects", "0.1"])).max_rejects == 0.1
    assert how_of(p.parse_args([])).max_rejects is None
    with pytest.raises(SystemExit):
        p.parse_args(["--max-rejects", "many"])


def test_limit_counts_what_earlier_calls_left():
    table = pd.DataFrame({"id": ["a"]})
    parts = SimpleNamespace(
        rejects=lambda: iter([{"reason": "ivar is zero everywhere"}] * 2),
        tables=lambda columns: iter([table]),
        kinds=lambda: table.dtypes,
    )
    with pytest.raises(SuiteError, match=r"2 of 3 .* 2 x error \(no errors"):
        Limit(1).check(parts)
    Limit(0.9).check(parts)
