"""What a precision changes in a catalogue: ``python -m benchmarks.precision --run-dir DIR FILES``.

Each precision predicts the same files in a process of its own; float32 is the reference.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common.accelerator import cpu_flags
from common.catalog import read_table


def catalogue(run_dir, files, precision, folder):
    """Return the catalogue of a precision and the seconds that it took."""
    out = Path(folder) / f"{precision}.parquet"
    command = [sys.executable, "-m", "gasnet2.predict", "--run-dir", run_dir, "-o", out]
    began = time.perf_counter()
    subprocess.run([*command, "--precision", precision, *files], check=True, capture_output=True)
    return read_table(out), time.perf_counter() - began


def main():
    """Print one row for each precision."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    p.add_argument("--run-dir", type=Path, required=True)
    p.add_argument("files", nargs="+", type=Path)
    args = p.parse_args()
    names = ["mixed_bfloat16"]
    if cpu_flags() & {"amx_bf16", "avx512_bf16"}:
        names.append("cpu_bf16")
    print("| precision | same class | largest change of a probability | median, largest change "
          "of z / (1 + z) where the class is the same | seconds against float32 |")  # fmt: skip
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        reference, plain = catalogue(args.run_dir, args.files, "float32", folder)
        for name in names:
            table, seconds = catalogue(args.run_dir, args.files, name, folder)
            both = reference.merge(table, on="id", validate="one_to_one", suffixes=("", "_b"))
            same = both["class"] == both["class_b"]
            columns = [c for c in reference if c.startswith("p_")]
            change = np.abs(both[columns].to_numpy() - both[[f"{c}_b" for c in columns]].to_numpy())
            z = both[same & (both["z"] != 0)]
            dz = ((z["z_b"] - z["z"]).abs() / (1 + z["z"])).dropna()
            print(f"| {name} | {same.mean():.4f} of {len(both)} | {change.max():.4f} | "
                  f"{dz.median():.1e}, {dz.max():.1e} | {seconds:.1f} / {plain:.1f} |")  # fmt: skip


if __name__ == "__main__":
    main()
