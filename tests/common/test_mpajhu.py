"""MPA-JHU tables in their own layouts, and the paper's cuts."""

import gzip

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import MissingDataError, ReadError
from common.surveys.mpajhu import read_mpajhu
from common.surveys.tablefile import read_columns
from lamost_metallicity import selection

N = 8
ID = 299489677444933632  # of a real specObjID's size: no float64 holds it exactly


def extra(n=N):
    """Return galSpecExtra's columns for n galaxies; the last has no metallicity or class."""
    rng = np.random.default_rng(3)
    table = {"BPTCLASS": np.array([1, 1, 3, 4, 5, 2, 1, -1][:n], "i2")}
    for name, centre in (("OH", 8.9), ("LGM_TOT", 10.2), ("LGM_FIB", 9.8), ("SFR_TOT", 0.3),
                         ("SFR_FIB", -0.2), ("SPECSFR_TOT", -9.9)):  # fmt: skip
        middle = centre + 0.1 * rng.normal(size=n)
        for part, step in (("P2P5", -0.2), ("P16", -0.1), ("P50", 0.0), ("P84", 0.12),
                           ("P97P5", 0.2)):  # fmt: skip
            table[f"{name}_{part}"] = (middle + step).astype("f4")
        table[f"{name}_ENTROPY"] = np.ones(n, "f4")
    for part in ("P2P5", "P16", "P50", "P84", "P97P5"):
        table[f"OH_{part}"][-2:] = -9999
        table[f"SFR_TOT_{part}"][0] = -9999
    return table


def info(n=N):
    return {
        "PLATEID": np.arange(266, 266 + n, dtype="i2"), "MJD": np.full(n, 51602, "i4"),
        "FIBERID": np.arange(1, n + 1, dtype="i2"),
        "RA": (150 + 0.1 * np.arange(n)).astype("f4"), "DEC": np.linspace(-1, 40, n).astype("f4"),
        "SPECTROTYPE": np.full(n, b"GALAXY"),
        "Z": np.random.default_rng(4).uniform(0.01, 0.3, n).astype("f4"),
        "Z_ERR": np.full(n, 1e-5, "f4"), "Z_WARNING": np.zeros(n, "i2"),
        "SN_MEDIAN": np.full(n, 12, "f4"), "RELIABLE": np.ones(n, "i2"),
    }  # fmt: skip


def lines(n=N):
    table = {}
    for k, name in enumerate(("H_ALPHA", "H_BETA", "OIII_5007", "NII_6584", "SII_6717")):
        table[f"{name}_EQW"] = np.full(n, -10.0 - k, "f4")
        table[f"{name}_FLUX"] = np.full(n, 100.0 - k, "f4")
        table[f"{name}_FLUX_ERR"] = np.full(n, 2.0, "f4")
    table["NII_6584_FLUX_ERR"][1] = -1.0  # the fit failed
    table["H_BETA_FLUX"][2] = -3.5  # a negative flux is a measurement
    return table


def ids(n=N):
    return np.array([f"  {ID + 2048 * i}" for i in range(n)], "S22")


def write(path, columns):
    Table({k: v for k, v in columns.items()}).write(path, format="fits", overwrite=True)


@pytest.fixture
def dr8(tmp_path):
    """The three DR8 files, with a spectrum without results and Extra's rows in another order."""
    own = {"SPECOBJID": ids()}
    gap = {k: np.append(v, v[:1]) for k, v in info().items()} | {"SPECOBJID": np.append(ids(), b"")}
    gap["PLATEID"][-1] = -1
    turned = {k: v[::-1] for k, v in (extra() | own).items()}
    for name, table in (("Info", gap), ("Extra", turned), ("Line", lines() | own)):
        write(tmp_path / f"galSpec{name}-dr8.fits", table)
    return tmp_path


def check(table):
    np.testing.assert_array_equal(table["fiberid"], np.arange(1, N + 1))
    np.testing.assert_allclose(table["oh_p50"][:-2], extra()["OH_P50"][:-2])
    assert table["oh_p50"].isna().tolist() == [False] * (N - 2) + [True] * 2
    np.testing.assert_allclose(table["oh_err"][:-2], 0.11, rtol=1e-4)  # (0.12 + 0.10) / 2
    assert table["oh_err"][-2:].isna().all()
    assert np.isnan(table["sfr_tot_p50"][0]) and np.isfinite(table["sfr_tot_p50"][1])
    np.testing.assert_allclose(table["lgm_fib_p50"], extra()["LGM_FIB_P50"], rtol=1e-6)
    assert table["bptclass"].tolist() == [1, 1, 3, 4, 5, 2, 1, -1]
    assert np.isnan(table["nii_6584_flux"][1]) and table["nii_6584_flux"][0] == 97
    assert table["hb_flux"][2] == -3.5 and table["ha_eqw"][0] == -10
    numbers = table.select_dtypes("number").astype(float)
    assert not ((numbers < -90) & (numbers.columns != "dec")).any().any()


def test_dr8_files_are_joined_by_their_ids_and_casjobs_text_gives_the_same(dr8, tmp_path):
    folder = tmp_path / "text"
    folder.mkdir()
    for name in ("Info", "Extra", "Line"):
        part = Table.read(dr8 / f"galSpec{name}-dr8.fits").to_pandas()
        part = part.map(lambda v: v.decode().strip() if isinstance(v, bytes) else v)
        part = part[part["SPECOBJID"] != ""]
        part.columns = [c.lower().replace("specobjid", "specObjID") for c in part]
        text = "#Table1\n" + part.to_csv(index=False)
        (folder / f"galSpec{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    one, other = read_mpajhu(dr8), read_mpajhu(folder)
    assert one["specobjid"].tolist() == [str(ID + 2048 * i) for i in range(N)]
    check(one)
    check(other)
    pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-6)


