import shutil
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from common.accelerator import choose
from common.claims import Claim
from common.errors import UsageError
from common.files import write_json
from gasnet2 import train
from gasnet2.contaminate import contaminate, shuffled
from gasnet2.contaminate import main as contaminate_main
from gasnet2.measured import measure
from tests.eager import train_eagerly
from tests.gasnet2.toy import tiny_config, write_table


@pytest.fixture(scope="module", autouse=True)
def eager():
    with pytest.MonkeyPatch.context() as patch:
        train_eagerly(patch)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_table(folder / "files" / "t.fits", per_class=20)
    config = tiny_config(epochs=1, members=1)
    train.train(config, folder / "run", accelerator=choose("float32"), data_dir=folder / "files")
    return folder / "run"


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.10, 1.0])
def test_the_asked_share_is_shuffled(fraction):
    names = np.repeat(["a", "b", "c"], 200)
    rows = np.arange(0, 600, 2)
    out = shuffled(names, rows, fraction, np.random.default_rng(0))
    changed = np.flatnonzero(out != names)
    asked = fraction * len(rows)
    assert 0.2 * asked <= len(changed) <= asked, "a third of a shuffle of three falls back"
    assert set(changed) <= set(rows)
    assert sorted(out) == sorted(names), "a shuffle keeps the classes' sizes"


def test_each_level_leaves_a_table_with_both_labels(run):
    paths = contaminate(run, accelerator=choose("float32"), fractions=(0.0, 0.1))
    assert [p.name for p in paths] == ["contamination_00.parquet", "contamination_10.parquet"]
    for path in paths:
        table = pd.read_parquet(path)
        counts = table["class_clean"].value_counts().to_dict()
        assert counts == {f"GALAXY_{c}": 3 for c in ("AGN", "STARBURST", "STARFORMING")}
        assert table["z_pred"].notna().all()


def test_classes_alone_for_more_epochs(run):
    assert contaminate_main(["--run-dir", str(run), "--epochs", "2", "--classes-only"]) == 0
    work = run / "work" / "contamination_10"
    assert len(pd.read_csv(work / "history.csv")) == 2
    assert [p.name for p in (work / "models").iterdir()] == ["classifier.keras"]
    tables = {k: pd.read_parquet(run / f"contamination_{k:02d}.parquet") for k in (0, 5, 10)}
    assert all(t["z_pred"].isna().all() for t in tables.values())
    claim = Claim("c", "", "", "", 0.02, 0.01, "sdss", "none",
                  {"metric": "contamination_gf", "percent": 5})  # fmt: skip
    assert measure([claim], tables[0], contaminated=tables) == {}, "no redshift is no loss of GF"
    assert contaminate_main(["--run-dir", str(run), "--epochs", "0"]) == 2


def test_desi_has_no_such_classes(tmp_path):
    write_json(tmp_path / "config.json", {"config": asdict(tiny_config(dataset="desi"))})
    with pytest.raises(UsageError, match="sdss and fourmost"):
        contaminate(tmp_path, accelerator=choose("float32"))
