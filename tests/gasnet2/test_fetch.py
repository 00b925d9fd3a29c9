"""The paper's samples by name: from the archives and the authors, against servers on loopback."""

import io

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from common.assets.registry import servers
from common.assets.web import Web
from common.errors import MissingDataError
from common.sample import place
from gasnet2 import fetch, selection, train
from gasnet2.archive import desi, sdss
from gasnet2.archive.find import authors_tables, find
from gasnet2.config import SDSS_CLASSES, make_config
from gasnet2.data import prepare
from tests.servers import Loopback
from tests.servers.archives import hub
from tests.servers.loopback import changed, status
from tests.servers.tap import Tap

TABLES = ("train.fits", "valid.fits", "test.fits")
CONTENT = {name: b"SIMPLE  =".ljust(2880 * n) for n, name in enumerate(TABLES, 3)}


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Start a server that all archives are at, with an empty cache."""
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Web, "hold", lambda self, seconds: None)
    with Loopback() as here:
        for name, (_, variable) in servers().items():
            monkeypatch.setenv(variable, here.url + ("/tap" if name.endswith("-tap") else ""))
        yield here


def test_the_authors_tables_arrive_once_and_whole(served, capsys):
    served.apps.append(hub({f"Fucheng/GaSNet-II-SDSS-dataset/{k}": v for k, v in CONTENT.items()}))
    paths = authors_tables()
    assert [p.name for p in paths] == list(TABLES)
    assert [p.read_bytes() for p in paths] == list(CONTENT.values())
    n = len(served.requests)
    assert find(make_config("sdss", "smoke", grid_named=True), offline=True) == paths
    assert fetch.main(["--source", "authors", "--offline"]) == 0
    assert len(served.requests) == n, "what is in the cache is not fetched again"


def test_without_a_network_one_message_says_all(served):
    served.always = status(503)
    with pytest.raises(MissingDataError) as error:
        authors_tables()
    text = str(error.value)
    for words in ("train.fits", "3.8 GB", "python -m gasnet2.fetch --source authors",
                  "train --dataset sdss-mock", "--data-dir", "status 503"):  # fmt: skip
        assert words in text


def specobj(n=24, seed=0):
    """Rows of SDSS's table specObj, in its columns, of Table 1's classes and others."""
    rng = np.random.default_rng(seed)
    names = [*SDSS_CLASSES, "STAR_M4", "GALAXY_AGN BROADLINE"] * n
    split = [name.split("_", 1) for name in names]
    return pd.DataFrame({
        "plate": rng.permutation(4000)[: len(names)] + 266, "mjd": 55000, "fiberid": 7,
        "run2d": ["26", "v5_13_0"][0], "class": [a for a, _ in split],
        "subclass": ["" if b == "nan" else b for _, b in split], "z": 0.1, "zwarning": 0,
        "snmedian": rng.uniform(2, 30, len(names)), "ra": 1.0, "dec": 2.0,
    })  # fmt: skip


def test_sdss_cuts_and_draw_from_the_columns_of_its_own_table():
    table = specobj()
    config = make_config("sdss", "smoke", per_class=10)
    upper = table.rename(columns=str.upper).rename(columns={"SNMEDIAN": "SN_MEDIAN_ALL"})
    chosen, counts = selection.select(sdss.labelled(upper), config)
    assert counts["n"].tolist() == [15 * 24, 13 * 24, 130]
    assert counts["published"].tolist()[-1] == 260_000
    assert chosen["class"].value_counts().to_dict() == dict.fromkeys(SDSS_CLASSES, 10)
    again, _ = selection.select(sdss.labelled(table.sample(frac=1, random_state=1)), config)
    assert set(again["id"]) == set(chosen["id"]), "the order of rows does not matter"
    fewer, _ = selection.select(sdss.labelled(table), make_config("sdss", "smoke", per_class=4))
    assert set(fewer["id"]) < set(chosen["id"])
    other, _ = selection.select(sdss.labelled(table), make_config("sdss", "smoke", per_class=10,
                                                                  seed=2))  # fmt: skip
    assert set(other["id"]) != set(chosen["id"])
    agn = sdss.labelled(table).query("`class` == 'GALAXY_AGN'")["id"]
    expected = sorted(agn, key=lambda i: place(f"sample/{i}", 1))[:10]
    assert set(chosen.loc[chosen["class"] == "GALAXY_AGN", "id"]) == set(expected)


def spec_file(row):
    """A spec-lite file with the columns that SDSS's reader takes."""
    loglam = 3.56 + 1e-4 * np.arange(4000)
    flux = np.random.default_rng(int(row.plate)).normal(5, 0.3, 4000)
    columns = [fits.Column("flux", "E", array=flux), fits.Column("loglam", "E", array=loglam),
               fits.Column("ivar", "E", array=np.full(4000, 11.0)),
               fits.Column("and_mask", "J", array=np.zeros(4000))]  # fmt: skip
    about = {"PLATE": row.plate, "MJD": row.mjd, "FIBERID": row.fiberid, "Z": row.z, "ZWARNING": 0,
             "PLUG_RA": 10.0 + row.plate / 100, "PLUG_DEC": 1.0, "SN_MEDIAN_ALL": 16.0}  # fmt: skip
    line = [fits.Column(k, "D" if isinstance(v, float) else "J", array=[v])
            for k, v in about.items()]  # fmt: skip
    for name, value in (("CLASS", row.spec_class), ("SUBCLASS", row.subclass)):
        line.append(fits.Column(name, "20A", array=[value]))
    primary = fits.PrimaryHDU()
    primary.header["PLATEID"], primary.header["MJD"], primary.header["FIBERID"] = (
        int(row.plate), int(row.mjd), int(row.fiberid))  # fmt: skip
    out = io.BytesIO()
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns, name="COADD"),
                  fits.BinTableHDU.from_columns(line, name="SPALL")]).writeto(out)  # fmt: skip
    return out.getvalue()


