from lamost_metallicity.config import PAPER
from lamost_metallicity.networks import load_networks
from tests.contract import Contract, Subject
from tests.lamost_metallicity.toy import TINY, write_survey


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=TINY,
        write_files=lambda folder: write_survey(folder, n=240),
        models=lambda run_dir: load_networks(run_dir).models.values(),
        train=("--dataset", "lamost"),
        steps={"explain_run": "saliency"},
    )
