from mtopnet.config import PAPER
from mtopnet.networks import load_networks
from tests.contract import Contract, Subject
from tests.mtopnet.toy_run import TINY, write_folder


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=TINY,
        write_files=lambda folder: write_folder(folder, 60),
        models=lambda run_dir: load_networks(run_dir).models.values(),
        train=("--dataset", "moons", "--variants"),
        steps={"explain_run": "saliency", "latent_run": "Fig. 13"},
    )
