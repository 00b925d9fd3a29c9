"""What a page of inspection shows of classes and redshifts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.inspect.shown import Curve, Page, Solution
from common.inspect.view import View, per_cent
from common.lines import ABSORPTION, EMISSION, STELLAR
from gasnet2.config import COARSE
from gasnet2.inputs import prepared
from gasnet2.networks import load_networks
from gasnet2.predict import DESCRIPTIONS, UNITS
from gasnet2.templates import catalogue as templates
from gasnet2.templates import explain
from gasnet2.templates.inputs import grid
from gasnet2.templates.solutions import pdf

LINES = {
    "STAR": STELLAR, "GALAXY": EMISSION | ABSORPTION, "QSO": EMISSION, "NONE": {},
}  # fmt: skip
FLAG_WORDS = {
    "LITTLE_COVERAGE": "less than 60 % of the network's wavelengths have information",
    "LOW_PROBABILITY": "the answer is right with less than 90 % probability",
    "SECOND_SOLUTION": "another class or redshift has more than 5 % probability",
    "Z_AT_EDGE": "the redshift lies at an end of what the network can say",
    "NO_OBJECT": "no object was seen, or the fibre failed",
    "LOW_SNR": "the median signal-to-noise ratio is below 2 per pixel",
    "BAD_PIXELS": "more than 30 % of the pixels carry no information",
    "AMBIGUOUS_CLASS": "no class has more than 50 % probability",
    "UNSTABLE_Z": "the networks of the ensemble disagree about the redshift",
    "NO_Z_NETWORK": "there is no redshift network of this class",
}
ADDED = "evidence"
STRIPS = {
    ADDED: "What each wavelength adds to the best solution (blue) or takes from it (orange) "
    "against the second: logarithm of the ratio of their probabilities.",
    "class": "How much the class's probability depends on each pixel: |dP/dflux|.",
    "redshift": "How much the redshift depends on each pixel: |dz/dflux|.",
}
TEMPLATE_WORDS = (
    "what the network learned of the class: emission (up) and absorption (down) that speak for it, "
    "at the redshift shown"
)
PDF_WORDS = (
    "Probability of each redshift over galaxies and quasars; what is missing to 1 belongs to stars."
)


class GasnetView(View):
    """See `common.inspect.view.View`."""

    units = UNITS
    flag_words = FLAG_WORDS

    def __init__(self, run_dir, table):
        super().__init__(run_dir, table)
        self.networks = load_networks(run_dir)
        self.config = self.networks.config
        self.grid = self.config.table_grid
        more = templates.DESCRIPTIONS if self.config.is_templates else {}
        self.descriptions = DESCRIPTIONS | more

    def shown(self, spectra, rows):
        """Return the `Shown` of spectra with evidence, PDF and solutions."""
        spectra = spectra.in_vacuum()
        found = super().shown(spectra, rows)
        ready = prepared(spectra, self.config)
        told = self._of_templates if self.config.is_templates else self._of_paper
        more = told(ready.x, rows)
        return [
            replace(one, **answer(row), **(own if why == "" else {}))
            for one, (_, row), own, why in zip(
                found, rows.iterrows(), more, ready.reason, strict=True
            )
        ]

    def _of_templates(self, x, rows):
        found = explain.evidence(self.networks, x)
        density = pdf(self.networks.probabilities(x), self.config.classes)[1]
        wave = grid()
        return [
            {"strips": {ADDED: Curve(wave, found.added[i])}, "pdf": density[i]}
            for i in range(len(x))
        ]

    def _of_paper(self, x, rows):
        from gasnet2.explain import gradients

        names = np.where(rows["class"].isin(self.config.classes), rows["class"],
                         self.config.classes[0])  # fmt: skip
        dz, dp = gradients(self.networks, x, names)
        wave, out = self.config.grid, []
        for i in range(len(x)):
            strips = {"class": Curve(wave, dp[i])}
            if np.isfinite(dz[i]).all():
                strips["redshift"] = Curve(wave, dz[i])
            out.append({"strips": strips})
        return out

    def page(self, objects, title, facts):
        """Return the `Page` of objects."""
        kinds = [*dict.fromkeys(COARSE[c] for c in self.config.classes), *self.config.classes]
        has_pdf = self.config.is_templates
        return Page(
            title=title,
            objects=objects,
            kinds={kind: LINES[COARSE.get(kind, kind)] for kind in dict.fromkeys(kinds)},
            facts=facts,
            pdf_z=pdf(np.zeros((0, self.networks.model.output_shape[-1])), self.config.classes)[0]
            if has_pdf
            else None,
            pdf_words=PDF_WORDS if has_pdf else "",
            strip_words=STRIPS,
            templates=self._templates(kinds) if has_pdf else {},
            overlay_words=TEMPLATE_WORDS if has_pdf else "",
        )

    def _templates(self, kinds):
        """Return what the network learned of each class; a coarse class has its first one's."""
        learned = explain.line_templates(self.networks)
        of = {kind: next((c for c in learned if c == kind or COARSE[c] == kind), None)
              for kind in kinds if kind != "NONE"}  # fmt: skip
        return {kind: Curve(*learned[name]) for kind, name in of.items() if name}


def answer(row):
    """Return headline, class, redshift and solutions that a row of the catalogue tells."""
    kind, z, p = str(row["class"]), float(row["z"]), float(row.get("p_z", row["class_probability"]))
    error = float(row.get("z_err", row.get("sigma_z", np.nan)))
    at = f" at z = {z:.5f}" + (f" ± {error:.5f}" if np.isfinite(error) else "")
    said = kind.replace("_nan", " without a subclass") + (at if np.isfinite(z) else "")
    own = per_cent(float(row["class_probability"]))
    headline = f"{said}; class probability {own}"
    if "p_z" in row:
        coarse = COARSE.get(kind, kind)
        what = f"{coarse} and redshift" if np.isfinite(z) else coarse
        headline = f"{said}; {what} right with {per_cent(p)} probability"
        headline += f", the subclass with {own}" if coarse != kind else ""
    solutions = []
    if np.isfinite(z):
        solutions.append(Solution(f"{kind} z = {z:.4f} ({per_cent(p)})", kind, z, p))
    for name, z_name, p_name in (("coarse_second", "z_second", "p_second"),
                                 ("class_alt", "z_alt", None)):  # fmt: skip
        if name in row and row[name] and np.isfinite(row[z_name]):
            other, own = str(row[name]), float(row.get(p_name or f"p_{row[name]}", 0.0))
            words = f"second: {other} z = {row[z_name]:.4f} ({per_cent(own)})"
            solutions.append(Solution(words, other, float(row[z_name]), own))
    return {"headline": headline, "kind": kind, "z": z if np.isfinite(z) else 0.0,
            "solutions": solutions}  # fmt: skip
