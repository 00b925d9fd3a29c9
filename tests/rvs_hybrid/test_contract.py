from rvs_hybrid.config import PAPER
from rvs_hybrid.networks import load_networks
from tests.contract import Contract, Subject
from tests.rvs_hybrid import toy


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=toy.TINY,
        write_files=toy.write_files,
        models=lambda run_dir: load_networks(run_dir).members,
        steps={"compare": "variants", "explain": "gradients"},
        patch=toy.replace_stars,
        needs_data_dir=False,
        batch=("rvs_hybrid.stars.files.ROWS", 20),
    )
