"""Released networks by workers: the same catalogue, on the same machine to the last bit."""

import importlib
from types import SimpleNamespace

import pytest

from common.catalogue import assemble, files
from rvs_hybrid.stars import files as stars

CASES = {
    "gasnet2": SimpleNamespace(verb="predict", of="sdss/spec", cut=(files, "FILES", 40)),
    "rvs_hybrid": SimpleNamespace(verb="predict", of="gaia", cut=(stars, "ROWS", 400)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("package", CASES)
def test_any_number_of_workers_makes_one_catalogue(package, shared_data, tmp_path, monkeypatch):
    case, made = CASES[package], {}
    command = importlib.import_module(f"{package}.{case.verb}")
    monkeypatch.setattr(*case.cut)
    for workers in (0, 1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        argv = ["-o", folder / "a.fits", "--precision", "float32", "--workers", workers,
                shared_data / "real" / case.of]  # fmt: skip
        assert command.main([str(a) for a in argv]) == 0
        out = folder / "a.fits"
        made[workers] = [p.read_bytes() for p in (out, assemble.rejects_of(out)) if p.exists()]
        assert {p.name for p in folder.iterdir()} <= {out.name, assemble.rejects_of(out).name}
    assert made[0] == made[1] == made[2]
