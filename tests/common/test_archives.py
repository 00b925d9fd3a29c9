"""Archives of surveys, asked on loopback: TAP, DataLink, LAMOST with a token, trees of spectra."""

import io
import logging
import time

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common.archives import datalink, desi, gaia, lamost, sdss
from common.archives.tap import by_ids, query
from common.archives.tree import LACKING, Item, fetch_many
from common.assets.registry import servers
from common.assets.web import ServerError, Web
from common.errors import MissingDataError, ReadError, SuiteError, UsageError
from common.surveys.gaia_rvs import N_PIXELS, WAVELENGTH, read_rvs
from common.surveys.gaia_source import read_gaia_source
from tests.servers import Answer, Loopback
from tests.servers.archives import data_server
from tests.servers.archives import lamost as lamost_app
from tests.servers.loopback import cut, login, status
from tests.servers.tap import Tap

FITS = b"SIMPLE  =                    T".ljust(2880)
IDS = np.arange(25) * 10**12 + 5_853_498_713_190_525_696


@pytest.fixture
def web():
    with Web(tries=3, pause=0.001, timeout=(2, 2), patience=2.0) as made:
        made.hold = lambda seconds: None
        yield made


@pytest.fixture
def served(monkeypatch):
    """Start a server and let all archives be there."""

    def serve(*apps, **options):
        here = Loopback(*apps, **options)
        started.append(here)
        here.__enter__()
        for name, (_, variable) in servers().items():
            monkeypatch.setenv(variable, here.url + ("/tap" if name.endswith("-tap") else ""))
        return here

    started = []
    yield serve
    for here in started:
        here.__exit__()


def gaia_tables(ids=IDS):
    rng = np.random.default_rng(1)
    source = pd.DataFrame({name: rng.uniform(1, 2, len(ids)) for name in gaia.SOURCE})
    source["source_id"], source["has_rvs"] = ids, ["true", "false"] * 12 + ["true"]
    source["has_xp_continuous"], source["ref_epoch"] = "true", 2016.0
    source["astrometric_params_solved"] = 31
    source.loc[3, "parallax"] = np.nan
    extinction = pd.DataFrame({name: rng.uniform(0, 1, 20) for name in gaia.GSPPHOT})
    extinction.insert(0, "source_id", ids[:20])
    distance = pd.DataFrame({"source_id": ids, "r_med_geo": 100.0, "r_lo_geo": 9.0,
                             "r_hi_geo": 300.0, "r_med_photogeo": 1.0})  # fmt: skip
    return {"gaiadr3.gaia_source": source, "gaiadr3.astrophysical_parameters": extinction,
            "external.gaiaedr3_distance": distance}  # fmt: skip


def test_gaia_source_comes_in_parts_with_extinctions_and_all_digits(served, web, tmp_path):
    tap = Tap("/tap", gaia_tables())
    served(tap)
    wanted = np.concatenate([IDS[::-1], IDS[:3], [77]])
    file = gaia.fetch_sources(wanted, tmp_path / "gaia_source.fits", web=web, size=10)
    assert len(tap.queries) == 3 and not tap.jobs, "jobs are removed from the server"
    table = Table.read(file)
    assert np.array_equal(np.sort(table["source_id"]), IDS)
    assert sum(table["ag_gspphot"].mask) == 5 and sum(table["parallax"].mask) == 1
    assert set(table["has_rvs"]) == {"true", "false"}
    assert [p.name for p in tmp_path.iterdir()] == ["gaia_source.fits"]
    gaia.fetch_sources(wanted, file, web=web)
    assert len(tap.queries) == 3, "what is here is not asked for again"
    pytest.importorskip("zero_point")
    with pytest.warns(UserWarning, match="outside its range"):  # made-up magnitudes
        assert len(read_gaia_source(file)) == 25


