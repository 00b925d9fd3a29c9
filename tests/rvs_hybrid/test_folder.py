"""A folder of the user's own training stars."""

import numpy as np
import pandas as pd
import pytest

from common.errors import MissingDataError
from common.surveys.gaia_rvs import N_PIXELS, write_rvs
from common.surveys.gaia_source import parallax_zero_point, zero_point_by_colour
from rvs_hybrid.stars import sample
from rvs_hybrid.stars.folder import read_folder
from rvs_hybrid.stars.sources import read_sources
from tests.rvs_hybrid import toy

STARS = toy.make_sample(4, with_m_h=True).stars.assign(
    dec=[-5.0, 5.0, 85.0, 0.0], parallax=[1.0, -0.2, 3.0, 4.0], parallax_error=0.05
)
STARS.loc[0, "a_k"] = -85.0
STARS.loc[1, ["fe_h", "fe_h_err", "j"]] = -9999.99, -9999.99, 99.99
IDS = STARS["source_id"].to_numpy()
APOGEE = STARS.iloc[[2, 0, 1]].reset_index(drop=True)


def xp(path, rows=(0, 1, 2, 3)):
    pytest.importorskip("gaiaxpy")
    from common.surveys.gaia_xp import N_COEFFICIENTS

    rng = np.random.default_rng(0)
    columns = {"source_id": IDS[list(rows)]}
    for band in ("bp", "rp"):
        for i in range(N_COEFFICIENTS):
            size = 500.0 if i == 0 else 100.0 / (i + 1) ** 2
            columns[f"{band}_coeff_{i}"] = size * (1 + 0.1 * rng.normal(size=len(rows)))
            columns[f"e_{band}_coeff_{i}"] = 0.1
    pd.DataFrame(columns).to_csv(path, index=False)


def test_everything_is_joined_by_source_id(tmp_path, capsys):
    toy.allstar(tmp_path / "allStar-dr17.fits", APOGEE)
    toy.source_table(tmp_path / "gaia_source.csv", STARS)
    xp(tmp_path / "xp.csv", rows=(0, 2, 3))
    flux = np.full((1, N_PIXELS), 0.9)
    write_rvs(tmp_path / "rvs.fits", source_id=IDS[:1], flux=flux, flux_error=flux / 50)
    found = read_folder(tmp_path)
    stars = found.stars.set_index("source_id")
    assert list(found.stars.columns) == list(sample.COLUMNS)
    assert set(stars.index) == set(IDS[:3].tolist())  # the fourth has no labels
    for name in ("teff", "m_h", "parallax"):
        np.testing.assert_allclose(stars.loc[IDS[:3], name], STARS[name][:3], rtol=1e-6)
    assert np.isnan(stars.loc[IDS[1], "fe_h"]) and np.isnan(stars.loc[IDS[0], "a_k"])
    assert np.isnan(stars.loc[IDS[1], "j"]) and stars.loc[IDS[1], "k"] == STARS["k"][1]
    place = {int(s): i for i, s in enumerate(found.stars["source_id"])}
    assert np.isfinite(found.xp[place[int(IDS[2])]]).all()
    assert np.isnan(found.xp[place[int(IDS[1])]]).all()
    np.testing.assert_allclose(found.rvs[place[int(IDS[0])]], 0.9, rtol=1e-6)
    assert np.isnan(found.rvs[place[int(IDS[2])]]).all()
    counts = dict(found.counts.itertuples(index=False))
    assert counts["stars in both (by source_id)"] == 3
    assert counts["of them with XP spectrum"] == 2 and counts["of them with RVS spectrum"] == 1
    assert "stars in both" in capsys.readouterr().out
    usable, _ = sample.quality(found.stars, found.xp, labels=("teff", "logg", "m_h"))
    assert usable.sum() == 2


def gspspec(path, stars, flags, **more):
    """Write Gaia's astrophysical_parameters of some stars."""
    columns = {"source_id": stars["source_id"], "flags_gspspec": flags}
    names = {"teff": "teff", "logg": "logg", "mh": "m_h", "alphafe": "alpha_m"}
    for theirs, ours in names.items():
        for end, shift in (("", 0.0), ("_lower", -0.1), ("_upper", 0.1)):
            columns[f"{theirs}_gspspec{end}"] = stars[ours] + shift
    for end in ("", "_lower", "_upper"):
        columns[f"fem_gspspec{end}"] = stars["fe_h"] - stars["m_h"]
    pd.DataFrame(columns | more).to_csv(path, index=False)


