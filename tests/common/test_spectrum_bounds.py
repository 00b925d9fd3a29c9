"""Sizes that a header or a gzip file only claims, and messages: all of them bounded."""

import gzip
import io
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ReadError
from common.surveys import read, read_many
from common.surveys.describe import describe
from common.surveys.fitsfile import open_fits
from common.surveys.quick import quick_hdus
from tests.common.test_sdss import spec_hdus, table_hdus


def header(**cards):
    """Return the bytes of a header, which says what it likes."""
    made = b"".join(f"{k:8}= {v:>20}".ljust(80).encode() for k, v in cards.items())
    return (made + b"END".ljust(80)).ljust(2880)


FIRST = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "0"}
TABLE = {"XTENSION": "'BINTABLE'", "BITPIX": "8", "NAXIS": "2", "NAXIS1": "4", "NAXIS2": "1",
         "PCOUNT": "0", "GCOUNT": "1", "TFIELDS": "1", "TFORM1": "'J'"}  # fmt: skip
HUGE = "99999999999"


@pytest.mark.parametrize(
    "content",
    [
        header(**FIRST | {"NAXIS": HUGE, "TELESCOP": "'LAMOST'"}),
        header(**FIRST | {"NAXIS": "-1"}),
        header(**FIRST | {"NAXIS ": "900000020", "TELESCOP": "'LAMOST'"}),
        header(**FIRST | {"naxis": HUGE, "TELESCOP": "'LAMOST'"}),
        header(**FIRST | {"NAXIS": "2", "NAXIS1": HUGE, "NAXIS2": HUGE}),
        header(**FIRST) + header(**TABLE | {"NAXIS2": HUGE}) + bytes(2880),
        header(**FIRST) + header(**TABLE | {"BITPIX": "9"}) + bytes(2880),
        header(**FIRST) + header(**TABLE | {"NAXIS1": "0", "NAXIS2": HUGE}),
        header(**FIRST) + header(**TABLE | {"TFIELDS": HUGE}) + bytes(2880),
        header(**FIRST) + header(**TABLE | {"NAXIS": "0", "TFIELDS": "3000000"}),
        header(**FIRST) + header(**TABLE | {"PCOUNT": HUGE}) + bytes(2880),
        header(**FIRST) + header(**TABLE | {"PCOUNT": "-9"}) + bytes(2880),
        header(**FIRST) + header(**TABLE | {"GCOUNT": HUGE}) + bytes(2880),
        header(**FIRST) + bytes(2880) + header(**TABLE | {"ZIMAGE": "T", "ZBITPIX": "-64",
               "ZNAXIS": "2", "ZNAXIS1": HUGE, "ZNAXIS2": HUGE}) + bytes(2880),
        header(**FIRST) + header(**TABLE | {"ZIMAGE": "T", "ZBITPIX": "-64", "ZNAXIS": "2",
                                            "ZNAXIS1": "99999", "ZNAXIS2": "99999"}) + bytes(2880),
        header(**FIRST)[:-80] + b"A       = 1".ljust(80) * 200_000,
        gzip.compress(header(**FIRST) + bytes(200_000_000), 9),
    ],
    ids=["NAXIS", "negative", "twice", "small letters", "NAXISn", "rows", "BITPIX", "empty rows",
         "TFIELDS", "TFIELDS alone", "PCOUNT", "PCOUNT-", "GCOUNT", "hidden", "ZNAXIS", "no END",
         "gzip"],
)  # fmt: skip
def test_absurd_sizes_are_refused_at_once(tmp_path, content):
    path = tmp_path / "absurd.fits"
    path.write_bytes(content)
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(ReadError) as caught:
        read(path)
    taken = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 5 and peak < 3e8  # seconds, bytes
    assert len(str(caught.value)) < 1500


def test_a_file_gzipped_twice_says_so(tmp_path):
    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(gzip.compress(header(**FIRST))))
    with pytest.raises(ReadError, match=r"the file is gzipped twice.*Unpack it once"):
        read(path)


