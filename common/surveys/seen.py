"""Which ids came before and in which file, in twelve bytes each."""

from __future__ import annotations

import hashlib

import numpy as np

NEW = 2**16  # default: so many ids are held as they are before they are sorted in
KIND = np.dtype([("key", "i8"), ("file", "i4")])


def number_of(text):
    """Return a hash of bytes, int of 64 bits."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


class Seen:
    """Ids and the file that each was first seen in, as a dict has them.

    Hashes are kept: of ten million ids, two are taken for one another in one call of 400 000.
    """

    def __init__(self):
        self._new, self._sorted = {}, []  # arrays of `KIND`, each twice as long as the next
        self._names, self._number = [], {}

    def setdefault(self, identity, file):
        """Remember an id, unless it is there."""
        if identity not in self:
            if file not in self._number:
                self._number[file] = len(self._names)
                self._names.append(file)
            self._new[_key(identity)] = self._number[file]
            if len(self._new) >= NEW:
                self._sort_in()

    def __contains__(self, identity):
        return self._find(identity) is not None

    def __getitem__(self, identity):
        found = self._find(identity)
        if found is None:
            raise KeyError(identity)
        return self._names[found]

    def _find(self, identity):
        """Return the number of the file of an id, None of one that is not there."""
        key = _key(identity)
        if key in self._new:
            return self._new[key]
        for array in self._sorted:
            at = np.searchsorted(array["key"], key)
            if at < len(array) and array["key"][at] == key:
                return array["file"][at]
        return None

    def _sort_in(self):
        """Sort the new ids, together with the arrays that are not much longer."""
        array = np.sort(np.array(list(self._new.items()), dtype=KIND), order="key")
        self._new = {}
        while self._sorted and len(self._sorted[-1]) < 2 * len(array):
            array = np.concatenate([self._sorted.pop(), array])
            array = array[np.argsort(array["key"], kind="stable")]
        self._sorted.append(array)


def _key(identity):
    return number_of(str(identity).encode())