def test_a_broken_part_is_asked_for_again_and_the_others_are_not(served, web, tmp_path):
    tap = Tap("/tap", gaia_tables())
    here = served(tap)
    tap_call, broken = tap.__call__, []

    def failing(request):
        if len(tap.queries) == 2 and request.path.endswith("result") and len(broken) < 3:
            broken.append(1)
            return Answer(b"busy", 503)
        return tap_call(request)

    here.apps[:] = [failing]
    with pytest.raises(ServerError, match=r"1 of 3 parts of geodist.fits are here"):
        gaia.fetch_distances(IDS, tmp_path / "geodist.fits", web=web, size=10, shown=False)
    file = gaia.fetch_distances(IDS, tmp_path / "geodist.fits", web=web, size=10, shown=False)
    assert len(tap.queries) == 4 and len(Table.read(file)) == 25
    assert Table.read(file).colnames == list(gaia.DISTANCES)


def test_a_cut_answer_of_tap_is_gone_on_with(served, web, tmp_path):
    tap = Tap("/tap", gaia_tables())
    here = served(tap)
    here.always = lambda r, a: (
        cut(200)(r, a) if r.path.endswith("result") and "range" not in r.headers else a
    )
    file = query(f"{here.url}/tap", "SELECT source_id FROM gaiadr3.gaia_source",
                 tmp_path / "t.fits", web=web)  # fmt: skip
    assert len(Table.read(file)) == 25
    assert sum(r.path.endswith("result") for r in here.requests) == 2


@pytest.mark.parametrize("what, says", [
    ("wrong query", "no such column"), ("first rows only", "first 25 rows only"),
    ("login", "no job of a TAP service"), ("busy", "HTTP status 503"),
])  # fmt: skip
def test_what_a_tap_service_refuses_is_told(served, web, tmp_path, what, says):
    tap = Tap("/tap", gaia_tables())
    here = served(tap)
    tap.overflow = what == "first rows only"
    here.always = {"login": login, "busy": status(503)}.get(what)
    column = "nowhere" if what == "wrong query" else "source_id"
    with pytest.raises(ServerError, match=says):
        query(f"{here.url}/tap", f"SELECT {column} FROM gaiadr3.gaia_source", tmp_path / "t.fits",
              web=web)  # fmt: skip
    assert list(tmp_path.glob("*.fits")) == []


def test_no_id_is_no_query(served, web, tmp_path):
    served()
    assert len(Table.read(by_ids("http://127.0.0.1:9", "", [], tmp_path / "t.fits", web=web))) == 0


def raw_rvs(product, ids):
    assert product == "RVS"
    flux = np.tile(np.linspace(0.5, 1, N_PIXELS), (len(ids), 1)).astype("f4")
    table = Table({"source_id": np.array(ids, "int64"), "ra": np.ones(len(ids)),
                   "dec": np.ones(len(ids)), "flux": flux, "flux_error": flux / 50})  # fmt: skip
    out = io.BytesIO()
    table.write(out, format="fits")
    return {"RVS_RAW.fits": out.getvalue()}


def test_rvs_spectra_come_through_datalink_in_parts(served, web, tmp_path, capsys):
    here = served(data_server(raw_rvs))
    files = datalink.fetch_spectra(IDS, "RVS", tmp_path, web=web, size=10)
    assert len(files) == 3 and "3 file(s)" in capsys.readouterr().out
    spectra = [read_rvs(file) for file in files]
    assert sorted(i for s in spectra for i in s.ids) == sorted(map(str, IDS))
    assert np.array_equal(spectra[0].wavelength, WAVELENGTH)
    form = here.requests[0].form
    assert form["RETRIEVAL_TYPE"] == "RVS" and form["RELEASE"] == "Gaia DR3"
    assert len(form["ID"].split(",")) == 10 and here.requests[0].method == "POST"
    datalink.fetch_spectra(IDS, "RVS", tmp_path, web=web, size=10, shown=False)
    assert len(here.requests) == 3
    with pytest.raises(UsageError, match="5000 sources"):
        datalink.fetch_spectra(IDS, "RVS", tmp_path, web=web, size=6000)