def test_labels_of_gspspec_are_those_of_good_flags(tmp_path, capsys):
    flags = ["0" * 41, "0" * 41, "0" * 6 + "1" + "0" * 34, "0" * 41]
    stars = STARS.assign(fe_h=STARS["m_h"] - 0.02)
    gspspec(tmp_path / "ap.csv", stars[:3], flags[:3])
    toy.source_table(tmp_path / "source.csv", STARS)
    xp(tmp_path / "xp.csv", rows=(0, 2, 3))
    other = APOGEE.assign(teff=9000.0)  # another scale's labels beside them do not count
    toy.allstar(tmp_path / "allStar.fits", other, gaia=True)
    found = read_folder(tmp_path, inputs=("xp", "coefficients"), labels="gspspec")
    table = found.stars.set_index("source_id")
    assert set(table.index) == set(IDS[:2].tolist()) and list(found.stars) == list(sample.COLUMNS)
    for name in ("teff", "logg", "m_h", "fe_h", "alpha_m", "parallax"):
        np.testing.assert_allclose(table.loc[IDS[:2], name], stars[name][:2], rtol=1e-6)
    np.testing.assert_allclose(table["m_h_err"], 0.1)
    both = np.isfinite(found.coefficients).all(axis=1)
    assert both.tolist() == [i == IDS[0] for i in found.stars["source_id"]]
    assert found.coefficients_error.shape == (2, 110)
    assert dict(found.counts.itertuples(index=False))[
        "with parameters of GSP-Spec, no flag above 0"] == 2  # fmt: skip
    assert "1 stars have a flag of GSP-Spec that is not 0" in capsys.readouterr().out
    # APOGEE's are those that are asked for by default: then GSP-Spec's file is of no use, and told.
    assert (read_folder(tmp_path).stars["teff"] == 9000).all()
    rejects = read_sources([tmp_path]).rejects
    assert ["--labels gspspec" in reject["reason"] for reject in rejects] == [True]


def test_gspspec_may_stand_in_gaia_source(tmp_path):
    more = {f"phot_{k}_mean_mag": STARS[k] for k in ("g", "bp", "rp")}
    more |= {k: STARS[k] for k in ("ra", "dec", "parallax", "parallax_error")}
    gspspec(tmp_path / "both.csv", STARS, ["0" * 41] * 4, **more)
    found = read_folder(tmp_path, inputs=("phot",), labels="gspspec").stars
    assert len(found) == 4 and found[["g", "teff", "parallax"]].notna().all().all()
    plain = read_sources([tmp_path])
    assert plain.rejects == [] and plain.stars["teff"].isna().all()
    bad = tmp_path / "bad"
    bad.mkdir()
    gspspec(bad / "both.csv", STARS, ["1" * 41] * 4, **more)
    with pytest.raises(MissingDataError, match="flags are all 0"):
        read_folder(bad, inputs=("phot",), labels="gspspec")


def test_older_releases_are_joined_by_position_with_proper_motion(tmp_path):
    # DR2's identifiers mean nothing here; one star has moved by 3.2 arcsec since 2MASS saw it
    moved = APOGEE["dec"] - np.array([3.2, 0.0, 0.0]) / 3600
    other = APOGEE.assign(source_id=[1, 2, IDS[3]], dec=moved)
    toy.allstar(tmp_path / "allStar.fits", other, release="GAIA")
    motion = dict(pmra=0.0, pmdec=[0.0, 0.0, 200.0, 0.0], ref_epoch=2016.0)
    toy.source_table(tmp_path / "source.csv", STARS, **motion)
    xp(tmp_path / "xp.csv")
    found = read_folder(tmp_path)
    stars = found.stars.set_index("source_id")
    assert set(stars.index) == set(IDS[:3].tolist())
    np.testing.assert_allclose(stars.loc[IDS[:3], "snr"], STARS["snr"][:3])
    assert dict(found.counts.itertuples(index=False))["stars in both (by position)"] == 3


def test_parallaxes_of_allstar_get_their_zero_point(tmp_path):
    toy.allstar(tmp_path / "allStar.fits", APOGEE, gaia=True)
    stars = STARS.drop(columns=["parallax", "parallax_error"])
    stars[["source_id", "ra", "dec"]].assign(ruwe=1.0).to_csv(tmp_path / "source.csv", index=False)
    read = read_sources([tmp_path]).stars.set_index("source_id").loc[IDS[:3]]
    found = read_folder(tmp_path, inputs=("phot", "parallax")).stars.set_index("source_id")
    for table in (read, found.loc[IDS[:3]]):
        np.testing.assert_allclose(table["parallax"], STARS["parallax"][:3])
        assert table["parallax_zp"].between(-0.09, 0.01).all()
    sun = dict(g=[12.0], bp_rp=[0.82], ra=[266.0], dec=[-29.0])  # nu_eff of a solar colour is 1.55
    here = zero_point_by_colour(**sun)
    there = parallax_zero_point(g=[12.0], nu_eff=[1.546], pseudocolour=[np.nan], ecl_lat=[-5.6],
                                params_solved=[31])  # fmt: skip
    assert here == pytest.approx(there, abs=1e-3) and -0.06 < here[0] < -0.01


