from gasnet2.config import PAPER
from gasnet2.networks import load_networks
from tests.contract import Contract, Subject
from tests.gasnet2.toy import TINY, write_table


def models(run_dir):
    networks = load_networks(run_dir)
    return [networks.classifier, *networks.redshift.values()]


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=TINY | {"members": 1},
        write_files=lambda folder: write_table(folder / "spectra.fits", per_class=30),
        models=models,
        train=("--dataset", "sdss"),
        steps={"explain_run": "gradients"},
    )
