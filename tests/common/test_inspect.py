"""What a page of inspection is made from: rows, arrays, verdicts; and that nothing escapes."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.catalog import write_table
from common.commands.inspect import rows_of
from common.errors import ReadError, UsageError
from common.inspect import pack
from common.inspect.page import write_page
from common.inspect.select import chosen
from common.inspect.verdicts import read_verdicts
from common.inspect.view import numbers, per_cent
from tests.common.toy_page import toy

TABLE = pd.DataFrame({
    "id": ["a", "b", "c", "d"], "class": ["QSO", "STAR", "QSO", ""], "z": [2.5, 0.0, np.nan, 1.0],
    "n": [1, 2, 3, 4], "robust": [True, False, True, False],
    "warnings": ["LOW_SNR;BAD_PIXELS", "", "LOW_SNR", "X"],
})  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("z < 2", "bd"),
        ("z != 2.5", "bcd"),  # NaN differs from everything, as in Python
        ('class == "QSO" and z > 2', "a"),
        ("(class == 'QSO') & (n >= 3)", "c"),
        ('class in ("STAR", "") or n == 3', "bcd"),
        ('"LOW_SNR" in warnings', "ac"),
        ('not ("LOW_SNR" in warnings)', "bd"),
        ('"LOW_SNR" not in warnings', "bd"),
        ("known(z)", "abd"),
        ("abs(z - 1) < 0.1", "d"),
        ("0 <= z <= 1", "bd"),
        ("2 * n - 1 > 4", "cd"),
        ("robust", "ac"),
        ("n / 0 > 1", "abcd"),
        ("z > -1", "abd"),
    ],
)
def test_rows_are_chosen_by_an_expression(expression, expected):
    assert "".join(TABLE["id"][chosen(TABLE, expression)]) == expected


@pytest.mark.parametrize(
    "expression",
    ["z", "z <", "z + 1", "class < 3", "z == 'a'", "__import__('os').system('true')", "z.real > 0",
     "[x for x in z]", "lambda: 1", "", "1", "z < 1 if n else n > 1", "exec('1')", "abs(z, 1) < 1",
     "'a' in z", "z in 3", "(" * 300, "z < 1\nn < 1", "'a' < 'b'", "not z"],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_examples(expression):
    with pytest.raises(UsageError, match=r"--select .*Allowed: p_z < 0.5"):
        chosen(TABLE, expression)


def test_an_unknown_column_is_told_with_those_that_there_are():
    with pytest.raises(UsageError, match=r"no column 'zz'\. It has: id, class, z, n, robust"):
        chosen(TABLE, "zz < 1")


@settings(max_examples=40)
@given(st.text(max_size=30))
def test_no_text_runs_or_breaks_the_selection(text):
    try:
        found = chosen(TABLE, text)
    except UsageError:
        return
    assert found.dtype == bool and found.shape == (4,)


def test_ids_choose_in_their_order_and_unknown_ones_are_told(tmp_path):
    assert list(rows_of(TABLE, "id", ids="c,a")["id"]) == ["c", "a"]
    (tmp_path / "ids.txt").write_text("d\nb\n")
    assert list(rows_of(TABLE, "id", ids=str(tmp_path / "ids.txt"), select="n > 2")["id"]) == ["d"]
    with pytest.raises(UsageError, match="no nobody"):
        rows_of(TABLE, "id", ids="a,nobody")
    with pytest.raises(UsageError, match="No row"):
        rows_of(TABLE, "id", select="z > 9")


def test_arrays_come_back_within_what_a_screen_shows():
    rng = np.random.default_rng(1)
    flux = rng.normal(5, 3, 1000)
    back = np.frombuffer(pack.halves(flux, 5.0), "<f2").astype(float) * 5
    assert np.abs(back - flux).max() < 1e-3 * np.abs(flux).max()
    error = 10 ** rng.uniform(-1, 1, 1000)
    error[3] = np.nan
    data, least = pack.steps(error)
    levels = np.frombuffer(data, "u1").astype(float)
    back = least * np.exp(pack.ERROR_STEP * (levels - 1))
    assert levels[3] == 0 and levels[0] > 0
    assert np.nanmax(np.abs(back / error - 1)[levels > 1]) < 0.016
    pdf = rng.dirichlet(np.full(500, 0.02))
    data, most = pack.roots(pdf)
    back = most * (np.frombuffer(data, "u1") / 255) ** 2
    assert np.abs(back - pdf).max() < 0.005 * pdf.max()
    assert pack.roots(np.zeros(5)) == (bytes(5), 1.0)
    assert pack.steps(np.full(4, np.nan)) == (bytes(4), 1.0)


@pytest.mark.parametrize(
    "wave",
    [10 ** (3.55 + 1e-4 * np.arange(4000)), 3600 + 0.8 * np.arange(7781),
     np.cumsum(np.random.default_rng(1).uniform(0.5, 1.5, 500)) + 4000],
    ids=["log", "linear", "uneven"],
)  # fmt: skip
def test_grids_are_kept_once_and_even_ones_as_two_numbers(wave):
    grids = pack.Grids()
    assert grids.number_of(wave) == grids.number_of(wave.copy()) == 0
    kept = grids.kept[0]
    if "data" in kept:
        import base64

        back = np.frombuffer(base64.b64decode(kept["data"]), "<f4")
    else:
        back = kept["first"] + kept["step"] * np.arange(kept["n"])
        back = 10**back if kept["log"] else back
    assert np.abs(back - wave).max() < 0.05 * np.diff(wave).min()


def test_long_spectra_are_averaged_with_their_errors():
    wave, flux, error = pack.shortened(np.arange(20000.0), np.ones(20000), np.full(20000, 3.0))
    assert len(wave) == 6666 and np.allclose(flux, 1) and np.allclose(error, 3 / np.sqrt(3))


def test_nothing_that_a_user_names_becomes_a_part_of_the_page(tmp_path):
    evil = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
    page = toy(3, name=evil, title=evil)
    text = write_page(page, tmp_path / "page.html", key=evil).read_text(encoding="utf-8")
    assert "<script>alert" not in text and "<img src=x" not in text
    told = json.loads(re.search(r'id="told">(.*?)</script>', text, re.S)[1])
    assert told["objects"][0]["id"].endswith(evil) and told["title"] == evil
    assert told["objects"][0]["numbers"][1][1] == "–"


def test_no_address_outside_is_loaded(tmp_path):
    text = write_page(toy(1), tmp_path / "page.html", key="k").read_text(encoding="utf-8")
    assert not re.search(r'<(script|link|img|iframe)[^>]+(src|href)="', text)


def test_numbers_are_told_with_unit_error_and_meaning():
    row = {"teff": 5777.0, "teff_err": 51.3, "x": np.nan, "ok": True, "pdf": np.zeros(3)}
    assert numbers(row, {"teff": "K", "x": "m"}, {"teff": "temperature"}) == [
        ("teff", "5777 ± 51 K", "temperature"), ("x", "–", ""), ("ok", "yes", ""),
    ]  # fmt: skip
    assert [per_cent(p) for p in (0.5, 0.0123, 0.004, 1e-9, 0.9999, np.nan)] == [
        "50 %", "1 %", "0.4 %", "under 0.1 %", "over 99 %", "unknown",
    ]  # fmt: skip


def test_verdicts_of_low_quality_are_no_labels(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text(
        'id,file,class,z,quality,comment\n0266-1,f,QSO,2.1,4,"odd, ""very"""\nb,f,STAR,,3,\n'
        "c,f,QSO,1.0,2,\nd,f,,,4,nothing named\n"
    )
    found = read_verdicts(path)
    assert list(found.index) == ["0266-1", "b"] and found.loc["0266-1", "comment"] == 'odd, "very"'
    assert np.isnan(found.loc["b", "z"]) and found.loc["0266-1", "z"] == 2.1
    assert list(read_verdicts(path, certain=2).index) == ["0266-1", "b", "c"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id,z\na,1\n", "no column quality"),
        ("id,class,z,quality\na,QSO,1,5\n", "quality 5"),
        ("id,class,z,quality\na,QSO,far,4\n", "z 'far'"),
        ("id,class,z,quality\na,QUASAR,1,4\n", "the class 'QUASAR'"),
        ("id,class,z,quality\na,QSO,1,4\na,QSO,2,4\n", "two verdicts"),
        ("id,class,z,quality\na,QSO,1,1\n", "none with a class or a redshift of quality 3"),
    ],
)
def test_verdicts_that_cannot_be_labels_are_told(tmp_path, text, why):
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(ReadError, match=why):
        read_verdicts(tmp_path / "v.csv", kinds=("QSO", "STAR"))


def test_selection_reads_what_catalogues_write(tmp_path):
    from common.catalog import read_table

    write_table(TABLE, tmp_path / "t.fits")
    assert list(rows_of(read_table(tmp_path / "t.fits"), "id", select='class == "QSO"')["id"]) == [
        "a", "c",
    ]  # fmt: skip
