"""The class of a spectrum, from what its survey calls it (Table 1, App. B)."""

from __future__ import annotations

import re

from gasnet2.config import COARSE


def fine_class(coarse, subclass, survey):
    """Return the class label of a catalogue row, which need not be one of the network's.

    Parameters
    ----------
    coarse, subclass : str
        CLASS and SUBCLASS of the survey; an empty SUBCLASS reads ``nan`` (Table 1).
    survey : {"sdss", "fourmost", "desi"}

    Returns
    -------
    str
        Such as "GALAXY_AGN"; empty where the row has no class.
    """
    coarse, subclass = str(coarse).strip(), str(subclass).strip()
    if coarse in ("", "nan", "None"):
        return ""
    if survey != "sdss":
        return coarse
    return f"{coarse}_{subclass if subclass not in ('', 'None') else 'nan'}"


# SDSS's subclasses of stars that are kinds of `EXTRA_CLASSES` (pattern of the whole name).
KINDS = {
    r"STAR_(O|B\d|OB).*": "STAR_OB",
    r"STAR_([ML]\d).*": "STAR_M",
    r"STAR_Carbon.*": "STAR_Carbon",
    r"STAR_(WD|CalciumWD|D[ABCQZ]).*": "STAR_WD",
}


def kind_of(name):
    """Return the class of the 20 of all surveys that a class of SDSS belongs to, else the name."""
    return next((kind for pattern, kind in KINDS.items() if re.fullmatch(pattern, name)), name)


def coarse_class(name):
    """Return STAR, GALAXY or QSO for a class label (App. B); empty where unknown."""
    if name in COARSE:
        return COARSE[name]
    head = name.split("_")[0]
    return head if head in ("STAR", "GALAXY", "QSO") else ""