def test_dataset_sdss_just_works_and_the_run_keeps_the_list(served, tmp_path, capsys):
    table = specobj(3)
    tap = Tap("/tap", {"sdss_dr16.specobj": table})
    served.apps.append(tap)
    config = make_config("sdss", "smoke", per_class=2)
    for row in table.rename(columns={"class": "spec_class"}).itertuples():
        name = f"spec-{row.plate:04d}-55000-0007.fits"
        path = f"/dr16/sdss/spectro/redux/26/spectra/lite/{row.plate:04d}/{name}"
        served.files[path] = spec_file(row)
    shards = prepare(config, tmp_path / "run" / "data")
    out = capsys.readouterr().out
    assert len(tap.queries) == 13 and "of the 13 classes" in out
    drawn = pd.read_csv(tmp_path / "run" / "data" / "drawn.csv")
    assert len(drawn) == 26 and set(drawn["class"]) == set(SDSS_CLASSES)
    assert len(shards) == 26 and set(shards.labels["class"]) == set(SDSS_CLASSES)
    names = {f"{plate:04d}-55000-0007" for plate in drawn["plate"]}
    assert set(shards.labels["id"]) == names
    # The second run needs no network, also where one file has gone.
    n = len(served.requests)
    sdss.files_of(drawn)[0].unlink()
    assert len(prepare(config, tmp_path / "again", offline=True)) == 25
    assert "25 of 26 files of drawn-2-of-each-seed-1.csv are here" in capsys.readouterr().out
    assert len(served.requests) == n
    counts = (tmp_path / "again" / "selection.ecsv").read_text()
    assert "at most 2 of each" in counts and "260000" in counts


def test_a_partial_download_is_used_and_stated(served, tmp_path, capsys):
    table = specobj(2)
    served.apps.append(Tap("/tap", {"sdss_dr16.specobj": table}))
    row = next(table.rename(columns={"class": "spec_class"}).itertuples())
    path = sdss.sdss.path_of(run2d=26, plate=row.plate, mjd=row.mjd, fiberid=row.fiberid)
    served.files[f"/{path}"] = spec_file(row)
    assert fetch.main(["--scale", "smoke", "--per-class", "2"]) == 0
    out = capsys.readouterr().out
    assert "1 of 26 SDSS spectra are in" in out and "no such file" in out
    assert "The same command asks for them again; what is here can be used." in out


