"""What a page of inspection shows of redshift PDFs of MOONS spectra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.inspect.shown import Curve, Page, Solution
from common.inspect.view import View, per_cent
from common.lines import LINES_MOONS
from mtopnet import pdf as pdfs
from mtopnet.catalogue.columns import DESCRIPTIONS, UNITS

FLAG_WORDS = {
    "TWO_SOLUTIONS": "the PDF has a second peak of more than 30 % of the first's height",
    "EDGE_OF_Z": "the redshift lies at an end of what the network can say",
    "NO_BRIGHT_LINE": "at this redshift no bright line falls into MOONS's arms",
    "LINES_DISAGREE": "the network marks fewer than half of the lines where the redshift puts them",
    "Z_RANGE": "the redshift lies outside the training set's",
    "MASS_RANGE": "the mass lies outside the training set's",
    "SFR_RANGE": "the star formation rate lies outside the training set's",
    "BAD_PIXELS": "more than 30 % of the channels carry no information",
    "NEGATIVE_CONTINUUM": "the continuum is negative somewhere",
    "OTHER_KIND": "probably a star, a redshift beyond the bins or a fibre without light",
    "OTHER_SURVEY": "no MOONS spectrum",
}
LOGP = "ln p(z)"
STRIPS = {
    LOGP: "How the logarithm of the best redshift's probability changes with the network's input "
    "in each channel: blue, more flux makes it more probable; orange, less."
}


class MtopView(View):
    """See `common.inspect.view.View`."""

    units, descriptions, flag_words = UNITS, DESCRIPTIONS, FLAG_WORDS

    def __init__(self, run_dir, table):
        super().__init__(run_dir, table)
        self.networks = self.magnitudes = None
        if run_dir is not None:
            from mtopnet.networks import load_networks

            self.networks = load_networks(run_dir)

    def batches(self, paths, rows, rejects):
        """Yield `Spectra`; tables of magnitudes beside the files are read too."""
        if self.networks is not None:
            from mtopnet.predict import magnitudes_of

            self.magnitudes = magnitudes_of(paths, self.networks.config)
        yield from super().batches(paths, rows, rejects)

    def shown(self, spectra, rows):
        """Return the `Shown` of spectra with PDF, solutions and saliency."""
        found = super().shown(spectra, rows)
        more = self._of_network(spectra) if self.networks is not None else {}
        return [
            replace(one, **_answer(row), **more.get(str(name), {}))
            for one, name, (_, row) in zip(found, spectra.ids, rows.iterrows(), strict=True)
        ]

    def _of_network(self, spectra):
        """Return {id: PDF and saliency} of the spectra that the network can use."""
        from mtopnet.explain import redshift_saliency
        from mtopnet.networks import predicted, redshift_model
        from mtopnet.predict import usable
        from mtopnet.preprocess import grid

        about, x, _ = usable(self.networks, spectra, magnitudes=self.magnitudes)
        if not len(x):
            return {}
        values, density = predicted(self.networks, x, calibrated=True)
        model, config = redshift_model(self.networks), self.networks.config
        best = pdfs.bin_of(values["z_peak"], self.networks.edges)
        slope = redshift_saliency(model, x, best)[:, : config.n_pixels]
        slope = np.where(x[:, : config.n_pixels] != 0, slope, 0.0)  # masked channels do not count
        wave = grid(config)
        return {
            name: {"pdf": density[i], "strips": {LOGP: Curve(wave, slope[i])}}
            for i, name in enumerate(about["id"].astype(str))
        }

    def page(self, objects, title, facts):
        """Return the `Page` of objects."""
        known = self.networks is not None
        return Page(
            title=title,
            objects=objects,
            kinds={"galaxy": LINES_MOONS},
            facts=facts,
            z_range=(0.0, 3.5),
            pdf_z=pdfs.centres(self.networks.edges) if known else None,
            pdf_words="Calibrated probability of each redshift." if known else "",
            strip_words=STRIPS if known else {},
            asks_kind=False,
        )


def _answer(row):
    """Return headline, redshift and solutions that a row of the catalogue tells."""
    z, p = float(row["z"]), float(row["p_z"])
    headline = (
        f"z = {z:.4f} ({row['z_low68']:.4f} to {row['z_high68']:.4f}), {per_cent(p)} of the "
        f"probability within 0.01; log mass {row['log_mass']:.2f}, log SFR {row['log_sfr']:.2f}"
    )
    solutions = [Solution(f"z = {z:.4f} ({per_cent(p)})", "galaxy", z, p)]
    if np.isfinite(row["z2"]):
        words = f"second: z = {row['z2']:.4f} ({per_cent(float(row['p_z2']))})"
        solutions.append(Solution(words, "galaxy", float(row["z2"]), float(row["p_z2"])))
    return {"headline": headline, "kind": "galaxy", "z": z, "solutions": solutions}
