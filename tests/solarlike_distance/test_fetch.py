"""LAMOST's stars by name: tables of LAMOST, APOGEE and Gaia from their archives, then spectra."""

import pandas as pd
import pytest
from astropy.table import Table

from common.archives.gaia import DISTANCES, GSPPHOT, SOURCE
from common.errors import MissingDataError
from solarlike_distance import archive, fetch
from solarlike_distance.config import make_config
from solarlike_distance.data import prepare
from tests.servers.archives import lamost
from tests.servers.everything import everything
from tests.servers.tap import Tap
from tests.solarlike_distance import toy

TOKEN = "my+very/own t0ken"
N = 12
ALLSTAR = "/dr17/apogee/spectro/aspcap/dr17/synspec_rev1/allStar-dr17-synspec_rev1.fits"


@pytest.fixture
def archives(tmp_path):
    """Return the stars, and apps and files of archives that have them."""
    about, source = toy.stars(N, seed=3), tmp_path / "source"
    toy.write_labels(source, about)
    stellar = Table.read(source / "dr9_v1.1_LRS_stellar.fits")
    stellar["teff"][0] = 4500  # too cool by LASP
    stellar["fibermask"][4] = 32
    stellar["snrg"][5] = 9.0
    stellar.write(source / "dr9_v1.1_LRS_stellar.fits", overwrite=True)
    allstar = Table.read(source / "allStar-dr17.fits")
    allstar["RA"][1] += 10  # not in APOGEE
    allstar["LOGG"][2] = 1.0  # a giant by APOGEE
    allstar.write(source / "allStar-dr17.fits", overwrite=True)
    gaia = Table.read(source / "gaia_source.fits").to_pandas()
    gaia.loc[3, ["parallax", "parallax_error"]] = 0.01, 0.02
    gaia["parallax_over_error"] = gaia["parallax"] / gaia["parallax_error"]
    gaia = gaia.drop(index=6)  # not in Gaia
    source_table = gaia.reindex(columns=SOURCE)
    distances = Table.read(source / "geodist.fits").to_pandas().reindex(columns=DISTANCES)
    tables = {
        "gaiadr3.gaia_source": source_table, "external.gaiaedr3_distance": distances,
        "gaiadr3.astrophysical_parameters": gaia.reindex(columns=["source_id", *GSPPHOT]),
    }  # fmt: skip
    spectra = {}
    for i, obsid in enumerate(about["obsid"]):
        file = source / f"{i}.fits"
        toy.write_table(file, {k: v[i : i + 1] for k, v in about.items()})
        spectra[str(obsid)] = file.read_bytes()
    catalogues = {archive.CATALOGUE: (source / "dr9_v1.1_LRS_stellar.fits").read_bytes()}
    files = {ALLSTAR: (source / "allStar-dr17.fits").read_bytes()}
    return about, spectra, catalogues, tables, files


def test_dataset_lamost_is_chosen_cut_by_cut_and_fetched(archives, tmp_path, monkeypatch, capsys):
    about, spectra, catalogues, tables, files = archives
    tap = Tap("/tap", tables)
    app = lamost(spectra, catalogues, token=TOKEN, page=False)
    config = make_config("lamost", "paper")
    with everything(monkeypatch, tmp_path, tap, app, files=files) as here:
        monkeypatch.delenv("LAMOST_TOKEN", raising=False)
        with pytest.raises(MissingDataError) as caught:
            prepare(config, tmp_path / "data")
        for words in ("18573 LAMOST DR9", "GB", "LAMOST_TOKEN", "solarlike_distance.fetch --scale",
                      "train --dataset lamost-mock` runs now", "--data-dir"):  # fmt: skip
            assert words in str(caught.value)
        monkeypatch.setenv("LAMOST_TOKEN", TOKEN)
        del spectra[str(about["obsid"][8])]
        shards = prepare(config, tmp_path / "data")
        out = capsys.readouterr().out
        assert "4 of 5 LAMOST spectra are in" in out and "are here and are used" in out
        n = len(here.requests)
        assert len(prepare(config, tmp_path / "again", offline=True)) == 4
        assert len(here.requests) == n
        spectra[str(about["obsid"][8])] = spectra[str(about["obsid"][9])]
        assert fetch.main(["--scale", "paper"]) == 0, "the second time all is there"
        assert "5 of 5 LAMOST spectra" in capsys.readouterr().out
        assert len(tap.queries) == 2 and len(here.requests) == n + 1
    assert len(tap.queries) == 2 and all("TAP_UPLOAD.ids" in q for q in tap.queries)
    # Table 2: solar-like, in APOGEE, there too, in Gaia, parallax, S/N and fibre; then labels, use.
    counts = Table.read(tmp_path / "data" / "selection.ecsv")
    assert counts["n"].tolist() == [12, 11, 10, 9, 8, 7, 5, 5, 4]
    assert counts["published"].tolist()[:7] == [7060679, 4067525, 54971, 47557, 44593, 39416, 18573]
    assert len(shards) == 4
    drawn = pd.read_csv(tmp_path / "data" / "drawn.csv", dtype={"id": str})
    assert set(shards.labels["id"]) < set(drawn["id"])
    for file in (p for folder in ("data", "cache") for p in (tmp_path / folder).rglob("*")):
        assert not file.is_file() or b"t0ken" not in file.read_bytes()