def zpix(n=200, seed=0):
    """Rows of DESI's zpix table, in its columns."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "targetid": np.arange(n) + 39627600000000000,
        "survey": rng.choice(["sv1", "sv2", "sv3"], n),
        "program": rng.choice(["dark", "bright"], n), "healpix": rng.integers(9990, 9996, n),
        "zwarn": rng.choice([0, 0, 0, 4], n), "z": 0.2, "snr": rng.uniform(0, 8, n),
        "spectype": rng.choice(["STAR", "QSO", "GALAXY"], n),
    })  # fmt: skip


def test_desi_cuts_one_by_one():
    table = zpix().rename(columns={"survey": "survey_part", "spectype": "class"})
    table["id"] = table["targetid"].astype(str)
    chosen, counts = selection.select(table, make_config("desi", "smoke", per_class=5))
    kept = table
    for text, n in zip(
        ("survey_part in ('sv1', 'sv3')", "zwarn == 0", "snr > 2"), counts["n"][1:4], strict=True
    ):
        kept = kept.query(text)
        assert n == len(kept)
    assert counts["cut"].tolist() == ["spectra", "sv1 or sv3", "ZWARN = 0", "S/N > 2",
                                      "of the 3 classes", "at most 5 of each"]  # fmt: skip
    assert counts["n"].tolist()[4:] == [len(kept), 15] and len(chosen) == 15
    assert counts["published"].tolist()[-1] == 21_000
    own = selection.cuts(table.drop(columns="survey_part"), "desi")
    assert [name for name, _ in own] == ["ZWARN = 0", "S/N > 2"], "own files may be of any survey"


def test_desi_healpixels_are_enough_of_each_class_and_no_more(served):
    table = zpix(3000)
    served.apps.append(Tap("/tap", {"desi_edr.zpix": table}))
    config = make_config("desi", "smoke", per_class=60)
    with Web() as web:
        pixels = desi.drawn(config, web=web)
    good = table.query("zwarn == 0 and survey != 'sv2'")
    rows = pixels[["survey", "program", "healpix"]].merge(good, how="left")
    n = rows["spectype"].value_counts()
    assert (n >= 120).all() and len(pixels) < 24
    pixel = ["survey", "program", "healpix"]
    assert pixels.set_index(pixel)[["STAR", "QSO", "GALAXY"]].sum().to_dict() == n.to_dict()
    counts = good.groupby([*pixel, "spectype"]).size().reset_index(name="n")
    larger = desi.choose_pixels(counts, classes=config.classes, per_class=100, seed=config.seed)
    assert larger.iloc[: len(pixels)][pixel].equals(pixels[pixel])


def test_spectra_by_a_list_of_ones_own(served, tmp_path, capsys):
    served.apps.append(Tap("/tap", {"desi_edr.zpix": zpix()}))
    row = zpix().iloc[4]
    for path in desi.desi.paths_of(survey=row.survey, program=row.program, healpix=row.healpix):
        served.files[f"/{path}"] = CONTENT["train.fits"]
    (tmp_path / "ids.txt").write_text(f"{row.targetid}\n")
    out = ["-o", str(tmp_path / "out")]
    assert fetch.main(["--dataset", "desi", "--ids", str(tmp_path / "ids.txt"), *out]) == 0
    assert len(list((tmp_path / "out").glob("*-*.fits"))) == 2
    (tmp_path / "ids.txt").write_text("266-51602-1\n")
    assert fetch.main(["--dataset", "desi", "--ids", str(tmp_path / "ids.txt"), *out]) == 2
    assert "whole numbers, one a line" in capsys.readouterr().err
    served.files["/dr16/sdss/spectro/redux/26/spectra/lite/0266/spec-0266-51602-0001.fits"] = (
        CONTENT["train.fits"]
    )
    assert fetch.main(["--ids", str(tmp_path / "ids.txt"), *out]) == 0
    assert fetch.main(["--ids", str(tmp_path / "ids.txt")]) == 2
    served.always = changed(status=403)
    (tmp_path / "ids.txt").write_text("266-51602-2\n")
    assert fetch.main(["--ids", str(tmp_path / "ids.txt"), *out]) == 1
    assert "the server refuses" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--grid", "4000", "9000", "3600"]])
def test_offline_forces_the_message(tmp_path, monkeypatch, capsys, more):
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path / "cache"))
    arguments = ["--dataset", "sdss", "--offline", "--run-dir", str(tmp_path / "run"), *more]
    assert train.main(arguments) == 1
    assert "(--offline)" in capsys.readouterr().err
