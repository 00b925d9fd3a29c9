"""RVS spectra as DataLink gives them, among other files, and several files of no use at once."""

import numpy as np
import pytest
from astropy.io import fits

from common.errors import SuiteError
from common.surveys.gaia_rvs import N_PIXELS, WAVELENGTH
from rvs_hybrid.stars.files import StarFiles
from rvs_hybrid.stars.sources import kind_of, read_sources

ID = 5853498713190525697


def rvs_rows():
    rng = np.random.default_rng(2)
    flux = (1 + 0.01 * rng.normal(size=N_PIXELS)).round(5)
    return WAVELENGTH / 10, flux, np.full(N_PIXELS, 0.01)


def as_fits(path, *ids, card="SOURCEID"):
    wave, flux, error = rvs_rows()
    hdus = [fits.PrimaryHDU()]
    for number in ids:
        columns = [fits.Column("wavelength", "D", unit="nm", array=wave),
                   fits.Column("flux", "E", array=flux),
                   fits.Column("flux_error", "E", array=error)]  # fmt: skip
        hdus.append(fits.BinTableHDU.from_columns(columns))
        hdus[-1].header[card] = number
    fits.HDUList(hdus).writeto(path)


def as_text(path, *, end="\n", meta=None):
    lines, rows = [], zip(*rvs_rows(), strict=True)
    if meta:
        lines += ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:"]
        lines += [
            f"# - {{name: {n}, datatype: float64}}" for n in ("wavelength", "flux", "flux_error")
        ]
        lines += ["# meta:", f"#   {meta}: {ID}", "wavelength,flux,flux_error"]
        lines += [f"{w:.2f},{f},{e}" for w, f, e in rows]
    else:
        lines += ["source_id,wavelength,flux,flux_error"]
        lines += [f"{ID},{w:.2f},{f},{e}" for w, f, e in rows]
    path.write_bytes((end.join(lines) + end).encode())


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda path: as_text(path, end="\r\n")),
        ("a.ecsv", lambda path: as_text(path, meta="source_id")),
        ("b.ecsv", lambda path: as_text(path, meta="SOURCEID")),
        ("a.fits", lambda path: as_fits(path, str(ID))),
        ("b.fits", lambda path: as_fits(path, ID, card="HIERARCH SOURCE_ID")),
    ],
)
def test_a_file_of_one_source_is_known_by_what_stands_beside_its_rows(tmp_path, name, write):
    write(tmp_path / name)
    assert kind_of(tmp_path / name) == "RVS spectra"
    sources = read_sources([tmp_path])
    assert sources.rejects == [] and sources.stars["source_id"].tolist() == [ID]
    np.testing.assert_allclose(sources.rvs[0], rvs_rows()[1], rtol=1e-6)


def test_a_table_for_each_source_in_one_file(tmp_path):
    as_fits(tmp_path / "RVS_COMBINED.fits", str(ID), str(ID + 128))
    assert read_sources([tmp_path]).stars["source_id"].tolist() == [ID, ID + 128]


def test_real_inputs(shared_data):
    folder = shared_data / "inputs/gaia"
    if not folder.is_dir():
        pytest.skip(f"no inputs at {folder}")
    for path in sorted(folder.glob("*[rR][vV][sS]*")):
        assert kind_of(path) == "RVS spectra", path


def test_every_file_of_no_use_leaves_its_reason(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.fits").write_bytes(b"SIMPLE  =                    T")
    (tmp_path / "c.csv").write_text("")
    with pytest.raises(SuiteError, match=r"None of the 3 file.*a\.csv.*b\.fits.*c\.csv"):
        read_sources([tmp_path])
    source, rejects = StarFiles([tmp_path]), []
    assert list(source.read(source.jobs[0], rejects)) == []
    assert [row["file"][-5:] for row in rejects] == ["a.csv", ".fits", "c.csv"]
    assert source.none() == "None of the 3 file(s) can be read"