def test_datalink_goes_on_after_a_failure_and_unpacks_nothing_evil(served, web, tmp_path):
    here = served(data_server(raw_rvs))
    here.faults += [lambda r, a: a, *[status(429)] * 3]
    with pytest.raises(ServerError, match="1 of 3 parts of RVS of 25 sources are here"):
        datalink.fetch_spectra(IDS, "RVS", tmp_path, web=web, size=10, shown=False)
    here.faults += [login]
    with pytest.raises(SuiteError, match="HTML page"):
        datalink.fetch_spectra(IDS, "RVS", tmp_path, web=web, size=10, shown=False)
    assert len(datalink.fetch_spectra(IDS, "RVS", tmp_path, web=web, size=10, shown=False)) == 3
    here.apps[:] = [data_server(lambda product, ids: {"../evil.fits": b"x"})]
    with pytest.raises(SuiteError, match="names inside the folder"):
        datalink.fetch_spectra(IDS[:2], "RVS", tmp_path, web=web)
    assert not (tmp_path.parent / "evil.fits").exists()
    assert not list(tmp_path.glob("*.zip"))


SECRET = "t0k/en+of mine"


@pytest.mark.parametrize("page", [True, False])
def test_lamost_asks_for_the_token_and_shows_it_nowhere(served, tmp_path, monkeypatch, caplog,
                                                        capsys, page):  # fmt: skip
    caplog.set_level(logging.DEBUG)
    spectra = {str(i): FITS + bytes([i]) * 2880 for i in range(101, 113)}
    catalogue = {"dr9_v1.1_LRS_stellar.fits.gz": FITS}
    here = served(lamost_app(spectra, catalogue, token=SECRET, page=page))
    where = dict(release="dr9", version="v1.1")
    monkeypatch.delenv("LAMOST_TOKEN", raising=False)
    for value in ("", "wrong/one"):
        monkeypatch.setenv("LAMOST_TOKEN", value)
        with lamost.session(tries=2, pause=0.0, workers=1) as web:
            with pytest.raises(MissingDataError, match="Set the environment variable LAMOST_TOKEN"):
                lamost.fetch_spectra(spectra, tmp_path / "none", web=web, **where)
            with pytest.raises(MissingDataError, match="LAMOST_TOKEN") as caught:
                lamost.fetch_catalogue("dr9_v1.1_LRS_stellar.fits.gz", tmp_path, web=web, **where)
            assert "wrong" not in str(caught.value)
    assert len(here.requests) == 4, "after a refusal no other spectrum is asked for"
    monkeypatch.setenv("LAMOST_TOKEN", SECRET)
    with lamost.session(tries=2, pause=0.0) as web:
        here.faults.append(cut(2000))
        got = lamost.fetch_spectra([*spectra, "999"], tmp_path / "s", web=web, **where)
        lamost.fetch_catalogue("dr9_v1.1_LRS_stellar.fits.gz", tmp_path, web=web, **where)
    assert {p.read_bytes() for p in got.paths} == set(spectra.values())
    assert [row["id"] for row in got.lacking] == ["999"]
    written = [p.read_text("latin1") for p in tmp_path.rglob("*") if p.is_file()]
    out = capsys.readouterr()
    for text in (*written, caplog.text, out.out, out.err, str(got), repr(lamost.TOKEN)):
        assert "t0k" not in text and "wrong/one" not in text


def test_sdss_spectra_by_list(served, web, tmp_path, capsys):
    listed = tmp_path / "list.txt"
    listed.write_text("# mine\n266-51602-1\nspec-3586-55181-0190.fits v5_7_0\n3586-55181-0191\n")
    rows = sdss.read_list(listed)
    assert rows["run2d"].tolist() == ["26", "v5_7_0", "v5_13_0"]
    paths = [
        "/dr16/sdss/spectro/redux/26/spectra/lite/0266/spec-0266-51602-0001.fits",
        "/dr16/eboss/spectro/redux/v5_7_0/spectra/lite/3586/spec-3586-55181-0190.fits",
    ]
    here = served(files={path: FITS for path in paths})
    got = sdss.fetch_spectra(rows, tmp_path / "s", web=web)
    assert [p.name for p in got.paths] == [p.rsplit("/", 1)[1] for p in paths]
    assert got.lacking[0]["id"] == "3586-55181-191" and "no such file" in got.lacking[0]["reason"]
    out = capsys.readouterr().out
    assert "2 of 3 SDSS spectra are in" in out and "what is here can be used" in out
    assert "3586-55181-191" in (tmp_path / "s" / LACKING).read_text()
    here.files[here.requests[-1].path] = FITS
    for request in here.requests:
        here.files.setdefault(request.path, FITS)
    assert not sdss.fetch_spectra(rows, tmp_path / "s", web=web, shown=False).lacking
    assert not (tmp_path / "s" / LACKING).exists() and len(here.requests) == 4
    table = tmp_path / "list.csv"
    table.write_text("plate,mjd,fiberid,run2d\n266,51602,1,103\n4000,55500,2,\n")
    assert sdss.read_list(table)["run2d"].tolist() == ["103", "v5_13_0"]
    for bad in ("12-34\n", "", "plate,mjd\n1,2\n"):
        listed.write_text(bad)
        with pytest.raises(ReadError, match=r"266-51602-1|fiberid"):
            sdss.read_list(listed)


