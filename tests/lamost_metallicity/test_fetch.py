"""LAMOST's galaxies by name: chosen from catalogues in their columns, fetched with a token."""

import io

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common.errors import MissingDataError
from common.surveys.lamost_catalogue import read_general_catalogue
from common.surveys.mpajhu import read_mpajhu
from lamost_metallicity import archive, fetch, selection
from lamost_metallicity.config import make_config
from lamost_metallicity.data import prepare
from tests.lamost_metallicity import toy
from tests.servers.archives import lamost
from tests.servers.everything import everything

TOKEN = "my+very/own t0ken"


def catalogue(about):
    """LAMOST's general catalogue in its columns: these galaxies and others of all kinds."""
    n = len(about["obsid"])
    kind, z = np.array(["GALAXY"] * n, dtype="U8"), about["z"].copy()
    kind[0], z[1], snr = "STAR", 0.26, about["snr"].copy()
    kind[2], snr[3] = "QSO", 2.9
    z[4] = -9999.0
    return Table({
        "obsid": about["obsid"], "designation": [f"J{i}" for i in range(n)], "class": kind,
        "subclass": ["Non"] * n, "z": z, "snru": snr, "snrg": snr, "snrr": snr, "ra": about["ra"],
        "dec": about["dec"], "mjd": np.full(n, 58000), "gaia_source_id": ["-9999"] * n,
    })  # fmt: skip


@pytest.fixture
def sky(tmp_path):
    """Return what the galaxies are, and the files that archives have of them."""
    about = toy.galaxies(40, seed=3)
    source = tmp_path / "source"
    source.mkdir()
    toy.write_mpajhu(source, about, rows=slice(0, 30))
    ids = [f"{300000 + i}" for i in about["obsid"][:30]]
    lines = {"SPECOBJID": ids, "H_ALPHA_FLUX": np.ones(30), "H_ALPHA_FLUX_ERR": np.ones(30)}
    Table(lines).write(source / "galSpecLine-dr8.fits")
    out = io.BytesIO()
    catalogue(about).write(out, format="fits")
    spectra = {}
    for i, obsid in enumerate(about["obsid"]):
        toy.write_lamost(source / "one.fits", {k: v[i : i + 1] for k, v in about.items()})
        spectra[str(obsid)] = (source / "one.fits").read_bytes()
    (source / "one.fits").unlink()
    return about, source, {archive.CATALOGUE: out.getvalue()}, spectra


def test_the_papers_cuts_one_by_one(sky, tmp_path):
    about, source, catalogues, _ = sky
    (tmp_path / "c.fits").write_bytes(catalogues[archive.CATALOGUE])
    objects = archive.galaxies(read_general_catalogue(tmp_path / "c.fits"))
    config = make_config("lamost", "paper")
    chosen, counts = archive.choose(objects, read_mpajhu(source), config)
    near = (about["z"] < 0.25) & (about["snr"] >= 3)
    near[:5] = False  # star, too far, quasar, too faint, no redshift
    matched = near & (np.arange(40) < 30)
    labelled = matched & about["sf"]
    assert counts["n"].tolist() == [38, near.sum(), matched.sum(), labelled.sum()]
    assert counts["published"].tolist() == [261381, 242500, 151000, 38500]
    assert counts["cut"].tolist() == list(selection.PUBLISHED)
    assert chosen["id"].tolist() == [str(i) for i in about["obsid"][matched]]
    every, _ = archive.choose(objects, read_mpajhu(source), config, every=True)
    assert len(every) == near.sum()
    few, _ = archive.choose(objects, read_mpajhu(source),
                            make_config("lamost", "smoke", n_galaxies=7))  # fmt: skip
    assert len(few) == 7 and set(few["id"]) < set(chosen["id"])


def test_dataset_lamost_is_fetched_with_the_users_token(sky, tmp_path, monkeypatch, capsys):
    _, source, catalogues, spectra = sky
    tree = {f"/dr8/common/sdss-spectro/redux/{p.name}": p.read_bytes() for p in source.iterdir()}
    config = make_config("lamost", "smoke", n_galaxies=20)
    app = lamost(spectra, catalogues, token=TOKEN)
    with everything(monkeypatch, tmp_path, app, files=tree) as here:
        monkeypatch.delenv("LAMOST_TOKEN", raising=False)
        with pytest.raises(MissingDataError, match="Set the environment variable LAMOST_TOKEN"):
            prepare(config, tmp_path / "data")
        monkeypatch.setenv("LAMOST_TOKEN", TOKEN)
        shards = prepare(config, tmp_path / "data")
        assert "20 of 20 LAMOST spectra are in" in capsys.readouterr().out
        assert len(shards) == 20 and (shards.labels["specobjid"] != "").all()
        n = len(here.requests)
        assert len(prepare(config, tmp_path / "again", offline=True)) == 20
        assert fetch.main(["--scale", "smoke", "--galaxies", "20", "--offline"]) == 0
        assert len(here.requests) == n
    drawn = pd.read_csv(tmp_path / "data" / "drawn.csv", dtype={"id": str})
    assert set(drawn["id"]) == set(shards.labels["id"])
    for file in (p for folder in ("data", "cache") for p in (tmp_path / folder).rglob("*")):
        assert not file.is_file() or b"t0ken" not in file.read_bytes()
    printed = capsys.readouterr()
    assert "t0ken" not in printed.out + printed.err
