"""What a page of inspection holds, read from its file."""

import json
import re
from pathlib import Path


def told(path):
    """Return what the page's own script reads: objects, classes, captions."""
    text = Path(path).read_text(encoding="utf-8")
    return json.loads(re.search(r'<script [^>]*id="told">(.*?)</script>', text, re.S)[1])


def objects_of(view, paths):
    """Return what a view shows of the files, list of `Shown` in the catalogue's order."""
    rows, rejects, found = view.table, [], {}
    names = rows[view.identity].astype(str)
    for spectra in view.batches(paths, rows, rejects):
        place = [int((names == one).to_numpy().argmax()) for one in view.ids_of(spectra)]
        found.update(zip(place, view.shown(spectra, rows.iloc[place]), strict=True))
    return [found[k] for k in sorted(found)]