def test_few_at_a_time_and_a_dead_server_is_left_alone(served, web, tmp_path):
    here = served(files={f"/{i}.fits": FITS for i in range(30)})
    here.always = lambda r, a: (setattr(a, "before", 0.01), a)[1]
    items = [Item(str(i), f"{here.url}/{i}.fits", f"{i}.fits") for i in range(30)]
    fetch_many(items, tmp_path / "a", web=web, shown=False)
    assert 1 < here.most <= web.workers == 4
    here.always, here.requests[:] = status(500), []
    items = [Item(str(i), f"{here.url}/{i}.fits", f"{i}.fits") for i in range(200)]
    got = fetch_many(items, tmp_path / "a", web=web, shown=False)
    assert len(got.paths) == 30 and len(got.lacking) == 170
    assert len(here.requests) <= 3 * (20 + 4), "20 failures in a row are enough"
    with pytest.raises(MissingDataError, match=r"None of 200 files could be fetched.*status 500"):
        fetch_many(items, tmp_path / "b", web=web, shown=False)


def test_ctrl_c_leaves_the_rest_alone(web, tmp_path):
    asked = []

    def fetch(url, target, **_):
        asked.append(url)
        if len(asked) == 3:
            raise KeyboardInterrupt
        time.sleep(0.01)

    items = [Item(str(i), "", f"{i}.fits") for i in range(500)]
    with pytest.raises(KeyboardInterrupt):
        fetch_many(items, tmp_path, web=web, shown=False, fetch=fetch)
    assert len(asked) < 100


def test_desi_pixels_by_target_and_by_count(served, web, tmp_path):
    table = pd.DataFrame({
        "targetid": np.arange(40) + 39627600000000000, "survey": ["sv1", "sv3", "sv2", "sv3"] * 10,
        "program": "dark", "healpix": [26065, 9994, 9994, 9994] * 10, "zwarn": [0, 0, 0, 4] * 10,
        "spectype": ["STAR", "QSO", "GALAXY", "GALAXY"] * 10,
    })  # fmt: skip
    name = "edr/spectro/redux/fuji/healpix/sv3/dark/99/9994/{}-sv3-dark-9994.fits"
    served(Tap("/tap", {"desi_edr.zpix": table}),
           files={f"/{name.format(kind)}": FITS for kind in ("coadd", "redrock")})  # fmt: skip
    counts = desi.counts(tmp_path / "counts.fits", web=web, surveys=("sv1", "sv3"))
    assert sorted(counts.itertuples(index=False, name=None)) == [
        ("sv1", "dark", 26065, "STAR", 10), ("sv3", "dark", 9994, "QSO", 10),
    ]  # fmt: skip
    found = desi.pixels_of(table["targetid"][1:2], tmp_path / "p.fits", web=web)
    assert found.values.tolist() == [[39627600000000001, "sv3", "dark", 9994]]
    got = desi.fetch_pixels(found, tmp_path / "s", web=web, shown=False)
    assert [p.name for p in got.paths] == ["coadd-sv3-dark-9994.fits", "redrock-sv3-dark-9994.fits"]
    assert got.paths[0].read_bytes() == FITS
