"""What the report says in words about the tables that it shows.

The tables are given as `Evaluation.tables` returns them: name -> (caption, DataFrame).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.report import Section, show
from rvs_hybrid.config import NAMES, UNITS

SPLIT = (
    "by source_id: u = int(sha256(str(source_id).encode()).hexdigest()[:8], 16) / 2^32; "
    "u < 0.20 test, < 0.30 calibration, < 0.34 validation, else training"
)
MADE = (
    "SEMI-SYNTHETIC RVS. The RVS spectra here were made by a model at each real star's labels. "
    "Photometry, XP spectra and parallaxes are real. What these numbers say of real RVS spectra "
    "is at best an upper limit."
)
KINDS = (  # (caption, how the ids of its claims begin)
    ("Reference, not the paper: the precursor of 2020 (RAVE)", "precursor"),
    ("Reference, not the paper: a plain MLP's first result on these data", "baseline"),
)


def published(judged):
    """Return the section of published numbers, from the table of claims."""
    here = judged[judged["ours"].notna()]
    untested = judged[judged["ours"].isna() & ~judged["id"].isin(here["id"])]
    tables = {}
    kind, kind_untested = (
        t["id"].str.extract(r"^(precursor|baseline)-", expand=False).fillna("")
        for t in (here, untested)
    )
    for caption, start in KINDS:
        mine = here[kind == start]
        if len(mine):
            tables[caption] = mine
    counts = here.loc[kind == "", "verdict"].value_counts()
    text = (
        f"{counts.sum()} statements of the proceedings were measured: "
        f"{counts.get('reproduced', 0)} reproduced, {counts.get('missed', 0)} missed. "
        f"{np.sum(kind != '')} numbers of others stand apart and do not count. A value within its "
        "tolerance, or better, counts as reproduced. The paper's own numbers are about the RVS "
        "spectra of Gaia DR3: only a run on those, with its settings, decides them, here they stay "
        "untested on their own data set. What a column dataset names is what each value was "
        "measured on."
    )
    others = untested[kind_untested != ""].drop(columns=["ours"])
    if len(others):
        tables["Reference, not the paper, and not measured here"] = others
    own = pd.concat([here[kind == ""], untested[kind_untested == ""]])
    return Section("Published numbers", text, tables, claims=own)


def labels(made, truth):
    """Return the text of the section of labels, which are on the scale of `truth`."""
    text = (
        f"Giants have {truth} log g below 3.5, the rest are dwarfs. mad_sigma is 1.4826 times the "
        "median absolute deviation. Rows with fewer than 10 stars are left out."
    )
    if "limits" in made:
        table = made["limits"][1]
        text += "\n\nWhat limits each label."
        for row in table[table["stars"] == "all"].itertuples():
            unit = UNITS[row.label]
            text += f" {NAMES[row.label]}: of a MAD-sigma of {show(row.mad_sigma)} {unit},"
            if np.isfinite(row.label_share):
                text += f" {truth}'s own errors explain {100 * row.label_share:.0f} %,"
            if np.isfinite(row.ensemble_share):
                text += f" the scatter between members {100 * row.ensemble_share:.0f} % (of the"
                text += " variance),"
            text += f" which leaves {show(row.other_sigma)} {unit}."
        text += (
            " What is left is what the inputs do not tell, and what all members get wrong "
            "together: more members do not lessen it."
        )
    return text


def errors(made):
    """Return the text of the section of errors."""
    text = (
        "An interval of 68 % should hold the true label of 68 % of the stars. The bare ensemble "
        "std says how far the members agree, not how wrong they are together. Calibrated errors "
        "are conformal: fitted on the calibration split, separately for predicted giants and "
        "dwarfs, so that they cover what they say, whatever the shape of the residuals."
    )
    if "coverage" not in made:
        return "The predictions have no errors."
    table = made["coverage"][1]
    final = table[table["error"].isin(["calibrated", "sigma"])]
    inside = final["cover_68"].between(0.65, 0.71)
    if len(final):
        text += f"\n\n{inside.sum()} of {len(final)} rows of the final error cover 65-71 %."
        for row in final[~inside].itertuples():
            text += (
                f" Outside: {row.label}, {row.stars}: {100 * row.cover_68:.1f} ± "
                f"{100 * row.cover_68_error:.1f} %."
            )
    return text


def galaxy(located, made):
    """Return the text of the section of the Galaxy; `located` as of `Evaluation.located`."""
    if isinstance(located, str):
        text = f"No bins of R and |Z|: {located}."
    else:
        places, relation = located
        counts = places["distance_source"].value_counts()
        text = (
            f"Distances: {counts.get('parallax', 0)} from zero-point corrected parallaxes of "
            f"S/N > 5, {counts.get('photometric', 0)} photometric, {counts.get('none', 0)} stars "
            "without one. Sun at 8.122 kpc (astropy's Galactocentric v4.0)."
        )
        if relation is not None:
            text += (
                f" Photometric distances: M_Ks from predicted Teff, log g and metallicity, fitted "
                f"on {relation.n} stars with parallax S/N > 10, scatter {relation.scatter:.2f} mag "
                f"({100 * (10 ** (relation.scatter / 5) - 1):.0f} % in distance)."
            )
    if "bimodality" in made:
        table = made["bimodality"][1]
        known = table[table["bimodal"].notna()]
        for (name, fixed), part in known.groupby(
            ["values", known["metallicity"] != "all"], sort=False
        ):
            yes = int(np.sum(part["bimodal"].astype(bool)))
            where = "at fixed metallicity " if fixed else ""
            text += f"\n\n{name}: bimodal {where}in {yes} of {len(part)} samples with 100 stars "
            text += "or more."
            judged = part["beyond_null"].notna()
            if judged.any():
                beyond = int(np.sum(part.loc[judged, "beyond_null"].astype(bool)))
                text += f" Beyond the null in {beyond} of {judged.sum()}."
        text += (
            "\n\nTwo sequences are two at the same metallicity. The null, which knows metallicity "
            "and log g alone, may have two peaks over all metallicities: only what predictions "
            "show at fixed metallicity and beyond the null counts. Bimodal: two Gaussians win by "
            "more than 10 in BIC, the fitted density has a valley, also in 95 % of the bootstrap "
            "samples, fewer stars are counted in the valley than in the lower peak by 3 sigma, and "
            "either component holds 5 % of the stars."
        )
    return text
