"""What a file is and what is in it, in words and as a dict."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.errors import ReadError, short
from common.surveys.bounded import ALLOWED as TABLES
from common.surveys.cards import card
from common.surveys.checks import faults
from common.surveys.read import open_survey
from common.surveys.tablekinds import kind_of, lacking, other_of
from common.surveys.tableparts import parts_of, text_of

RELEASES = ("DATA_V", "RUN2D", "V_ASTRA", "RELEASE", "SPECPROD", "APRED_VERS", "PROV1", "RRVER")
NUMBERS = ("z", "teff", "lasp_teff", "lasp_logg", "lasp_feh", "logg", "m_h", "logmass", "exposure")
SHOWN = 5  # default: ids, classes, reasons that are shown
WHOLE = 20_000  # default: of a longer file so many spectra are looked at


def describe(path):
    """Say what a file is and what is in it.

    Parameters
    ----------
    path : path-like
        A file of spectra or a table.

    Returns
    -------
    dict
        file, kind ("spectra" or "table"), survey, release ("" where not told). Of spectra also
        layout (names of HDUs), spectra, usable, reasons (of the others), pixels and wavelength
        ([least, most], Å), medium, frame, unit, has (of ivar, mask, or_mask), ids (the first), snr
        ([lowest, median, highest]), labels. Of a table rows, columns (used), reader.

    Raises
    ------
    ReadError
        If it is damaged, or nothing that is known.
    """
    path = Path(path)
    try:
        return _spectra(path)
    except ReadError as error:
        about = _table(path, error)
        if about is None:
            raise
        return about


def _spectra(path):
    with open_survey(path) as (reader, hdus):
        total = reader.count(hdus)
        spectra = reader.read(path, hdus, rows=slice(0, min(total, WHOLE)))
        hdus = hdus if isinstance(hdus, list) else []  # a shard has none
        headers = [getattr(hdu, "header", hdu) for hdu in hdus[:3]]
        about = {"file": str(path), "kind": "spectra", "survey": reader.NAME}
        about["release"] = str(card(headers, *RELEASES, default=""))
        about["mock"] = card(headers, "MOCK") in (True, "T", 1)
        about["layout"] = [hdu.name or "" for hdu in hdus]
    if not total:
        raise ReadError(path, f"{reader.NAME} without a row", "at least one spectrum")
    reasons = [reason for reason in faults(spectra) if reason]
    waves = [spectra.wavelength_of(row) for row in range(len(spectra) if spectra.is_ragged else 1)]
    ends = [float(f([f(w) for w in waves if len(w)] or [np.nan])) for f in (np.min, np.max)]
    has = [name for name in ("ivar", "mask", "or_mask") if getattr(spectra, name) is not None]
    return about | {
        "spectra": total,
        "usable": total - len(reasons),
        "reasons": {r: reasons.count(r) for r in list(dict.fromkeys(reasons))[:SHOWN]},
        "pixels": [int(f([len(w) for w in waves])) for f in (min, max)],
        "wavelength": [round(end, 2) for end in ends],
        "medium": spectra.medium,
        "frame": spectra.frame,
        "unit": spectra.unit,
        "has": has,
        "ids": [str(name) for name in spectra.ids[:SHOWN]],
        "snr": _range(spectra.meta["snr"]),
        "labels": _labels(spectra.meta),
    }


def _range(values):
    """Return lowest, median and highest of the finite values, [] without any."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return [float(f"{f(values):.4g}") for f in (np.min, np.median, np.max)] if values.size else []


def _labels(meta):
    """Return the counts of classes, and number and range of what else is known."""
    out = {}
    counts = meta["class"][meta["class"] != ""].value_counts()
    if len(counts):
        out["class"] = {str(name): int(n) for name, n in counts.head(SHOWN).items()}
    for name in NUMBERS:
        if name in meta and np.isfinite(meta[name].astype(float)).any():
            known = meta[name].astype(float)
            out[name] = {"known": int(np.isfinite(known).sum()), "range": _range(known)}
    return out


def _table(path, error):
    """Return what a table is, or None where a file is none that is known."""
    is_fits = path.is_file() and text_of(path)[0] is None
    if is_fits and error.found.startswith(("a broken", "the file", "truncated")):
        return None
    parts = parts_of(path, frozenset())
    names = [[name.lower() for name in part[2]] for part in parts]
    kind = next((kind for kind in map(kind_of, names) if kind), None)
    if kind is None:
        _tell(path, names, is_fits)
        return None
    every = [kind_of(some) == kind for some in names]
    tables = [
        part for part, good in zip(parts_of(path, {kind.need[0]}), every, strict=True) if good
    ]
    rows = sum(len(columns[kind.need[0]]) for columns, _, _ in tables)
    names = names[every.index(True)]
    columns = [name for name in dict.fromkeys((*kind.need, *kind.used)) if name in names]
    return {"file": str(path), "kind": "table", "survey": kind.name, "release": "",
            "rows": rows, "columns": columns, "of": len(names), "reader": kind.reader}  # fmt: skip


def _tell(path, names, is_fits):
    """Raise what is known of a text that is no known table."""
    if is_fits:
        return
    every = next(iter(names), [])
    near, other = lacking(every), other_of(every)
    if near:
        found = f"a broken table, {near[0].name}: no column {', '.join(near[1])}"
    elif other:
        found = f"a {other.name}"
    else:
        found = f"a table of no known catalogue (columns: {', '.join(every[:12])}"
        found += f" and {len(every) - 12} more)" if len(every) > 12 else ")"
    raise ReadError(path, found, f"spectra in FITS, or {TABLES}")


def lines_of(about):
    """Return a description as lines of text."""
    name = about["survey"] + (f", {about['release']}" if about["release"] else "")
    lines = [about["file"], f"  {about['kind']:<11} {name}{' (mock)' * about.get('mock', False)}"]
    if about["kind"] == "table":
        lines.append(f"  rows        {about['rows']}")
        lines.append(f"  used        {', '.join(about['columns'])} (of {about['of']} columns)")
        lines.append(f"  read by     {about['reader']}")
        return lines
    low, high = about["pixels"]
    pixels = f"{low} pixels" if low == high else f"{low} to {high} pixels"
    usable = f", {about['usable']} of them usable" if about["usable"] < about["spectra"] else ""
    lines.append(f"  number      {about['spectra']}{usable}")
    lines += [f"  not usable  {n} x {reason}" for reason, n in about["reasons"].items()]
    wave = "{:.1f}-{:.1f} Å".format(*about["wavelength"])
    lines.append(f"  wavelength  {wave}, {pixels}, {about['medium']}, {about['frame']}")
    lines.append(
        f"  flux        {about['unit'] or 'relative'}; {', '.join(about['has']) or 'no ivar'}"
    )
    more = ", ..." if about["spectra"] > len(about["ids"]) else ""
    lines.append(f"  ids         {', '.join(about['ids'])}{more}")
    lines.append(f"  S/N         {_said(about['snr'])}")
    for label, value in about["labels"].items():
        known = ", ".join(f"{n} {name}" for name, n in value.items())
        if "known" in value:
            known = f"{value['known']} known, {_said(value['range'])}"
        lines.append(f"  {label:<11} {known}")
    lines.append(
        f"  layout      {short(', '.join(f'{i} {n}' for i, n in enumerate(about['layout'])), 200)}"
    )
    return lines


def _said(values):
    if not values:
        return "not known"
    low, median, high = values
    return f"{low:g}" if low == high else f"{low:g} to {high:g}, median {median:g}"
