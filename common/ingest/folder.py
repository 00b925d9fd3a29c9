"""A folder of shards: what it holds, what is being added, and what a kill left of that::

    SHARDS/manifest.json       every shard: rows, sha256, survey, medium, frame, unit, grid
    SHARDS/rejects.ecsv        what could not be used, of all calls
    SHARDS/g001/               what one call added: 000000-000.parquet ... and
        ids.parquet            id, file, shard, row
        sources.parquet        file, size, mtime_ns, spectra, job
        rejects.parquet

While a call is at work its plan is in SHARDS/plan.json, and the receipts of its finished jobs in
SHARDS/g001/jobs. The manifest is written last.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from common.catalogue.assemble import write_rejects
from common.catalogue.files import jobs_of
from common.catalogue.parts import stamp
from common.errors import UsageError
from common.files import write_json, write_parquet
from common.rejects import COLUMNS, reject_table
from common.surveys.seen import Seen
from common.surveys.shards import FORMAT, MANIFEST, PLAN, Shard, manifest_of, write_shard

SOURCE = ("file", "size", "mtime_ns", "spectra")
# default: a call is cut into so many tasks, of less where there is less; files of one at most
TASKS, FEWEST, MOST = 16, 128, 1024
REJECTS = "rejects.ecsv"


class Folder:
    """Shards on disk, and the call that adds to them.

    Parameters
    ----------
    path : path-like
        New, empty, or filled by an earlier call.

    Attributes
    ----------
    shards : list of dict
        Of the manifest, without those of jobs that lost one.
    lost : list of str
        Names of shards that are missing or cut.
    known : dict
        Of the files read before: path -> (size, mtime_ns, spectra).
    seen : Seen
        Ids, and the file of each.
    without : set of str
        Files whose shard is lost.
    plan : dict or None
        What is being added: name, jobs (lists of files), options.

    Raises
    ------
    UsageError
        If there is something else in the folder.
    """

    def __init__(self, path):
        self.path = Path(path)
        about = manifest_of(self.path)
        self.plan = _json(self.path / PLAN)
        ours = about or self.plan or not self.path.exists()
        if not ours and [p for p in self.path.iterdir() if not p.name.startswith(".")]:
            raise UsageError(f"{path}: the folder is there and holds no shards. Name another one.")
        about = about or {"shards": [], "calls": []}
        self.calls = about["calls"]
        self.lost = [one["name"] for one in about["shards"] if not self._whole(one)]
        jobs = {_job(name) for name in self.lost}
        self.shards = [one for one in about["shards"] if _job(one["name"]) not in jobs]
        if self.plan and self.plan["name"] in self.calls:  # killed while it cleared up
            self._clear()
        self.known, self.seen, self.without = {}, Seen(), set()
        self._take_in(jobs)

    def _whole(self, shard):
        path = self.path / shard["name"]
        return path.exists() and path.stat().st_size == shard["bytes"]

    def _take_in(self, lost):
        """Fill `known` and `seen` from the earlier calls, but for jobs that lost a shard."""
        held = {one["name"] for one in self.shards}
        for name in self.calls:
            sources = pd.read_parquet(self.path / name / "sources.parquet")
            for file, *about, job in sources[[*SOURCE, "job"]].itertuples(index=False):
                self.known.pop(file, None)  # what a later call says of a file counts
                self.without.discard(file)
                if f"{name}/{job}" in lost:
                    self.without.add(file)
                else:
                    self.known[file] = tuple(about)
            ids = pd.read_parquet(self.path / name / "ids.parquet")
            here = ids["shard"].isin(held)
            for identity, file in zip(ids["id"][here], ids["file"][here], strict=True):
                self.seen.setdefault(identity, file)

    def _see(self, shard):
        """Remember the ids of a shard; return the rows whose id was there, and their files."""
        again = {}
        for row, (identity, file) in enumerate(_who(self.path / shard)):
            if identity in self.seen:
                again[row] = self.seen[identity]
            else:
                self.seen.setdefault(identity, file)
        return again

    def begin(self, files, options):
        """Plan what is new among some files, or go on with the plan of a call that was killed.

        Parameters
        ----------
        files : list of Path
        options : dict
            Of what JSON can hold: all else that the shards depend on.

        Returns
        -------
        list of str
            Files whose spectra are here and that changed since: they are not read again.
        """
        new, changed, gone = [], [], set(self.without)
        for path in files:
            name, *about = stamp(path)
            gone.discard(name)
            held = self.known.get(name)
            if held is None or (list(held[:2]) != about and not held[2]):
                new.append(str(path))
            elif list(held[:2]) != about:
                changed.append(str(path))
        if gone:
            raise UsageError(
                f"{self.path / self.lost[0]}: this shard is missing or cut, and {min(gone)}, which "
                "its spectra came from, is not among the files given. Name that too, or put the "
                "shard back."
            )
        planned = [path for job in self.plan["jobs"] for path in job] if self.plan else []
        if self.plan and (not set(planned) <= set(new) or self.plan["options"] != options):
            raise UsageError(
                f"{self.path}: an ingest of other files or options was interrupted here. Repeat "
                f"its command ({len(planned)} files from {planned[0]} on), or delete "
                f"{self.path / PLAN} to give up what it has not finished."
            )
        if not self.plan and new:
            taken = [int(one.name[1:]) for one in self.path.glob("g[0-9]*")]
            name = f"g{max(taken, default=0) + 1:03d}"
            tasks = min(-(-len(new) // FEWEST), TASKS)
            most = min(-(-len(new) // tasks), MOST)
            self.plan = {"format": FORMAT, "name": name, "options": options,
                         "jobs": jobs_of(new, most, cut=False)[0]}  # fmt: skip
            write_json(self.path / PLAN, self.plan)
        return changed

    def _receipt(self, number):
        return self.path / self.plan["name"] / "jobs" / f"{number:06d}.json"

    def receipts(self):
        """Return what is finished of the plan: {number of the job: receipt}."""
        found = {} if self.plan is None else {
            number: _json(self._receipt(number)) for number in range(len(self.plan["jobs"]))
        }  # fmt: skip
        return {number: receipt for number, receipt in found.items()
                if receipt and all(map(self._whole, receipt["shards"]))}  # fmt: skip

    def take(self, receipt):
        """Remember the ids of a finished job."""
        for one in receipt["shards"]:
            self._see(one["name"])

    def commit(self, number, receipt):
        """Keep a job: spectra whose id came before, in the order of the files, are left out.

        Returns
        -------
        dict
            The receipt as it is kept.
        """
        kept, spectra = [], Counter({file: n for file, _, _, n in receipt["sources"]})
        for one in receipt["shards"]:
            path, again = self.path / one["name"], self._see(one["name"])
            if again:
                held = Shard(path).read()
                for row, first in again.items():
                    who = {"file": str(held.meta["file"][row]), "id": str(held.ids[row])}
                    reason = {"reason": f"duplicate id: first seen in {first}"}
                    receipt["rejects"].append(dict.fromkeys(COLUMNS, "") | who | reason)
                    spectra[str(Path(who["file"]).resolve())] -= 1
                rest = [row for row in range(len(held)) if row not in again]
                if rest:
                    one = {"name": one["name"]} | write_shard(path, held[rest])
                else:
                    path.unlink()
                    continue
            kept.append(one)
        receipt = receipt | {"shards": kept, "sources": [
            [file, size, time, spectra[file]] for file, size, time, _ in receipt["sources"]
        ]}  # fmt: skip
        write_json(self._receipt(number), receipt)
        return receipt

    def finish(self, receipts):
        """Write the tables of the plan and the manifest: what was added is then there."""
        folder = self.path / self.plan["name"]
        order = sorted(receipts)
        sources = [(*row, f"{number:06d}") for number in order
                   for row in receipts[number]["sources"]]  # fmt: skip
        shards = [one for number in order for one in receipts[number]["shards"]]
        write_parquet(pd.DataFrame(sources, columns=(*SOURCE, "job")), folder / "sources.parquet")
        write_parquet(_ids(self.path, shards), folder / "ids.parquet")
        rejects = [row for number in order for row in receipts[number]["rejects"]]
        write_parquet(reject_table(rejects), folder / "rejects.parquet")
        self.calls = [*self.calls, self.plan["name"]]
        self.shards = [*self.shards, *shards]
        self.known |= {file: about for file, *about, _ in sources}
        self.save()
        self._clear()

    def save(self):
        """Write the manifest and the table of rejects."""
        write_rejects(self._rejects, self.path / REJECTS)
        rows = sum(one["rows"] for one in self.shards)
        write_json(self.path / MANIFEST, {"format": FORMAT, "rows": rows, "calls": self.calls,
                                          "shards": self.shards})  # fmt: skip

    def _rejects(self):
        """Yield the rejects of all calls but those of files that a later call read again."""
        read = {}
        for name in self.calls:
            sources = pd.read_parquet(self.path / name / "sources.parquet", columns=["file"])
            read |= dict.fromkeys(sources["file"], name)
        for name in self.calls:
            for row in pd.read_parquet(self.path / name / "rejects.parquet").to_dict("records"):
                if read.get(str(Path(row["file"]).resolve()), name) == name:
                    yield row

    def _clear(self):
        """Remove what only a call at work needs."""
        folder = self.path / self.plan["name"]
        shutil.rmtree(folder / "jobs", ignore_errors=True)
        named = {one["name"] for one in self.shards}
        for path in (*folder.glob(".*"), *folder.glob("0*.parquet")):
            if f"{folder.name}/{path.name}" not in named:
                path.unlink()
        (self.path / PLAN).unlink(missing_ok=True)
        self.plan = None


def _job(shard):
    """Return the job that a shard is of, by its name: "g001/000000"."""
    return shard.rpartition("-")[0]


def _ids(folder, shards):
    """Return the table of ids of some shards: id, file, shard, row."""
    rows = [(*who, one["name"], row) for one in shards
            for row, who in enumerate(_who(folder / one["name"]))]  # fmt: skip
    return pd.DataFrame(rows, columns=["id", "file", "shard", "row"])


def _who(path):
    """Return id and file of each spectrum of a shard, list of tuples."""
    table = pq.read_table(path, columns=["id", "file"], use_threads=False)
    return list(zip(*(table[name].to_pylist() for name in ("id", "file")), strict=True))


def _json(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
