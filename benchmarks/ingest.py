"""Ingest against a plain loop of astropy's, shards into networks, and memory.

    python -m benchmarks.ingest --data FOLDER [--copies 20] [--rounds 3] [--only files feed memory]

FOLDER holds sdss/spec/*.fits.gz and lamost/spec/*.fits.gz as the surveys release them. Copies with
ids of their own are written of these, gzipped and plain. Rates are in rounds that alternate, of
wall time (two processes against the loop) and, for a busy machine, of the time that a core worked
(one process against the loop); "ours" is the whole command, with its start, checksums and shards.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

from common.surveys.quick import quick_hdus

GRID = 10 ** (3.5682 + 1e-4 * np.arange(3909))


def copies(folder, out, n, survey):
    """Write n copies of each real file, gzipped and plain, each with an id of its own."""
    number = 0
    for path in sorted(folder.glob("*.fits.gz")):
        content = gzip.decompress(path.read_bytes())
        for _ in range(n):
            number += 1
            own = renamed(content, survey, number)
            for kind in ("gz", "plain"):
                name = out / kind / f"{number:06d}.fits{'.gz' if kind == 'gz' else ''}"
                name.parent.mkdir(parents=True, exist_ok=True)
                name.write_bytes(gzip.compress(own, 1, mtime=0) if kind == "gz" else own)


def renamed(content, survey, number):
    """Return a file's bytes with another id: SDSS's MJD, LAMOST's OBSID."""
    if survey == "lamost":
        return re.sub(rb"OBSID   =.{71}", b"%-80s" % (b"OBSID   = %20d" % number), content)
    own = bytearray(content)
    table = quick_hdus(content)[2].table()
    start = table.__array_interface__["data"][0] - np.frombuffer(content, "u1").ctypes.data
    kind, at = table.dtype.fields["mjd"]
    if 0 <= start < len(content):
        own[start + at : start + at + 4] = np.array(40000 + number, kind).tobytes()
        return bytes(own)
    buffer = io.BytesIO()
    with fits.open(io.BytesIO(content)) as hdus:  # a scaled column
        hdus[2].data["MJD"][0] = 40000 + number
        hdus.writeto(buffer, output_verify="ignore")
    return buffer.getvalue()


def plain(files, survey):
    """The loop that everyone writes: open, read, interpolate."""
    out = np.zeros((len(files), len(GRID)), "f4")
    for row, path in enumerate(files):
        with fits.open(path) as hdus:
            if survey == "sdss":
                data = hdus[1].data
                wave, flux = 10 ** data["loglam"], data["flux"]
            elif hdus[0].data is not None:
                flux, _, wave = hdus[0].data[:3]
            else:
                wave, flux = hdus[1].data["WAVELENGTH"][0], hdus[1].data["FLUX"][0]
            out[row] = np.interp(GRID, wave, flux)
    return out


def ours(path, work, workers):
    """The whole command in a process of its own; return seconds."""
    with tempfile.TemporaryDirectory(dir=work) as out:
        began = time.perf_counter()
        command = [sys.executable, "-m", "common.ingest", "-o", f"{out}/shards",
                   "--workers", str(workers), str(path)]  # fmt: skip
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        assert "could not" not in done.stdout, done.stdout
    return seconds


def files_per_second(data, work, n, rounds):
    for survey in ("sdss", "lamost"):
        copies(data / survey / "spec", work / survey, n, survey)
        for kind in ("gz", "plain"):
            files = sorted((work / survey / kind).iterdir())
            plain(files[:50], survey)  # both find the files in memory
            wall, core = [], []
            for _ in range(rounds):
                began, used = time.perf_counter(), time.process_time()
                plain(files, survey)
                times = [time.perf_counter() - began]
                work_of_one = [time.process_time() - used]
                for path in (files[0].parent, files[0]):  # all, and one: what the start takes
                    times.append(ours(path, work, 2))
                    before = children()
                    ours(path, work, 1)  # what several do cannot be asked of the system
                    work_of_one.append(children() - before)
                wall.append(times)
                core.append(work_of_one)
            print(f"{survey} {kind}, {len(files)} files")
            for name, seconds in (("2 processes, wall", wall), ("1 process, core", core)):
                one, all_, start = np.array(seconds).T
                rest = all_ - start
                print(f"  {name}: files a second: plain {spread(len(files) / one)}, ours "
                      f"{spread(len(files) / all_)}, ratio {spread(one / all_, 2)}; without the "
                      f"start ({spread(start, 1)} s) {spread(len(files) / rest)}, ratio "
                      f"{spread(one / rest, 2)}", flush=True)  # fmt: skip


def children():
    """Return the seconds that cores worked for processes that have ended."""
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


def spread(values, digits=0):
    low, middle, high = (f"{v:.{digits}f}" for v in np.quantile(values, [0, 0.5, 1]))
    return f"{middle} ({low}-{high})"


