"""Stars with RVS and XP spectra by name: chosen from allStar and Gaia, fetched through DataLink."""

import io

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common.archives.gaia import GSPPHOT, SOURCE
from common.errors import MissingDataError
from common.surveys.apogee import read_allstar
from common.surveys.gaia_rvs import N_PIXELS
from rvs_hybrid import archive, fetch
from rvs_hybrid.config import make_config
from rvs_hybrid.data import load_sample
from tests.common.test_apogee import allstar as dr17
from tests.rvs_hybrid import toy
from tests.servers.archives import data_server
from tests.servers.everything import everything
from tests.servers.tap import Tap

STARS = toy.make_sample(8, with_m_h=True).stars
IDS = STARS["source_id"].to_numpy("int64")
ALLSTAR = "/dr17/apogee/spectro/aspcap/dr17/synspec_rev1/allStar-dr17-synspec_rev1.fits"


def test_the_cuts_one_by_one_in_apogees_own_columns(tmp_path):
    table = read_allstar(dr17(tmp_path / "a.fits"))
    sources = table["source_id"].dropna().astype("int64")
    chosen, counts = archive.select(table, sources)
    # Four stars: one is flagged and has no labels, one no source_id.
    assert counts["n"].tolist() == [4, 3, 2, 2] and counts["published"].isna().all()
    assert chosen["source_id"].tolist() == [2**60 + 1, 2**60 + 5]
    assert archive.select(table, sources[:1])[1]["n"].tolist() == [4, 3, 2, 1]
    one, counts = archive.select(table, sources, most=1, seed=4)
    assert len(one) == 1 and counts["cut"].tolist()[-1] == "drawn"


def spectra(product, ids):
    """What the archive gives of some sources: FITS with a row a source."""
    n, rng = len(ids), np.random.default_rng(0)
    columns = {"source_id": np.array(ids, "int64")}
    if product == "RVS":
        flux = np.full((n, N_PIXELS), 0.9, "f4")
        columns |= {"ra": np.ones(n), "dec": np.ones(n), "flux": flux, "flux_error": flux / 50}
    else:
        for band in ("bp", "rp"):
            size = 500 / (1 + np.arange(55)) ** 2 * (1 + 0.1 * rng.normal(size=(n, 55)))
            columns |= {f"{band}_coefficients": size, f"{band}_coefficient_errors": 0 * size + 0.1}
    out = io.BytesIO()
    Table(columns).write(out, format="fits")
    return {f"{product}_RAW.fits": out.getvalue()}


def test_dataset_gaia_rvs_is_fetched(tmp_path, monkeypatch, capsys):
    pytest.importorskip("gaiaxpy")
    pytest.importorskip("zero_point")
    toy.allstar(tmp_path / "allStar.fits", STARS)
    source = STARS.rename(columns={b: f"phot_{b}_mean_mag" for b in ("g", "bp", "rp")})
    source = source.reindex(columns=SOURCE).assign(
        has_rvs=["true"] * 6 + ["false"] * 2, has_xp_continuous="true", ruwe=1.0,
        nu_eff_used_in_astrometry=1.5, ecl_lat=20.0, astrometric_params_solved=31,
    )  # fmt: skip
    extinction = pd.DataFrame({"source_id": IDS, **dict.fromkeys(GSPPHOT, 0.1)})
    tap = Tap("/tap", {"gaiadr3.gaia_source": source,
                       "gaiadr3.astrophysical_parameters": extinction})  # fmt: skip
    config = make_config("gaia-rvs", "smoke", most_stars=5)
    files = {ALLSTAR: (tmp_path / "allStar.fits").read_bytes()}
    with everything(monkeypatch, tmp_path, tap, data_server(spectra), files=files) as here:
        sample = load_sample(config, notes=tmp_path / "run")
        out = capsys.readouterr().out
        assert len(sample) == 5 and np.isfinite(sample.rvs).all() and np.isfinite(sample.xp).all()
        assert "with an RVS spectrum" in out and "drawn" in out
        assert set(sample.stars["source_id"]) < set(IDS[:6].tolist())
        drawn = pd.read_csv(tmp_path / "run" / "drawn.csv")
        assert set(drawn["source_id"]) == set(sample.stars["source_id"])
        n = len(here.requests)
        assert len(load_sample(config, offline=True)) == 5
        assert fetch.main(["--scale", "smoke", "--most-stars", "5", "--offline"]) == 0
        assert len(here.requests) == n
        assert [r.form["RETRIEVAL_TYPE"] for r in here.asked("/data")] == ["RVS", "XP_CONTINUOUS"]
        here.apps.clear()
        with pytest.raises(MissingDataError) as caught:
            load_sample(make_config("gaia-rvs", "smoke", most_stars=4))
    for words in ("allStar", "GB", "python -m rvs_hybrid.fetch --scale smoke", "runs now", "404"):
        assert words in str(caught.value)
