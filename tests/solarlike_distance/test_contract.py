from solarlike_distance.config import PAPER
from solarlike_distance.networks import load_networks
from tests.contract import Contract, Subject
from tests.solarlike_distance.toy import TINY, write_files


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=TINY,
        write_files=write_files,
        models=lambda run_dir: load_networks(run_dir).models,
        train=("--dataset", "lamost"),
        verb="catalog",
        steps={"baseline_run": "Table C.1", "explain_run": "SHAP"},
        batch=("common.catalogue.files.CHUNK", 20),
    )