def feed(work, rounds):
    """Spectra per second from shards into the network of GaSNet-II, and what training takes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from common.accelerator import choose

    choose("float32")
    import pandas as pd

    from common.pipeline import Shards, ShardWriter, dataset
    from common.surveys import read_many
    from common.waiting import Waiting
    from gasnet2.config import PAPER
    from gasnet2.inputs import prepared
    from gasnet2.model import build_classifier

    folder = work / "feed"
    if not folder.exists():
        ours_kept(work / "sdss" / "plain", folder)
    config = PAPER.configure("sdss-mock", "paper")
    rates = {"shards to Spectra": [], "shards to network input": [], "prepared to batches": [],
             "training": [], "input share": []}  # fmt: skip
    xs = []
    for _ in range(rounds):
        began = time.perf_counter()
        n = sum(len(batch) for batch in read_many([folder], progress=False))
        rates["shards to Spectra"].append(n / (time.perf_counter() - began))
        began, xs = time.perf_counter(), []
        for batch in read_many([folder], progress=False):
            ready = prepared(batch, config)
            xs.append(ready.x[ready.usable])
        rates["shards to network input"].append(n / (time.perf_counter() - began))
    x = np.concatenate(xs)
    with ShardWriter(work / "prepared", x.shape[1]) as writer:
        writer.write(x, pd.DataFrame({"id": np.arange(len(x)).astype(str)}))
    shards, index = Shards(work / "prepared"), np.arange(len(x))
    target = np.eye(len(config.classes), dtype="f4")[index % len(config.classes)]
    model = build_classifier(x.shape[1], len(config.classes), config)
    model.compile("adam", "categorical_crossentropy")
    for round_ in range(rounds + 1):
        waiting, ds = Waiting(), dataset(shards, index, target, batch_size=128, seed=1)
        began = time.perf_counter()
        for _ in ds:
            pass
        batches = len(x) / (time.perf_counter() - began)
        some = waiting.watch(dataset(shards, index[:1280], target[:1280], batch_size=128, seed=1))
        began = time.perf_counter()
        model.fit(some, verbose=0)
        seconds = time.perf_counter() - began
        if round_:  # the first one traces
            rates["prepared to batches"].append(batches)
            rates["training"].append(1280 / seconds)
            rates["input share"].append(100 * waiting.seconds / seconds)
    for name, values in rates.items():
        print(f"{name}: {spread(values, 2 if name == 'input share' else 0)}", flush=True)


def ours_kept(files, out):
    command = [sys.executable, "-m", "common.ingest", "-o", str(out), str(files)]
    subprocess.run(command, check=True, capture_output=True)


PEAK = """
import resource, sys
from common.ingest.run import ingest
from common.surveys import read_many
if sys.argv[1] == "ingest":
    ingest(sys.argv[3:], sys.argv[2], workers=1)
else:
    print(sum(len(batch) for batch in read_many(sys.argv[2], progress=False)))
print("MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def memory(work):
    """Peak memory of ingest by one process, and of reading, for more and more spectra."""
    folder, per, pixels = work / "tables", 5000, 1000
    folder.mkdir(exist_ok=True)
    (work / "peak.py").write_text(PEAK)
    rng, files = np.random.default_rng(0), []
    for number in range(20):
        files.append(folder / f"table-{number:02d}.fits")
        column = {
            "PLATE": ("J", np.full(per, 266 + number)), "MJD": ("J", np.full(per, 51602)),
            "FIBERID": ("J", np.arange(1, per + 1)), "CLASS": ("6A", np.full(per, "STAR")),
            "Z": ("E", np.zeros(per)), "flux": (f"{pixels}E", rng.normal(5, 1, (per, pixels))),
            "ivar": (f"{pixels}E", np.ones((per, pixels))),
        }  # fmt: skip
        table = fits.BinTableHDU.from_columns(
            [fits.Column(name, kind, array=values) for name, (kind, values) in column.items()]
        )
        table.header.update(COEFF0=3.6, COEFF1=1e-4)
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(files[-1], overwrite=True)
    for n in (2, 6, 20):
        out = work / f"memory-{n}"
        told = []
        for words in (["ingest", out, *files[:n]], ["read", out]):
            began = time.perf_counter()
            done = subprocess.run([sys.executable, work / "peak.py", *map(str, words)], check=True,
                                  capture_output=True, text=True)  # fmt: skip
            told += [done.stdout.split("MiB ")[1].strip(), time.perf_counter() - began]
        print("{} spectra: ingest {} MiB, {:.0f} s; read {} MiB, {:.0f} s".format(n * per, *told),
              flush=True)  # fmt: skip


def main(argv=None):
    p = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--copies", type=int, default=20)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--only", nargs="+", default=["files", "feed", "memory"])
    p.add_argument("--work", type=Path, help="folder for copies and shards, kept")
    args = p.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if "files" in args.only:
            files_per_second(args.data, work, args.copies, args.rounds)
        if "feed" in args.only:
            if not (work / "sdss").exists():
                copies(args.data / "sdss" / "spec", work / "sdss", args.copies, "sdss")
            feed(work, args.rounds)
        if "memory" in args.only:
            memory(work)


if __name__ == "__main__":
    main()