def dr7(folder, n=N):
    everything = extra(n)
    write(folder / "gal_info_dr7_v5_2.fit", info(n))
    write(folder / "gal_line_dr7_v5_2.fit", lines(n))
    for name, file in (("OH", "gal_fiboh"), ("LGM_FIB", "fiblgm"), ("SFR_TOT", "gal_totsfr")):
        part = {q: everything[f"{name}_{p}"].copy() for p, q in
                (("P16", "P16"), ("P50", "MEDIAN"), ("P84", "P84"))}  # fmt: skip
        for values in part.values():
            values[values == -9999] = -99.9
        write(folder / f"{file}_dr7_v5_2.fits", part)
    write(folder / "gal_iclass_table_dr7_v5_2.fits", {"I_CLASS": everything["BPTCLASS"]})


def test_dr7_files_are_joined_line_by_line(tmp_path):
    dr7(tmp_path)
    table = read_mpajhu(tmp_path)
    check(table)
    assert table["lgm_tot_p50"].isna().all()  # that file is not here
    write(tmp_path / "gal_fiboh_dr7_v5_2.fits", {"MEDIAN": np.ones(3), "P16": np.ones(3)})
    with pytest.raises(ReadError, match=r"gal_fiboh.*3 rows.*8"):
        read_mpajhu(tmp_path)


def test_what_is_missing_is_named(tmp_path, dr8):
    with pytest.raises(MissingDataError, match="no such folder"):
        read_mpajhu(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MissingDataError, match="galSpecInfo"):
        read_mpajhu(empty)
    (dr8 / "galSpecExtra-dr8.fits").unlink()
    with pytest.raises(MissingDataError, match="galspecextra"):
        read_mpajhu(dr8)


def test_damage_and_twins_are_named(dr8):
    path = dr8 / "galSpecExtra-dr8.fits"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ReadError, match=r"galSpecExtra-dr8\.fits.*truncated"):
        read_mpajhu(dr8)
    path.write_bytes(content)
    (dr8 / "galSpecExtra.csv").write_text("specobjid,oh_p50\n1,8.9\n")
    with pytest.raises(ReadError, match="2 files"):
        read_mpajhu(dr8)
    fits.PrimaryHDU().writeto(dr8 / "only.fits")
    for name, says in (("no.csv", r"no\.csv"), ("no.doc", "ending"), ("only.fits", ": none")):
        with pytest.raises(ReadError, match=says):
            read_columns(dr8 / name, ["ra"])


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=300), ending=st.sampled_from(["csv", "csv.gz", "fits", "txt"]))
def test_any_bytes_give_a_table_or_a_read_error(tmp_path_factory, content, ending):
    path = tmp_path_factory.mktemp("bytes") / f"t.{ending}"
    path.write_bytes(content)
    try:
        table = read_columns(path, ["ra", "dec", "specobjid"], text=["specobjid"])
    except ReadError as error:
        assert str(path) in str(error)
    else:
        assert set(table.columns) <= {"ra", "dec", "specobjid"}


@pytest.fixture
def sample(dr8):
    """Two LAMOST spectra of each MPA-JHU galaxy but the first, strangers, faint and far ones."""
    mpajhu = read_mpajhu(dr8)
    near = mpajhu.iloc[np.repeat(np.arange(1, N), 2)]
    step = np.where(np.arange(len(near)) % 2, 0.8, -0.7) / 3600  # arcsec, within the radius
    objects = pd.DataFrame({"ra": near["ra"], "dec": near["dec"] + step, "z": 0.1, "snr_r": 3.0})
    strangers = objects.assign(dec=objects["dec"] + 5 / 3600)
    cut = objects.iloc[:4].assign(z=[0.25, 0.1, np.nan, 0.3], snr_r=[9.0, 2.99, 9.0, 9.0])
    objects = pd.concat([strangers, objects, cut], ignore_index=True)
    return objects.assign(id=[str(i) for i in range(len(objects))]), mpajhu


def test_the_cuts_and_their_counts(sample):
    objects, mpajhu = sample
    labelled, counts = selection.select(objects, mpajhu)
    # Star-forming with O/H: galaxy 1 (0 is not here).
    assert counts["n"].tolist() == [32, 28, 14, 2]
    np.testing.assert_allclose(counts["fraction"][1:], [28 / 32, 0.5, 1 / 7])
    assert counts["published"].tolist() == [261381, 242500, 151000, 38500]
    chosen = labelled[labelled["has_label"]]
    assert chosen["specobjid"].unique().tolist() == [str(ID + 2048)]
    np.testing.assert_allclose(chosen["oh_true"], mpajhu["oh_p50"][1])
    np.testing.assert_allclose(np.sort(chosen["separation"]), [0.7, 0.8], atol=1e-3)
    matched = labelled[labelled["matched"]]
    assert matched["is_sf"].tolist() == [True] * 2 + [False] * 8 + [True] * 2 + [False] * 2
    assert labelled[~labelled["matched"]]["is_sf"].isna().all()
    assert labelled["id"].tolist() == [str(i) for i in range(28)]
    turned = selection.label(objects.iloc[::-1], mpajhu.iloc[::-1].reset_index(drop=True))
    one = selection.label(objects, mpajhu).set_index("id")  # labels follow their rows
    pd.testing.assert_frame_equal(one, turned.set_index("id").loc[one.index])
    text = selection.printed(counts)
    assert "261381" in text and "87.50 %" in text and len(text.splitlines()) == 5
