"""Files of one spectrum each are put together many at a time, and judged one by one."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from common.spectra import Spectra
from common.surveys import read, read_many
from tests.common.test_sdss import spec_hdus
from tests.common.test_shards import same


def lamost(obsid, n=60, layout="image", wave=None, **cards):
    wave = 10 ** (3.5682 + 1e-4 * np.arange(n)) if wave is None else wave
    flux, ivar = np.linspace(1, 2, n), np.ones(n)
    cards = {"TELESCOP": "LAMOST", "OBSID": obsid, "RA": 10.0, "SNRG": 20.0, "Z": -9999.0} | cards
    bad = np.arange(n) == 4
    if layout == "image":
        first = fits.PrimaryHDU(np.array([flux, ivar, wave, bad, bad], "f4"))
        hdus = fits.HDUList([first])
    else:
        vectors = {"FLUX": flux, "IVAR": ivar, "WAVELENGTH": wave, "ANDMASK": bad}
        columns = [fits.Column(k, f"{len(v)}E", array=[v]) for k, v in vectors.items()]
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)])
    hdus[0].header.update(cards)
    return hdus


@pytest.mark.parametrize("layout", ["image", "table"])
def test_the_light_view_of_lamost_gives_what_astropy_gives(tmp_path, layout):
    hdus = lamost(77, layout=layout, CLASS="STAR", SUBCLASS="G2", TEFF=5700.0, VACUUM=False)
    hdus.writeto(tmp_path / "plain.fits")
    hdus[-1].header["BZERO" if layout == "image" else "BLANK"] = 0  # left to astropy's view
    hdus.writeto(tmp_path / "scaled.fits")
    light, whole = (read(tmp_path / f"{name}.fits") for name in ("plain", "scaled"))
    assert light.ids.tolist() == ["77"] and light.medium == "air"
    light.meta["file"] = whole.meta["file"] = ""
    same(light, whole)


def test_many_files_are_one_part_that_is_as_if_read_one_by_one(tmp_path):
    for i in range(1, 6):
        row = {"Z": 0.1 * i} if i != 3 else {"Z": None, "ZWARNING": None}
        spec_hdus(50 + i % 2, FIBERID=i, **row).writeto(tmp_path / f"s{i}.fits")
        lamost(i).writeto(tmp_path / f"t{i}.fits")
    lamost(6, n=40, layout="table").writeto(tmp_path / "t6.fits")  # without an or-mask
    parts = list(read_many(tmp_path, progress=False))
    assert [len(part) for part in parts] == [5, 5, 1]
    for part, name in zip(parts[:2], "st", strict=True):
        alone = [read(tmp_path / f"{name}{i}.fits") for i in range(1, 6)]
        for one in alone:
            one.meta["mock"] = False
        same(part, Spectra.concatenate(alone))
    assert pd.isna(parts[0].meta["zwarn"][2]) and np.isnan(parts[0].meta["z"][2])


@pytest.mark.parametrize(
    "bad",
    [
        lambda: spec_hdus(FIBERID=9, PLUG_RA="east"),
        lambda: lamost(9, layout="table", wave=10 ** (3.5682 + 1e-4 * np.arange(59))),
        lambda: spec_hdus(FIBERID=9, flux=np.zeros(50)),
    ],
)
def test_a_bad_one_costs_itself_alone(tmp_path, bad):
    for i in (1, 2, 3):
        spec_hdus(FIBERID=i).writeto(tmp_path / f"s{2 * i}.fits")
    bad().writeto(tmp_path / "s3.fits")
    stream = read_many(tmp_path, progress=False)
    assert [i for batch in stream for i in batch.ids] == [f"3586-55181-000{i}" for i in (1, 2, 3)]
    assert [row["file"] for row in stream.rejects] == [str(tmp_path / "s3.fits")]
