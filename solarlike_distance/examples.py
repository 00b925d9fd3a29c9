"""Two spectra before and after pre-processing, for Fig. B.1."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.errors import SuiteError
from common.files import atomic_path
from solarlike_distance.preprocess import preprocess, savgol, usable_pixels

MOST_FILES, MOST_SPECTRA = 60, 300  # that are looked through
MOCK = 60  # spectra of a mock that is made to choose from
KEYS = ("title", "wavelength", "flux", "smoothed", "normalised", "x")


def run_examples(run_dir, config, about):
    """Return the examples of a run's own spectra, or of a small mock made for it.

    Nothing where the data folder is gone, or the mock's archives cannot be had.

    Parameters
    ----------
    run_dir : path-like
    config : Config
    about : dict
        config.json of the run: data_dir.
    """
    if about.get("data_dir"):
        folder = Path(about["data_dir"])
        return file_examples([folder], config) if folder.is_dir() else []
    kept = Path(run_dir) / "explain" / "examples.npz"
    if not kept.is_file():
        if not (config.is_mock and (Path(run_dir) / "data" / "shards.json").is_file()):
            return []
        _keep(_mock_examples(config, run_dir), kept)
    with np.load(kept) as file:
        n = int(file["n"])
        return [{k: file[f"{i}-{k}"] if k != "title" else str(file[f"{i}-{k}"]) for k in KEYS}
                for i in range(n)]  # fmt: skip


def _mock_examples(config, run_dir):
    """Return examples of a small mock: a run keeps no spectra that it can make again."""
    from solarlike_distance.mock.make import make_mock

    with tempfile.TemporaryDirectory(prefix="mock-", dir=run_dir) as folder:
        try:
            make_mock(n=MOCK, seed=config.seed, out_dir=folder, progress=False)
        except SuiteError:
            return []
        return file_examples([Path(folder) / "spectra"], config)


def _keep(examples, path):
    values = {f"{i}-{k}": np.asarray(one[k]) for i, one in enumerate(examples) for k in KEYS}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        np.savez(temporary, n=len(examples), **values)


def file_examples(paths, config):
    """Return two examples of spectra in files: a usual one, and that with most pixels replaced.

    Parameters
    ----------
    paths : sequence of path-like
        Files or folders.
    config : Config

    Returns
    -------
    list of dict
        title; wavelength (Å, rest frame), flux, smoothed of the pixels that no mask flags;
        normalised (before pixels out of range are replaced) and x (after it) on the run's grid.
        Empty where no spectrum can be used.
    """
    from common.surveys import find_files, read_many

    try:
        files = find_files(paths)[:MOST_FILES]
        batches = list(_some(read_many(files, progress=False)))
    except SuiteError:
        return []
    found = []
    for spectra in batches:
        made = preprocess(spectra, config)
        for row in np.flatnonzero(made.usable & (made.snr_g >= config.snr_g_min)):
            found.append((int(made.replaced[row]), float(made.snr_g[row]), spectra, int(row)))
    if not found:
        return []
    worst = max(found, key=lambda f: f[0])
    usual = min((f for f in found if f is not worst), default=worst,
                key=lambda f: (f[0] > 0, abs(f[1] - 50)))  # fmt: skip
    chosen = [usual] if usual is worst else [usual, worst]
    return [_example(*one, config) for one in chosen]


def _some(stream):
    """Yield batches until there are enough spectra."""
    n = 0
    for spectra in stream:
        yield spectra
        n += len(spectra)
        if n >= MOST_SPECTRA:
            return


def _example(replaced, snr_g, spectra, row, config):
    one = spectra[np.array([row])].in_vacuum()
    flux, wave = np.asarray(one.flux[0], float), np.asarray(one.wavelength_of(0), float)
    good = usable_pixels(one, 0)
    flux, wave = flux[good], wave[good] / (1 + float(one.meta["z"].iloc[0]))
    smooth = savgol(flux[None], np.array([len(flux)]), window=config.savgol_window,
                    order=config.savgol_order)[0]  # fmt: skip
    inside = (wave >= config.wave_min) & (wave <= config.wave_max)
    free = preprocess(one, replace(config, low=-np.inf, high=np.inf))
    return {
        "title": f"{one.ids[0]}: S/N_g {snr_g:.0f}, {replaced} pixels replaced",
        "wavelength": wave[inside],
        "flux": flux[inside],
        "smoothed": smooth[inside],
        "normalised": free.x[0],
        "x": preprocess(one, config).x[0],
    }
