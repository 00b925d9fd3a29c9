from lamost_metallicity.config import PAPER
from lamost_metallicity.networks import load_networks
from tests.contract import Contract, Subject
from tests.lamost_metallicity.toy import TINY, write_files


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=TINY,
        write_files=write_files,
        models=lambda run_dir: load_networks(run_dir).models.values(),
        train=("--dataset", "lamost"),
        steps={"explain_run": "saliency"},
    )
