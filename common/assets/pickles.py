"""Pickles of numbers: only after their hash matches, and by a reader that can run no code."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import ClassVar

from common.errors import SuiteError


class _PlainUnpickler(pickle.Unpickler):
    """Admits numpy arrays and scalars and plain containers; nothing that can run code."""

    allowed: ClassVar = {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("_codecs", "encode"),
        ("collections", "OrderedDict"),
    }

    def find_class(self, module, name):
        """Return the named class, or refuse."""
        if (module, name) not in self.allowed:
            raise SuiteError(
                f"A pickle asks for {module}.{name}; allowed: numpy arrays and plain containers."
            )
        return super().find_class(module, name)

    def persistent_load(self, pid):
        """Refuse what lies outside the pickle."""
        raise SuiteError("A pickle asks for something outside itself; allowed: plain containers.")


def load_pickle(file, *, sha256):
    """Read a pickle of numpy arrays and plain containers.

    Parameters
    ----------
    file : path-like
    sha256 : str
        What its hash must be, as hex. It is compared before the first byte is looked at.

    Raises
    ------
    SuiteError
        If the hash is another one, or the pickle is damaged or asks for anything else.
    """
    content = Path(file).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SuiteError(
            f"{file}: sha256 is {found}; allowed: {sha256}. A pickle that is not the known one is "
            "not read. Delete the file and fetch it again."
        )
    try:
        return _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    except SuiteError:
        raise
    except Exception as error:  # a pickle can be wrong in any way
        raise SuiteError(f"{file}: a damaged pickle ({error}). Fetch it again.") from error
