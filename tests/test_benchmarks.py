"""The benchmarks that judge: what they would find is put before them."""

import json
import time
from dataclasses import replace
from functools import partial

import pytest

from benchmarks import kill, scale_model
from benchmarks.scale_model import Costs, Site, simulate

COSTS = Costs(read=0.002, compute=0.004, write=0.001, assemble=1e-4, start=5.0, first=2.0,
              file=1e-3, task=0.01, bytes=2e4, out=1e3, memory=1000)  # fmt: skip


def add_up(argv, *, carefully):
    """Write the numbers to 30, each once: `carefully`, else those of an earlier call again."""
    from pathlib import Path

    from common.files import clear_temporary, write_json

    done, out = Path(argv[0]) / "done.json", Path(argv[0]) / "a.fits"
    known = json.loads(done.read_text()) if done.exists() else []
    for number in range(len(known) if carefully else 0, 30):
        known.append(number)
        write_json(done, known)
        time.sleep(0.02)
    write_json(out, known)
    clear_temporary(done)  # of a writer that was killed
    done.unlink()
    return 0


def case(carefully):
    return kill.Case(
        lambda given: None,
        partial(add_up, carefully=carefully),
        lambda given, out: [out],
        lambda out: [],
        kill.catalogue,
        lambda out: "some" if (out / "done.json").exists() else "none",
    )


@pytest.mark.parametrize("carefully", [True, False])
def test_a_command_that_does_not_go_on_rightly_is_found(carefully, tmp_path, monkeypatch):
    monkeypatch.setattr(kill, "IMPORTED", ())
    found = kill.torment(case(carefully), tmp_path, kills=6, say=lambda text: None)
    assert found["kills"] == 6 and sum(found["stages"].values()) == 6
    assert bool(found["wrong"]) == (not carefully)


@pytest.mark.slow
@pytest.mark.parametrize("what", kill.CASES)
def test_killed_fifty_times_a_command_ends_as_if_nothing_had_happened(what, tmp_path):
    found = kill.torment(kill.CASES[what], tmp_path, kills=50)
    assert found["kills"] == 50 and not found["wrong"]


def test_the_model_is_right_where_the_answer_is_known():
    one = simulate(COSTS, Site(1), 20000, per_task=2000, per_file=500)
    assert one["before"] == pytest.approx(5 + 40e-3)
    assert one["after"] == pytest.approx(2)
    assert one["work"] == pytest.approx(5 + 2 + 20000 * 0.007 + 10 * 0.01)
    four = simulate(COSTS, Site(4), 80000, per_task=2000)
    assert four["work"] == pytest.approx(one["work"], rel=0.01), "as many tasks for each"
    assert simulate(COSTS, Site(4), 2000, per_task=2000)["idle"] == pytest.approx(0.75, abs=0.01)
    half = simulate(COSTS, Site(1, share=0.5), 20000, per_task=2000)
    assert half["work"] == pytest.approx(2 * (one["work"] - 0.1) + 0.1)
    # many workers: what all share is what they wait for
    many = simulate(COSTS, Site(10000), 10**7, per_task=1000)
    assert many["work"] > 10**4 * COSTS.task
    slow = simulate(COSTS, Site(100, bandwidth=1e6), 10**6, per_task=1000)
    assert slow["work"] == pytest.approx(10**6 * 2e4 / 1e6, rel=0.35)


def test_deaths_cost_what_was_begun_and_no_more():
    calm = simulate(COSTS, Site(8), 10**6, per_task=2000)
    site = Site(8, deaths=20)  # per hour of a worker: every third minute
    wild = simulate(COSTS, site, 10**6, per_task=2000)
    assert calm["again"] == 0 and wild["again"] > 10
    most = 2000 * 0.007 + COSTS.start + 2 * COSTS.first
    assert calm["work"] < wild["work"] < calm["work"] + wild["again"] * most
    assert wild == simulate(COSTS, site, 10**6, per_task=2000)


def test_the_table_is_of_every_size_and_site():
    rows = list(scale_model.table(replace(COSTS, bytes=8e3)))
    assert len(rows) == 9 and {len(row) for row in rows} == {11}
