"""Damage: what happens to files on the way, and what only an enemy would write."""

from __future__ import annotations

import gzip
import io
import zipfile
from functools import lru_cache

BLOCK, CARD = 2880, 80
ABSURD = (
    "0", "1", "-1", "2", "3", "7", "9", "16", "64", "999", "1000", "32767", "2147483647",
    "-2147483648", "4294967296", "99999999999", "9223372036854775807", "1e300", "-1e-300", "NaN",
    "T", "F", "''", "'A'", "'1E'", "'0E'", "'999999999E'", "'1PE(9)'", "'1QD(9999999999)'", "'9X'",
    "'16C'", "'M'", "'(3,4)'", "'(99999,99999)'", "'IMAGE'", "'BINTABLE'", "'TABLE'", "'LAMOST'",
    "'SDSS'", "'nm'", "'Angstrom'", "'parsec'", "'10**-17 erg/s/cm2/A'", "'TOPOCENT'", "'é'", "",
    "'unclosed", "= =", "1.5", "1D400", "0x10", "'GZIP_1'", "'RICE_1'", "'PLIO_1'",
    "'HCOMPRESS_1'", "8", "-32", "-64", "32",
)  # fmt: skip
STRUCTURE = (
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS999", "PCOUNT",
    "GCOUNT", "TFIELDS", "THEAP", "EXTEND", "GROUPS", "BSCALE", "BZERO", "BLANK", "EXTNAME",
    "EXTVER", "TFORM1", "TFORM2", "TFORM3", "TTYPE1", "TTYPE2", "TDIM1", "TDIM2", "TNULL1",
    "TSCAL1", "TZERO1", "TSCAL2", "TZERO2", "TUNIT1", "TUNIT2", "TDISP1", "ZIMAGE", "ZTABLE",
    "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2", "ZCMPTYPE", "ZBITPIX", "ZVAL1", "ZNAME1",
    "COEFF0", "COEFF1", "CRVAL1", "CRPIX1", "CDELT1", "CD1_1", "CTYPE1", "CUNIT1", "DC-FLAG",
    "SPECSYS", "VACUUM", "TELESCOP", "ORIGIN", "INSTRUME", "INST", "NAME", "OBSID", "MOCK",
    "R_MODE", "CONTINUE", "HIERARCH", "COMMENT", "END",
)  # fmt: skip
FRAGMENTS = (
    b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b",", b";", b"\t", b"|",
    b'"', b"'", b"#", b"\\", b" ", b"-", b"nan", b"inf", b"-inf", b"null", b"1e999", b"9" * 400,
    b"9.0E18", b"[", b"]", b"[1,2", b"{", b"}", b"<", b">", b"&", b"<TR>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"# %ECSV 1.0\n",
    b"!!python/object/apply:os.system [x]", b"&a [*a, *a]", b"- !!set {}", b"=1+1", b"\xc3\x28",
    b"\xe2\x80\xa8", b"," * 3000, b'"' * 3, b"source_id", b"flux", b"1/0", b"0x7f",
    b"\x1f\x8b\x08", b"END", b"SIMPLE  =",
)  # fmt: skip


def mutated(content, rng, others):
    """Return a damaged copy of a file.

    Parameters
    ----------
    content : bytes
    rng : random.Random
    others : sequence of bytes
        Files of which pieces may come in.

    Returns
    -------
    bytes
    """
    is_fits = content.startswith(b"SIMPLE")
    kinds = FITS if is_fits else TEXT
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        content = rng.choice(kinds)(content, rng, others)
    if rng.random() < 0.04:
        content = rng.choice(WRAP)(content, rng)
    return content


def _place(content, rng):
    return rng.randrange(len(content) + 1)


def _truncate(content, rng, others):
    return content[: _place(content, rng)]


