"""What tests of every paper do with its catalogues."""

import pandas as pd

from common.catalog import read_table
from common.catalogue import assemble
from common.rejects import COLUMNS


def read_back(predict_files, run_dir, paths, out, **options):
    """Predict files and return what then lies on disk: the catalogue and the rejects."""
    rows, lost, *_ = predict_files(run_dir, paths, out, **options)
    table, path = read_table(out), assemble.rejects_of(out)
    rejects = read_table(path) if path.exists() else pd.DataFrame(columns=COLUMNS)
    assert (rows, lost) == (len(table), len(rejects))
    assert not out.with_name(f"{out.name}.parts").exists()
    return table, rejects


def fill_disk(monkeypatch, folder):
    """Let no catalogue be written in a folder, as if its disk were full."""
    real = assemble.write_stream

    def full(chunks, path, **options):
        if folder in path.parents:
            raise OSError(28, "No space left on device")
        return real(chunks, path, **options)

    monkeypatch.setattr(assemble, "write_stream", full)


def killed_at(monkeypatch, module, name, call, error=KeyboardInterrupt):
    """Let a function of a module raise at a call; return the list of its calls."""
    real, calls = getattr(module, name), []

    def interrupted(*args, **options):
        calls.append(1)
        if len(calls) == call:
            raise error
        return real(*args, **options)

    monkeypatch.setattr(module, name, interrupted)
    return calls