def test_networks_without_xp_need_no_xp(tmp_path):
    toy.allstar(tmp_path / "allStar.fits", APOGEE, gaia=True)
    with pytest.raises(MissingDataError, match="Gaia's files"):
        read_folder(tmp_path, inputs=("phot",))
    with pytest.raises(MissingDataError, match=r"RVS spectra .* are missing"):
        read_folder(tmp_path, inputs=("rvs",))
    own = tmp_path / "rvs"
    own.mkdir()
    flux = np.full((2, N_PIXELS), 0.9)
    write_rvs(own / "rvs.fits", source_id=IDS[:2], flux=flux, flux_error=flux / 50, mock=[1, 0])
    found = read_folder(tmp_path, inputs=("rvs",), rvs_dir=own)
    assert found.stars.set_index("source_id")["rvs_made"].loc[IDS[:2]].tolist() == [1, 0]
    assert np.isfinite(found.rvs).all() and np.isnan(found.xp).all()
    stars = found.stars.assign(fe_h=0.0, j=found.stars["k"] + 0.6)
    assert sample.quality(stars, found.xp, labels=("teff",), need_xp=False)[0].all()
    assert not sample.quality(stars, found.xp, labels=("teff",))[0].any()


def test_a_folder_that_lacks_something_says_what(tmp_path):
    toy.source_table(tmp_path / "source.csv", STARS)
    with pytest.raises(MissingDataError, match=r"allStar.* are missing; found .*gaia_source"):
        read_folder(tmp_path)
    toy.allstar(tmp_path / "allStar.fits", APOGEE)
    with pytest.raises(MissingDataError, match=r"XP continuous coefficients"):
        read_folder(tmp_path)


def test_stars_without_a_common_source_are_told(tmp_path):
    toy.allstar(tmp_path / "allStar.fits", APOGEE.assign(source_id=[1, 2, 3]))
    xp(tmp_path / "xp.csv")
    with pytest.raises(MissingDataError, match="none of the 3 stars"):
        read_folder(tmp_path)


def test_every_table_of_a_folder_is_used_and_says_what_it_shares(tmp_path, capsys):
    """A row without an id costs that row; names such as gaia_source.csv keep no table out."""
    toy.allstar(tmp_path / "allStar-dr17-synspec_rev1.fits", APOGEE)
    toy.source_table(tmp_path / "gaia_source.csv", STARS)
    text = (tmp_path / "gaia_source.csv").read_text().replace(str(IDS[1]), "")
    (tmp_path / "gaia_source.csv").write_text(text.replace(",", ";").replace(".", ","))
    found = read_sources([tmp_path])
    stars = found.stars.set_index("source_id")
    assert sorted(stars.index) == sorted(IDS.tolist())  # the second is allStar's alone
    assert stars["ruwe"].isna().tolist() == [i == IDS[1] for i in stars.index]
    np.testing.assert_allclose(stars.loc[IDS[0], "g"], STARS["g"][0])
    assert [(r["id"], "no id" in r["reason"]) for r in found.rejects] == [("row 2", True)]
    assert "gaia_source: 3 sources, 2 of them in files of another kind" in capsys.readouterr().out
    toy.allstar(tmp_path / "allStar-other.fits", APOGEE.assign(source_id=APOGEE["source_id"] + 1))
    (tmp_path / "allStar-dr17-synspec_rev1.fits").unlink()
    read_sources([tmp_path])
    assert "APOGEE: 3 sources, WARNING: NONE in the others" in capsys.readouterr().out


@pytest.mark.parametrize("folder, kinds", [
    ("gaia_folder", {"g", "xp"}), ("gaia_allstar", {"g", "teff"}),
])  # fmt: skip
def test_folders_of_several_tables(shared_data, folder, kinds):
    folder = shared_data / "inputs" / folder
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    if "xp" in kinds:
        pytest.importorskip("gaiaxpy")
    found = read_sources([folder])
    assert found.stars["g"].notna().sum() == 4
    assert found.stars["teff"].notna().sum() == (4 if "teff" in kinds else 0)
    assert np.isfinite(found.xp).all(axis=1).any() == ("xp" in kinds)
