from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from common import claims
from common.errors import ReadError

OURS = Path(__file__).parents[2] / "gasnet2" / "claims.toml"


def claim(**changes):
    fields = dict(id="a", where="Fig. 1", quantity="accuracy", conditions="all", published=0.92,
                  tolerance=0.005, dataset="sdss", better="higher")  # fmt: skip
    return claims.Claim(**(fields | changes))


@pytest.mark.parametrize(
    ("ours", "better", "expected"),
    [(0.921, "none", "reproduced"), (0.925, "none", "reproduced"),  # exactly the tolerance
     (0.926, "none", "missed"), (0.99, "higher", "reproduced"), (0.99, "lower", "missed"),
     (0.90, "higher", "missed"), (0.90, "lower", "reproduced"),
     (np.nan, "higher", "untested"), (None, "higher", "untested")],
)  # fmt: skip
def test_verdict(ours, better, expected):
    assert claims.verdict(claim(better=better), ours) == expected


def test_a_mock_never_fills_the_real_survey_and_a_run_on_it_does():
    table = claims.judge([claim()], {"a": 0.95}, "sdss-mock").set_index("dataset")
    assert table["verdict"].to_dict() == {"sdss-mock": "reproduced", "sdss": "untested"}
    assert np.isnan(table.loc["sdss", "ours"])
    table = claims.judge([claim()], {"a": 0.95}, "sdss")
    assert table[["dataset", "verdict", "ours"]].values.tolist() == [["sdss", "reproduced", 0.95]]
    table = claims.judge([claim(), claim(id="b")], {"a": 0.5}, "sdss-mock")  # b was not measured
    rows = table.loc[table["id"] == "b", ["dataset", "verdict"]]
    assert rows.values.tolist() == [["sdss", "untested"]]


def test_written_table_has_the_promised_columns(tmp_path):
    path = claims.write(claims.judge([claim()], {"a": 0.9}, "sdss-mock"), tmp_path / "c.ecsv", k=1)
    table = Table.read(path)
    assert tuple(table.colnames) == claims.COLUMNS
    assert table.meta["k"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["c.ecsv"]


ENTRY = """[[claim]]
id="a"\nwhere="w"\nquantity="q"\nconditions="c"\npublished=1.0\ntolerance=0.1\ndataset="sdss"
"""


def test_a_bad_file_says_what_is_wrong(tmp_path):
    path = tmp_path / "claims.toml"
    for text, says in (("not toml at all [", "claim"), ("x = 1", "claim"),
                       ('[[claim]]\nid = "a"\n', "entry 1"), (ENTRY * 2, "twice"),
                       (ENTRY + 'better="sideways"\n', "sideways")):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ReadError, match=says):
            claims.load(path)


def test_gasnet2_claims_cover_the_paper_and_can_all_be_measured():
    from gasnet2 import measured
    from gasnet2.config import CLASSES

    every = claims.load(OURS)
    classes = {survey: names for survey, names in CLASSES.items() if survey != "surveys"}
    others = {"fourmost benchmark", "coarse network"}  # that nothing here measures
    assert {c.dataset for c in every} == {*classes, *others}
    for c in every:
        counted = float(c.published).is_integer()  # such as the number of classes
        assert c.tolerance > 0 or (c.tolerance == 0 and counted), c.id
        if not c.measure:  # nothing here could measure it: the claim says why
            assert "not released" in c.conditions or "none is trained" in c.conditions, c.id
            continue
        metric = c.measure["metric"]
        assert metric in measured.MEASURES or metric in measured.REDSHIFT, c.id
        coarse = metric.startswith("coarse")
        for name in c.measure.get("classes", ()):
            allowed = classes["desi"] if coarse else classes[c.dataset]
            assert name in allowed, c.id
    for survey, names in classes.items():  # Tables 1-3 give every class's mean S/N
        assert {f"{survey}-mean-snr-{n}" for n in names} <= {c.id for c in every}
