"""The archives themselves, a spectrum or a row of each: whether their layouts are still these."""

import pytest
from astropy.table import Table

from common.archives import datalink, desi, gaia, sdss
from common.archives.tap import query
from common.assets.registry import server
from common.assets.web import Web
from common.surveys.gaia_rvs import read_rvs
from common.surveys.read import read

pytestmark = pytest.mark.network

STAR = 249375804190613120  # Gaia DR3, with an RVS spectrum


@pytest.fixture
def web():
    with Web(tries=2) as made:
        yield made


def test_sdss_gives_a_spectrum_by_plate_mjd_and_fibre(web, tmp_path):
    (tmp_path / "list.txt").write_text("3586-55181-190 v5_13_0\n")
    got = sdss.fetch_spectra(sdss.read_list(tmp_path / "list.txt"), tmp_path, web=web)
    assert len(got.paths) == 1 and len(read(got.paths[0])) == 1


def test_the_data_lab_has_the_tables_of_sdss_and_desi(web, tmp_path):
    adql = "SELECT TOP 2 plate, mjd, fiberid, run2d, class, subclass, z, snmedian FROM {}"
    file = query(server("datalab-tap"), adql.format("sdss_dr16.specobj"), tmp_path / "s.fits",
                 web=web)  # fmt: skip
    assert len(Table.read(file)) == 2
    assert {"sv1", "sv3"} >= set(
        desi.counts(tmp_path / "d.fits", web=web, surveys=("sv1",))["survey"]
    )


def test_gaia_gives_rows_distances_and_an_rvs_spectrum(web, tmp_path):
    assert len(Table.read(gaia.fetch_sources([STAR], tmp_path / "g.fits", web=web))) == 1
    assert len(Table.read(gaia.fetch_distances([STAR], tmp_path / "d.fits", web=web))) == 1
    file, *_ = datalink.fetch_spectra([STAR], "RVS", tmp_path, web=web)
    assert read_rvs(file).ids.tolist() == [str(STAR)]
