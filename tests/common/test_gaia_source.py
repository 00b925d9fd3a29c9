"""Gaia's gaia_source and GSP-Spec tables, and the parallax zero point."""

import warnings

import numpy as np
import pytest
from astropy.table import Table

from common.errors import ReadError
from common.surveys.gaia_source import (
    effective_wavenumber,
    gspspec_good,
    parallax_zero_point,
    read_gaia_source,
    read_gspspec,
)
from tests.common.test_gaia import FORMS, IDS, save


def source_table():
    missing = np.nan
    return Table({
        "SOURCE_ID": np.array([*IDS, 5], dtype=np.int64),
        "ra": [1.0, 2.0, 3.0], "dec": [-1.0, -2.0, -3.0],
        "phot_g_mean_mag": [12.5, 5.5, missing],
        "phot_bp_mean_mag": [13.0, 6.0, missing], "phot_rp_mean_mag": [11.9, 5.0, missing],
        "parallax": [-0.3, 2.0, missing], "parallax_error": [0.02, 0.02, missing],
        "ruwe": [1.0, 1.1, missing], "pmra": [1.0, 2.0, missing], "pmdec": [3.0, 4.0, missing],
        "ref_epoch": [2016.0] * 3, "rvs_spec_sig_to_noise": [20.0, missing, missing],
        "nu_eff_used_in_astrometry": [1.4, 1.5, missing], "pseudocolour": [missing] * 3,
        "ecl_lat": [30.0, -40.0, 0.0],
        "astrometric_params_solved": np.array([31, 31, 3], dtype=np.int16),
        "phot_variable_flag": ["NOT_AVAILABLE", "VARIABLE", "CONSTANT"],
    })  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_gaia_source_from_every_format(tmp_path, form):
    pytest.importorskip("zero_point")
    with pytest.warns(UserWarning, match="1 parallaxes have no zero point .outside its range"):
        frame = read_gaia_source(save(source_table(), tmp_path / f"a.{form}"))
    assert frame["source_id"].tolist() == [*IDS, 5] and frame["source_id"].dtype == np.int64
    assert frame["g"].tolist()[:2] == [12.5, 5.5] and np.isnan(frame["g"][2])
    assert frame["parallax"][0] == -0.3  # negative parallaxes are measurements
    assert frame["snr_rvs"].isna().tolist() == [False, True, True]
    assert frame["parallax_zp"].isna().tolist() == [False, True, True]  # G = 5.5 is out of range
    assert -0.06 < frame["parallax_zp"][0] < -0.01
    assert {"ra", "dec", "bp", "rp", "ruwe", "pmra", "pmdec", "ref_epoch"} < {*frame.columns}


def test_gaia_source_that_lacks_or_repeats_something(tmp_path):
    table = source_table()
    table["SOURCE_ID"][1] = table["SOURCE_ID"][0]
    with pytest.raises(ReadError, match=f"1 sources come more than once, {IDS[0]} the first"):
        read_gaia_source(save(table, tmp_path / "a.ecsv"))
    table = Table(source_table(), masked=True)
    table["SOURCE_ID"].mask = [False, True, False]
    path, lost = save(table, tmp_path / "b.csv"), []
    with pytest.warns(UserWarning, match=r"1 rows left out: source_id: 1 of 3 rows: no id"):
        assert len(read_gaia_source(path)) == 2
    assert len(read_gaia_source(path, rejects=lost)) == 2
    assert [(r["file"], r["id"]) for r in lost] == [(str(path), "row 2")]
    with pytest.raises(ReadError, match="nothing of gaia_source"):
        read_gaia_source(save(source_table()[["SOURCE_ID"]], tmp_path / "c.csv"))
    (tmp_path / "d.csv").write_text("source_id,ra,dec\n1,12h30m,4\n")
    with pytest.raises(ReadError, match=r"'12h30m' in the column ra, row 1"):
        read_gaia_source(tmp_path / "d.csv")
    table = source_table()
    table.remove_column("ecl_lat")  # without it there is no zero point
    with pytest.warns(UserWarning, match=r"2 parallaxes .*without columns ecl_lat"):
        frame = read_gaia_source(save(table, tmp_path / "e.csv"))
    assert frame["parallax_zp"].isna().all()


