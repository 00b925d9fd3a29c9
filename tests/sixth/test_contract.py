from tests.contract import Contract, Subject
from tests.sixth.config import PAPER
from tests.sixth.data import write_files
from tests.sixth.predict import load


class TestContract(Contract):
    subject = Subject(
        paper=PAPER,
        tiny=dict(n=120, epochs=2),
        write_files=write_files,
        models=lambda run_dir: [load(run_dir)[1]],
        steps={"explain_run": "saliency"},
    )
