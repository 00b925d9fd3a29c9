"""The commands with the network of templates keep what every paper's commands promise."""

from gasnet2.config import PAPER, TEMPLATES
from gasnet2.networks import load_networks
from tests.contract import Contract, Subject
from tests.gasnet2.toy import TINY, write_table


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=TINY | TEMPLATES["smoke"] | {"per_class": 40},
        write_files=lambda folder: write_table(folder / "spectra.fits", per_class=30),
        models=lambda run_dir: [load_networks(run_dir).model],
        train=("--dataset", "sdss", "--network", "templates"),
        steps={"explain_run": "gradients"},
    )
