"""The commands with the network of templates keep what every paper's commands promise."""

import json

import numpy as np
import pandas as pd

from common.catalog import read_table
from common.catalogue.pdf_file import read_pdfs
from gasnet2 import contaminate
from gasnet2.config import PAPER, TEMPLATES
from gasnet2.networks import load_networks
from gasnet2.templates.catalogue import FLAGS
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

    def test_appendix_a_and_pdfs_ask_for_the_network_that_they_are_of(
        self, house, tmp_path, capsys
    ):
        assert contaminate.main(["--run-dir", str(house.run)]) == 2
        assert "--network paper" in capsys.readouterr().err
        pdf = tmp_path / "pdf.fits"
        assert self.predict(house, tmp_path / "a.fits", "--pdf", pdf) == 0
        ids, p, edges = read_pdfs(pdf)
        table = read_table(tmp_path / "a.fits")
        assert list(ids) == list(table["id"]) and p.shape == (len(ids), len(edges) - 1)
        far = (table["p_GALAXY"] + table["p_QSO"]).to_numpy()
        np.testing.assert_allclose(p.sum(axis=1), far, atol=2e-3)
        assert (np.diff(edges) > 0).all()
        flags = table["warnings"].fillna("").str.split(";")
        bits = [sum(FLAGS[k] for k in row if k) for row in flags]
        assert bits == list(table["zwarn"])

    def test_everything_says_which_network_it_is_of(self, house, copy, tmp_path):
        assert self.subject.main("evaluate", "--run-dir", copy, "--on", house.files) == 0
        table = house.run / "predictions.parquet"
        argv = ("--predictions", table, "-o", tmp_path / "made")
        assert self.subject.main("evaluate", *argv) == 0
        for folder in (house.evaluation, copy / f"on_{house.files.name}", tmp_path / "made"):
            assert "(template network)" in json.loads((folder / "cover.json").read_text())["title"]
            assert "(template network)" in (folder / "claims.ecsv").read_text()

    def test_explain_shows_evidence_and_templates(self, house, tmp_path):
        assert self.subject.main("explain", "--run-dir", house.run, "-o", tmp_path) == 0
        table = pd.read_parquet(tmp_path / "explain" / "evidence.parquet")
        assert {"best", "second", "constant", "added", "flux"} <= set(table)
        for name in ("evidence", "templates"):
            assert (tmp_path / "figures" / f"{name}.png").exists()
