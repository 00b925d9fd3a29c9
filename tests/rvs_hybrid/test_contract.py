from rvs_hybrid import data
from rvs_hybrid.config import PAPER
from rvs_hybrid.networks import load_networks
from tests.contract import Contract, Subject
from tests.rvs_hybrid.stars import make_sample, write_labelled


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=dict(members=2, epochs=2, xp_units=(32,), fusion=(32,), xp_components=20,
                  batch_size=32),
        write_files=lambda folder: None,
        write_on=write_labelled,
        models=lambda run_dir: load_networks(run_dir).members,
        explain=("-n", "5"),
        steps={"compare": "variants", "explain": "gradients"},
        patch=lambda patch: patch.setattr(data, "load_sample", lambda *_, **__: make_sample()),
        needs_data_dir=False,
        batch=("rvs_hybrid.stars.files.ROWS", 20),
    )  # fmt: skip
