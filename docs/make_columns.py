"""Write columns.md from what the packages put into their catalogues: python docs/make_columns.py"""

from pathlib import Path

PAGE = Path(__file__).with_name("columns.md")
COMMON = {
    "id": "the spectrum's own name in its survey",
    "file": "the file that it is from",
    "ra": "right ascension (ICRS)",
    "dec": "declination (ICRS)",
    "parallax": "parallax of Gaia as the file gives it, before its zero point",
    "parallax_error": "its error",
    "g": "G magnitude of Gaia",
}
HEAD = """# What do the columns mean?

Every catalogue says it itself: FITS, VOTable, Parquet and ECSV hold a unit, a
[UCD](https://www.ivoa.net/documents/UCD1+/) and a sentence for each column (CSV holds none of
them). This page is made of the same sentences by `python docs/make_columns.py`, and a test holds it
to them. A number that is missing is NaN or empty, never -999. What the flags in `warnings` mean:
[of gasnet2](own-spectra.md#warnings), [of rvs_hybrid](own-spectra.md#gaias-stars), of the others
[in the table of their command](command-line.md).

```python
from common.catalog import read_table

table = read_table("redshifts.fits")  # a DataFrame, whatever the format
good = table[table["warnings"] == ""]
```
"""
PARTS = {
    "gasnet2, template network": (
        "The released network; `python -m gasnet2.predict`. Beside these `p_CLASS`, the "
        "probability of each class, and with `--all-classes` `z_CLASS`."
    ),
    "gasnet2, the paper's networks": (
        "`python -m gasnet2.predict` with a run of the paper's networks. Beside these `p_CLASS`, "
        "the probability of each class; `class_alt`, `z_alt` and `sigma_z_alt` of the second class "
        "where that matters; with `--all-classes` `z_CLASS` and `sigma_z_CLASS`."
    ),
    "rvs_hybrid": "`python -m rvs_hybrid.predict`. Three columns a label.",
    "lamost_metallicity": "`python -m lamost_metallicity.predict`.",
    "mtopnet": (
        "`python -m mtopnet.predict`; the PDFs themselves are in the file of `--pdf`. "
        "With `--scalar-pdf` in training there is more, as the catalogue says."
    ),
    "solarlike_distance": (
        "`python -m solarlike_distance.catalog`: first the columns of the paper's Table D.1, then "
        "ours."
    ),
}


def notes():
    """Return {title: {units, ucds, descriptions}} of every package's catalogue."""
    from gasnet2 import predict as classes
    from gasnet2.templates import catalogue as templates
    from lamost_metallicity import predict as metals
    from mtopnet.catalogue import columns as moons
    from rvs_hybrid.config import NAMES
    from rvs_hybrid.predict import notes_of
    from solarlike_distance.catalogue import columns as suns

    def of(*modules):
        out = {"units": {}, "ucds": {}, "descriptions": {}}
        for module in modules:
            out["units"] |= getattr(module, "UNITS", {})
            out["ucds"] |= module.UCDS
            out["descriptions"] |= module.DESCRIPTIONS
        return out

    own = of(templates)
    kept = {*own["descriptions"], "id", "ra", "dec", "snr"}
    whole = of(classes, templates)
    whole["units"] = {k: v for k, v in whole["units"].items() if k in kept}
    whole["ucds"] = {k: v for k, v in whole["ucds"].items() if k in kept}
    whole["descriptions"] = {k: v for k, v in whole["descriptions"].items() if k in kept}
    return {
        "gasnet2, template network": whole,
        "gasnet2, the paper's networks": of(classes),
        "rvs_hybrid": notes_of(tuple(NAMES), set(NAMES)),
        "lamost_metallicity": of(metals),
        "mtopnet": of(moons),
        "solarlike_distance": suns.notes(),
    }


def flags():
    """Return {title: {flag: meaning}} of the packages that keep them in one place."""
    from solarlike_distance.catalogue import columns as suns

    return {"solarlike_distance": suns.FLAGS}


def page():
    """Return the page, Markdown."""
    parts, marks = [HEAD], flags()
    for title, note in notes().items():
        names = dict.fromkeys([*note["ucds"], *note["units"], *note["descriptions"]])
        rows = [_row(name, note) for name in sorted(names, key=lambda n: n not in COMMON)]
        parts += [f"## {title}\n", PARTS[title] + "\n", "| column | unit | UCD | meaning |",
                  "|---|---|---|---|", *rows, ""]  # fmt: skip
        if title in marks:
            parts += ["| flag | meaning |", "|---|---|"]
            parts += [f"| `{k}` | {v} |" for k, v in marks[title].items()]
            parts.append("")
    return "\n".join(parts)


def _row(name, note):
    ucd = note["ucds"].get(name, "")
    text = note["descriptions"].get(name) or COMMON[name]
    text = text.replace("|", r"\|")
    return f"| `{name}` | {note['units'].get(name, '')} | {f'`{ucd}`' if ucd else ''} | {text} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