@settings(max_examples=25)
@given(n=st.integers(1, 10**6))
def test_no_message_holds_an_array(n):
    error = ReadError("f", f"found {np.arange(n).tolist() if n < 2000 else 'x' * n}", "less")
    assert len(str(error)) < 450


def test_a_reject_holds_no_array(tmp_path):
    hdus = spec_hdus(PLATE=None)
    columns = hdus[2].columns + fits.Column("PLATE", "900J", array=[np.arange(900)])
    hdus[2] = fits.BinTableHDU.from_columns(columns, name="SPALL")
    hdus.writeto(tmp_path / "a.fits")
    stream = read_many(tmp_path, progress=False)
    assert list(stream) == [] or stream.rejects == []
    assert all(len(str(value)) < 1600 for row in stream.rejects for value in row.values())


@pytest.mark.parametrize("line", [b"RADECSYS ? no card", "COMMENT é".encode(), b"NAME    = 'a\0b'"])
def test_odd_lines_of_a_header_are_passed_over_in_silence(tmp_path, line):
    """One of them costs nothing; astropy would warn at every look at the header."""
    table_hdus(header=[("COEFF0", 3.6), ("COEFF1", 1e-4), ("X", 1)]).writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    at = content.index(b"X       =")
    (tmp_path / "a.fits").write_bytes(content[:at] + line.ljust(80) + content[at + 80 :])
    assert len(read(tmp_path / "a.fits")) == 5
    at = content.index(b"END     ", at)
    filler = b"no card at all".ljust(80) * 36
    (tmp_path / "a.fits").write_bytes(content[:at] + filler + content[at:])
    with pytest.raises(ReadError, match="36 lines of its headers are no cards"):
        read(tmp_path / "a.fits")


def test_a_size_behind_a_blank_that_is_none_does_not_count(tmp_path):
    """Astropy would take the data for headers, and warn of each line."""
    odd = header(**TABLE).replace(b"NAXIS   =", b"NAXIS \xa0 =")
    (tmp_path / "a.fits").write_bytes(header(**FIRST) + odd + b"\xe9 = " * 720)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with open_fits(tmp_path / "a.fits") as hdus:
            assert len(hdus) == 2
    assert told == []


@pytest.mark.parametrize("missing", [1, 168])
def test_a_last_block_cut_off_behind_the_data_costs_nothing(tmp_path, missing):
    """Nothing is lost; astropy would warn at every look at the file."""
    table_hdus().writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    assert content.endswith(bytes(missing))
    (tmp_path / "a.fits").write_bytes(content[:-missing])
    with warnings.catch_warnings(action="error"), open_fits(tmp_path / "a.fits") as hdus:
        found = [hdu.data for hdu in hdus]
    with fits.open(io.BytesIO(content)) as whole:
        for data, hdu in zip(found, whole, strict=True):
            np.testing.assert_array_equal(data, hdu.data)


def test_a_damaged_header_in_the_middle_is_told(tmp_path):
    """And not taken for the end of the file, behind which HDUs would be lost."""
    spec_hdus().writeto(tmp_path / "a.fits")
    hdus = quick_hdus((tmp_path / "a.fits").read_bytes())
    content = bytearray((tmp_path / "a.fits").read_bytes())
    content[hdus[0].end : hdus[0].end + 8] = b"XTENSIOM"
    (tmp_path / "a.fits").write_bytes(content)
    with pytest.raises(ReadError, match="no header of HDU 1 at byte"):
        read(tmp_path / "a.fits")


@pytest.mark.parametrize("parts", [1, 4])
def test_what_unpacks_to_too_much_is_not_held_twice(tmp_path, parts):
    """In one stream or several, and by whoever looks at the file: about 70 MB may be unpacked."""
    piece = gzip.compress(bytes(200_000_000 // parts), 9)
    path = tmp_path / "a.fits"
    path.write_bytes(gzip.compress(header(**FIRST), 9) + piece * parts)
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match="unpacks to more than"):
            describe(path)
        assert tracemalloc.get_traced_memory()[1] < 2.2 * (2**26 + 100 * path.stat().st_size)
    finally:
        tracemalloc.stop()
