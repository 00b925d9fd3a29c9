"""Rejects: what could not be used, where it stands, and why in a short code and in words."""

from __future__ import annotations

import re

import pandas as pd

COLUMNS = ("file", "hdu", "id", "code", "reason")
CODES = {  # code: what it means; the first of `PATTERNS` that fits a reason gives it
    "missing": "there is no such file, or it may not be read",
    "empty": "no bytes, or no spectra in a file of spectra",
    "damaged": "truncated, or bytes that are not what they should be",
    "unknown": "no file of a survey that is known here",
    "broken": "a survey's file in which something is missing",
    "other": "a file of another kind: a table, a curve, another resolution or product",
    "arms": "a spectrum whose arms are not all there",
    "duplicate": "an id, or a source, that came before",
    "id": "no id, an ambiguous one, or one that was rounded",
    "sky": "a fibre on no target",
    "label": "no label, or none that is wanted here",
    "class": "an object of a kind that the network does not know",
    "redshift": "no redshift, or one outside the range of the network",
    "wavelength": "no wavelengths, or some that cannot be",
    "frame": "wavelengths in a frame that cannot be changed",
    "unit": "a unit that is none, or of another kind",
    "coverage": "too little of the network's wavelengths",
    "flux": "flux that is zero, constant, negative or not finite",
    "error": "no errors, or no pixel with weight",
    "signal": "too low a S/N, or too little signal",
    "input": "an input of the network that is not there",
    "learned": "an object that the run learned from",
    "memory": "more memory than there is",
    "reason": "another reason: see its words",
}
PATTERNS = (
    ("duplicate", r"duplicate id|same source is in|more than (?:once|one row)|comes? twice"),
    ("missing", r"no such (?:file|folder)|may not be read|cannot be read \(|is a folder"),
    ("empty", r"is empty|holds no spectra|has no (?:rows|pixels)|without a row"),
    ("input", r"the network's inputs"),
    ("learned", r"the run was (?:trained|\w+ on)|that the run "),
    ("other", r"a table: |curve over wavelength|catalogue of spectra|medium-resolution"
              r"|high resolution|XP spectra sampled|compressed by fpack|of no known catalogue"),
    ("broken", r"^a broken |a broken "),
    ("arms", r"without the \w+ (?:and \w+ )?arm|the arm \w+ alone|arms' files|arm of the object"),
    ("frame", r"in the frame|SPECSYS"),
    ("unit", r"the unit |unit of|TUNIT|BUNIT|CUNIT|a unit "),
    ("damaged", r"damaged|truncated|gzip|not a FITS file|NUL bytes|a line of more than"
                r"|number of fields|do not have \d+ fields|too few fields"),
    ("unknown", r"known layout|no table: it starts|the ending |names of (?:the )?columns"),
    ("sky", r"no target"),
    ("label", r"no label|no class|left out by the paper|no APOGEE label|to compare"),
    ("class", r"class \w+ by its survey|by its survey's class|networks? knows?"),
    ("redshift", r"redshift|^z = "),
    ("id", r"\bids?\b|source_id|TARGETID|OBSID|SPECOBJID"),
    ("coverage", r"cover|of the network's|only the \w+ arm|without information in|carries no flag"
                 r"|pixels are missing|in both arms"),
    ("wavelength", r"wavelength|pixels per spectrum|only \d+ pixels|\bgrid\b"),
    ("signal", r"S/N|too little signal|above the continuum|signal"),
    ("error", r"ivar|no errors|error"),
    ("flux", r"flux|not finite"),
    ("input", r"inputs|no column|photometry"),
    ("memory", r"MemoryError|[Mm]emory|allocate"),
)  # fmt: skip
_PATTERNS = tuple((code, re.compile(pattern)) for code, pattern in PATTERNS)


def code_of(reason):
    """Return the code of a reason: a key of `CODES`."""
    found = reason.split("; allowed: ")[0]  # what was found tells, not what would be right
    return next((code for code, known in _PATTERNS if known.search(found)), "reason")


def reject_table(rejects):
    """Return rejects as a table of texts.

    Parameters
    ----------
    rejects : sequence of dict
        file, id and reason; where known hdu (the HDU, the row, or both). What has no code gets
        that of its reason.

    Returns
    -------
    DataFrame
        `COLUMNS`, "" where not known.
    """
    table = pd.DataFrame(rejects, columns=COLUMNS).astype(object)
    known = table["code"].notna() & (table["code"] != "")
    coded = table["code"].where(known, table["reason"].map(code_of))
    table = table.assign(code=coded)
    return table.where(table.notna(), "").astype(str)
