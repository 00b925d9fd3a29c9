"""What the shared evaluation says of simulated spectra: they never pass for the sky."""

from types import SimpleNamespace

import pandas as pd
import pytest

from common import claims
from common.evaluation import MOCK_TO_REAL, Beside, Evaluation, beside_sections

MOCK_RUN = SimpleNamespace(is_mock=True)


@pytest.mark.parametrize("kinds, banner", [
    ("real files", MOCK_TO_REAL[:20]),
    ("mock files", "MOCK DATA"),
    ("mock files and real files", "MOCK DATA"),
])  # fmt: skip
def test_mocks_among_the_files_are_no_sky(kinds, banner):
    ev = Evaluation(df=pd.DataFrame(), dataset=f"x-mock -> {kinds} (dir)", config=MOCK_RUN,
                    real=True)  # fmt: skip
    assert ev.banner().startswith(banner)


def test_evaluations_on_mock_files_stand_in_no_section_of_real_spectra(tmp_path):
    for name, kind in (("on_sky", "real"), ("on_sim", "mock")):
        table = pd.DataFrame({"n": [3]})
        claims.write(table, tmp_path / name / "tables" / "t.ecsv", dataset=f"x -> {kind} files")
        (tmp_path / name / "figures").mkdir()
        (tmp_path / name / "figures" / "f.png").touch()
    claims.write(table, tmp_path / "on_sky" / "tables" / "u.ecsv", dataset="x -> real files")
    shown = Beside("Real spectra", "", "t", {"f": "F"}, ("u", "v"))
    (section,) = beside_sections(shown, [tmp_path])
    assert list(section.tables) == ["x -> real files", "x -> real files: u"]
    assert list(section.figures) == ["F (on_sky)"]