def _flip(content, rng, others):
    out = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 64))):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _flip_early(content, rng, others):
    """Flip bits where headers and names stand."""
    out, far = bytearray(content), min(len(content), 12000)
    for _ in range(rng.choice((1, 2, 8))):
        if far:
            out[rng.randrange(far)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _garbage(content, rng, others):
    at, n = _place(content, rng), rng.choice((1, 4, 80, 2880))
    filler = rng.choice((rng.randbytes(n), b"\0" * n, b"\xff" * n, b" " * n))
    return content[:at] + filler + content[at + n :]


def _blocks(content, rng, others):
    """Swap, drop, repeat or borrow whole blocks."""
    size = rng.choice((CARD, 512, BLOCK, BLOCK, 4096))
    blocks = [content[i : i + size] for i in range(0, len(content), size)] or [b""]
    a, b = rng.randrange(len(blocks)), rng.randrange(len(blocks))
    what = rng.randrange(4)
    if what == 0:
        blocks[a], blocks[b] = blocks[b], blocks[a]
    elif what == 1:
        del blocks[a]
    elif what == 2:
        blocks.insert(a, blocks[b])
    else:
        other = rng.choice(others)
        at = rng.randrange(max(1, len(other) // size)) * size
        blocks[a] = other[at : at + size]
    return b"".join(blocks)


def _headers(content):
    """Return where the cards of headers stand, as far as blocks tell."""
    return _cards(content[: 400 * BLOCK])


@lru_cache(maxsize=512)
def _cards(content):
    found = []
    for start in range(0, len(content), BLOCK):
        head = content[start : start + CARD]
        if not (head[8:10] == b"= " or head[:7] in (b"COMMENT", b"HISTORY")):
            continue
        for at in range(start, start + BLOCK, CARD):
            card = content[at : at + CARD]
            if card[8:10] == b"= " or card[:8] in (b"END     ", b"COMMENT ", b" " * 8):
                found.append(at)
    return found


def _write(content, at, text):
    card = text.encode("latin1", "replace")[:CARD].ljust(CARD)
    return content[:at] + card + content[at + CARD :]


def _card(content, rng, others):
    """Edit, rename, blank, repeat or absurdly set a card."""
    places = _headers(content)
    if not places:
        return content
    at = rng.choice(places)
    card = content[at : at + CARD].decode("latin1")
    what = rng.randrange(8)
    if what < 4:
        return _write(content, at, f"{card[:8]}= {rng.choice(ABSURD):>20}")
    if what == 4:
        return _write(content, at, f"{rng.choice(STRUCTURE):8}{card[8:]}")
    if what == 5:
        return _write(content, at, rng.choice(("", "END", card.lower(), card[1:])))
    if what == 6:
        return content[:at] + content[at : at + CARD] + content[at:-CARD]
    other = rng.choice(places)
    mine, theirs = content[at : at + CARD], content[other : other + CARD]
    return _write(_write(content, at, theirs.decode("latin1")), other, mine.decode("latin1"))


def _structure(content, rng, others):
    """Set a card of the structure to an absurd value: that which is there, or a new one."""
    places = _headers(content)
    if not places:
        return content
    key = rng.choice(STRUCTURE)
    same = [at for at in places if content[at : at + 8].rstrip() == key.encode()]
    same = same or [at for at in places if content[at : at + 7] == b"COMMENT"] or places
    return _write(content, rng.choice(same), f"{key:8}= {rng.choice(ABSURD):>20}")


def _fragment(content, rng, others):
    at, piece = _place(content, rng), rng.choice(FRAGMENTS)
    return content[:at] + piece + content[at + rng.choice((0, 0, len(piece))) :]


def _lines(content, rng, others):
    """Swap, drop, repeat, cut or borrow lines."""
    lines = content[: 2**18].split(b"\n")
    rest = content[2**18 :]
    a, b, what = rng.randrange(len(lines)), rng.randrange(len(lines)), rng.randrange(6)
    if what == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif what == 1:
        del lines[a]
    elif what == 2:
        lines.insert(a, lines[b])
    elif what == 3:
        lines[a] = lines[a][: rng.randrange(len(lines[a]) + 1)]
    elif what == 4:
        lines[a] = rng.choice(others)[:500]
    else:
        lines[0] = lines[0].replace(
            rng.choice((b",", b"_", b"e", b" ", b"|")), rng.choice(FRAGMENTS)
        )
    return b"\n".join(lines) + rest


def _field(content, rng, others):
    """Replace one field of a text, or one value of a markup."""
    separator = rng.choice((b",", b"|", b" ", b"\t", b">"))
    at = content.find(separator, _place(content, rng))
    if at < 0:
        return content
    ends = [
        e
        for e in (content.find(c, at + 1, at + 400) for c in (b",", b"|", b"\n", b"<", b" "))
        if e > 0
    ]
    return content[: at + 1] + rng.choice(FRAGMENTS) + content[min(ends, default=at + 1) :]


def _encoding(content, rng, others):
    text = content.decode("latin1")
    return text.encode(
        rng.choice(("utf-16", "utf-16-be", "utf-8-sig", "utf-32", "utf-7")), "replace"
    )


def _twice(content, rng):
    return gzip.compress(gzip.compress(content, 1, mtime=0), 1, mtime=0)


def _zipped(content, rng):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.fits", content)
    return buffer.getvalue()


def _gzipped(content, rng):
    packed = gzip.compress(content, 1, mtime=0)
    what = rng.randrange(4)
    if what == 0:
        return packed[: rng.randrange(len(packed))]
    if what == 1:
        return _flip(packed, rng, ())
    return packed if what == 2 else packed + rng.choice((packed, b"garbage", b"\0" * 700))


@lru_cache(maxsize=4)
def _bomb(head):
    """Return a gzip file of about a megabyte that unpacks to more than a gigabyte of zeros."""
    piece = gzip.compress(b"\0" * 2**27, 9, mtime=0)
    return gzip.compress(head, 9, mtime=0) + piece * 9


def _bombed(content, rng):
    return _bomb(content[: rng.choice((0, BLOCK))])


def _widened(content, rng):
    """Repeat the end until the file has a few megabytes: long texts and headers."""
    piece = content[-rng.choice((1, 80, 2880)) :] or b" "
    return content + piece * (2**21 // len(piece))


FITS = (_truncate, _flip, _flip_early, _garbage, _blocks, _fragment, *[_card, _structure] * 3)
TEXT = (_truncate, _flip, _flip_early, _garbage, _blocks, _encoding,
        *[_fragment, _lines, _field] * 2)  # fmt: skip
WRAP = (_twice, _zipped, *[_gzipped] * 20, _bombed, _widened)