def test_zero_point_is_the_packages_and_none_outside_its_range():
    zpt = pytest.importorskip("zero_point").zpt
    zpt.load_tables()
    given = {
        "g": [12.2, 22.0, 15.0, 15.0, 15.0, 17.5, 5.9],
        "nu_eff": [1.48, 1.48, np.nan, 1.48, 2.0, 1.3, 1.5],
        "pseudocolour": [np.nan, np.nan, 1.5, np.nan, np.nan, np.nan, np.nan],
        "ecl_lat": [10.0, 0.0, -70.0, 0.0, 0.0, np.nan, 0.0],
        "params_solved": [31, 31, 95, 3, 31, 31, 31],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = parallax_zero_point(**given)
    good = [0, 2]
    assert np.flatnonzero(np.isfinite(value)).tolist() == good
    for row in good:
        assert value[row] == pytest.approx(zpt.get_zpt(*([v[row]] for v in given.values()))[0])
        assert -0.06 < value[row] < -0.01  # mas


PINNED = (  # solution, G, nu_eff or pseudocolour, ecliptic latitude: mas of gaiadr3-zeropoint 0.1.0
    (31, 6.5, 1.15, 0.0, -0.048851), (31, 11.0, 1.3, 45.0, -0.033252),
    (31, 12.5, 1.48, -60.0, -0.010468), (31, 12.5, 1.8, 0.0, -0.042365),
    (31, 15.2, 1.6, 45.0, -0.030889), (31, 17.5, 1.15, -60.0, -0.056184),
    (31, 20.0, 1.48, 45.0, -0.017125), (95, 6.5, 1.3, 0.0, -0.032104),
    (95, 11.0, 1.65, -60.0, -0.018355), (95, 15.2, 1.48, 45.0, -0.031865),
    (95, 17.5, 1.3, 0.0, -0.048247), (95, 20.0, 1.65, -60.0, -0.052269),
)  # fmt: skip


def test_zero_point_over_magnitude_colour_and_latitude():
    pytest.importorskip("zero_point")
    solved, g, colour, latitude, expected = np.array(PINNED).T
    value = parallax_zero_point(
        g=g, nu_eff=colour, pseudocolour=colour, ecl_lat=latitude, params_solved=solved
    )
    np.testing.assert_allclose(value, expected, atol=1e-9)


@pytest.mark.parametrize("bp_rp, archive", [
    (0.88323975, 1.5209767), (1.0488033, 1.4838136), (1.6681738, 1.3904984), (1.9089565, 1.3557875),
])  # fmt: skip
def test_effective_wavenumber_of_a_colour_is_near_the_archives(bp_rp, archive):
    """Four sources of Gaia DR3 in crowded fields, bp_rp and nu_eff_used_in_astrometry.

    The archive's come from the spectra themselves, so that they scatter about the relation.
    """
    assert effective_wavenumber(bp_rp) == pytest.approx(archive, abs=0.016)


def test_effective_wavenumber_is_that_of_the_equation():
    """C = tan[pi / 1.61 (1.76 - nu_eff)] / 0.531, its inverse, at ends and middle of A4's range."""
    for nu_eff in (1.24, 1.48, 1.72):
        colour = np.tan(np.pi / 1.61 * (1.76 - nu_eff)) / 0.531
        assert effective_wavenumber(colour) == pytest.approx(nu_eff, abs=1e-12)
    assert np.isnan(effective_wavenumber(np.nan))


def test_gspspec(tmp_path):
    table = Table({"source_id": np.array(IDS, dtype=np.int64)})
    for name, value, half in (("teff", 4800.0, 50.0), ("logg", 2.5, 0.2), ("mh", -0.5, 0.1),
                              ("fem", -0.02, 0.05), ("alphafe", 0.2, 0.03)):  # fmt: skip
        table[f"{name}_gspspec"] = [value, np.nan]
        table[f"{name}_gspspec_lower"] = [value - half, np.nan]
        table[f"{name}_gspspec_upper"] = [value + half, np.nan]
    table["flags_gspspec"] = ["0" * 41, ""]
    for form in ("csv", "fits", "xml"):
        frame = read_gspspec(save(table, tmp_path / f"a.{form}"))
        row = frame.iloc[0]
        expected = dict(teff=4800, logg=2.5, m_h=-0.5, fe_h=-0.52, alpha_m=0.2, teff_err=50,
                        m_h_err=0.1, fe_h_err=np.hypot(0.1, 0.05), alpha_m_err=0.03)  # fmt: skip
        np.testing.assert_allclose(row[[*expected]].astype(float), [*expected.values()])
        assert frame["flags"].tolist() == ["0" * 41, ""]
        assert frame.iloc[1][["teff", "fe_h"]].isna().all()


def test_quality_of_gspspec_is_that_of_the_flags_of_parameters():
    """13 characters of the parameters decide; those of the abundances after them do not."""
    good = "0" * 13 + "9" * 28
    flags = [good, "0" * 12 + "1" + "0" * 28, "1" + good[1:], "0" * 41, "", "000", None]
    assert gspspec_good(flags).tolist() == [True, False, False, True, False, False, False]
    assert gspspec_good([]).dtype == bool
