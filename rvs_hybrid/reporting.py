"""The report of an evaluation: what it was made on, claims, tables, figures, what was left out."""

from __future__ import annotations

import numpy as np

from common.report import Section, show, write_report
from rvs_hybrid.config import NAMES, UNITS
from rvs_hybrid.figures.catalogue import SYNTHETIC

REFERENCES = (
    "Guiglion G. 2025, IAU Symp. 395: the proceedings reproduced here",
    "Guiglion G. et al. 2024, A&A 682, A9 (arXiv:2306.05086): the paper that they summarise",
    "Guiglion G. et al. 2020, A&A 644, A168, and Nepal S. et al. 2023, A&A 671, A61: precursors",
    "Abdurro'uf et al. 2022, ApJS 259, 35: APOGEE DR17, the labels",
    "De Angeli F. et al. 2023, A&A 674, A2: Gaia XP spectra",
    "Lindegren L. et al. 2021, A&A 649, A4: parallaxes and their zero point",
    "Vovk V. et al. 2005; Lei J. et al. 2018, JASA 113, 1094: conformal intervals",
)
SPLIT = (
    "by source_id: u = int(sha256(str(source_id).encode()).hexdigest()[:8], 16) / 2^32; "
    "u < 0.20 test, < 0.30 calibration, < 0.34 validation, else training"
)
LABEL_TABLES = (
    "labels", "limits", "variants", "protocols", "by_snr", "by_snr_rvs", "by_g",
)  # fmt: skip
COVER = ("F1_alpha_all_giants", "one_to_one")
MADE = (
    "SEMI-SYNTHETIC RVS. The RVS spectra here were made by a model at each real star's labels. "
    "Photometry, XP spectra and parallaxes are real. What these numbers say of real RVS spectra "
    "is at best an upper limit."
)


def report(path, *, ev, about, judged, measured, drawn, skipped, rejects=None, source=None):
    """Write report.html of one evaluation.

    Parameters
    ----------
    path : pathlib.Path
    ev : rvs_hybrid.figures.catalogue.Evaluation
    about : dict
        config.json of the run, or {}.
    judged : DataFrame
        Claims, as `common.claims.judge` returns them.
    measured : dict of str to (str, DataFrame)
        File name → caption, table.
    drawn : dict of str to Path
        Caption → figure.
    skipped : DataFrame
        figure, reason.
    rejects : DataFrame, optional
        Stars that could not be used.
    source : pathlib.Path, optional
        File of predictions made elsewhere.

    Returns
    -------
    Path
    """
    made = SYNTHETIC in ev.dataset
    never = " that the network never saw" if ev.held_out else ""
    banner = f"Measured on: {ev.dataset}, {len(ev.df)} stars{never}."
    card = _claims(judged)
    sections = [
        card,
        Section("Labels", _labels(measured), _pick(measured, *LABEL_TABLES)),
        Section("Errors", _errors(ev, measured), _pick(measured, "coverage")),
        Section("The Galaxy", _galaxy(ev, measured), _pick(measured, "bimodality")),
        Section("Figures", "", {}, drawn),
    ]  # fmt: skip
    if rejects is not None and len(rejects):
        sections.append(Section("Not used", "Stars left out, with the reason.", {"": rejects}))
    if len(skipped):
        sections.append(Section("Not drawn", "Figures whose input is not here.", {"": skipped}))
    sections.append(Section("References", "\n\n".join(REFERENCES)))
    return write_report(
        path,
        title=f"Hybrid network on {ev.dataset}",
        banner=f"{MADE} {banner}" if made else banner,
        warn=made,
        facts=_facts(ev, about, source),
        sections=sections,
        cover=_cover(card, measured, drawn),
    )


def _cover(card, measured, drawn):
    """Return what an overview of several papers shows: score card, labels, two figures."""
    tables = {k: v for k, v in card.tables.items() if "ours" in v} | _pick(measured, "labels")
    chosen = {c: f for c, f in drawn.items() if f.stem in COVER}
    return Section("", card.text, tables, chosen)


def _pick(measured, *names):
    return {measured[k][0]: measured[k][1] for k in names if k in measured}


def _facts(ev, about, source):
    config, versions = about.get("config") or {}, dict(about.get("versions") or {})
    commit = versions.pop("commit", None)
    has = {
        k: f"{100 * ev.df[f'has_{k}'].mean():.0f} % with {k}"
        for k in ("xp", "phot", "parallax", "rvs")
        if f"has_{k}" in ev.df
    }
    return {
        "data set": ev.dataset,
        "predictions from": source.name if source else None,
        "stars evaluated": f"{len(ev.df)}" + (f" ({', '.join(has.values())})" if has else ""),
        "split rule": SPLIT if about else None,
        "stars": _listed(about.get("sizes")),
        "inputs": ", ".join(config.get("inputs") or ()) or None,
        "labels": ", ".join(config.get("labels") or ()) or None,
        "scale": config.get("scale"),
        "parameters": _listed(about.get("parameters")),
        "device": about.get("device"),
        "seed": about.get("seed", config.get("seed")),
        "data fingerprint": about.get("data_fingerprint"),
        "timing (s)": _listed(about.get("timing")),
        "versions": _listed(versions),
        "commit": commit,
    }


def _listed(values):
    """Return {name: value} as text, None where there is nothing."""
    if not isinstance(values, dict) or not values:
        return None
    return ", ".join(
        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items()
    )


def _claims(judged):
    here = judged[judged["ours"].notna()]
    untested = judged[judged["ours"].isna() & ~judged["id"].isin(here["id"])]
    tables = {}
    for caption, start in (
        ("The proceedings' own statements, measured on other data than theirs", ""),
        ("Reference, not the paper: the precursor of 2020 (RAVE)", "precursor"),
        ("Reference, not the paper: a plain MLP's first result on these data", "baseline"),
    ):
        mine = here[_kind(here) == start]
        if len(mine):
            tables[caption] = mine
    counts = here["verdict"].value_counts()
    text = (
        f"{len(here)} numbers were measured: {counts.get('reproduced', 0)} reproduced, "
        f"{counts.get('missed', 0)} missed. A value within its tolerance, or better, counts as "
        "reproduced. The paper's own numbers are about the RVS spectra of Gaia DR3: only a run on "
        "those decides them, here they stay untested on their own data set. What a column dataset "
        "names is what each value was measured on."
    )
    tables["Not measured here"] = untested.drop(columns=["ours"])
    return Section("Published numbers", text, tables)


def _kind(judged):
    """Return "precursor", "baseline" or "" (the paper) of each claim."""
    return judged["id"].str.extract(r"^(precursor|baseline)-", expand=False).fillna("")


def _labels(measured):
    text = (
        "Giants have APOGEE log g below 3.5, the rest are dwarfs. mad_sigma is 1.4826 times the "
        "median absolute deviation. Rows with fewer than 10 stars are left out."
    )
    if "limits" in measured:
        table = measured["limits"][1]
        text += "\n\nWhat limits each label."
        for row in table[table["stars"] == "all"].itertuples():
            unit = UNITS[row.label]
            text += f" {NAMES[row.label]}: of a MAD-sigma of {show(row.mad_sigma)} {unit},"
            if np.isfinite(row.label_share):
                text += f" APOGEE's own errors explain {100 * row.label_share:.0f} %,"
            if np.isfinite(row.ensemble_share):
                text += f" the scatter between members {100 * row.ensemble_share:.0f} % (of the"
                text += " variance),"
            text += f" which leaves {show(row.other_sigma)} {unit}."
        text += (
            " What is left is what the inputs do not tell, and what all members get wrong "
            "together: more members do not lessen it."
        )
    return text


def _errors(ev, measured):
    text = (
        "An interval of 68 % should hold the true label of 68 % of the stars. The bare ensemble "
        "std says how far the members agree, not how wrong they are together. Calibrated errors "
        "are conformal: fitted on the calibration split, separately for predicted giants and "
        "dwarfs, so that they cover what they say, whatever the shape of the residuals."
    )
    if "coverage" not in measured:
        return "The predictions have no errors."
    table = measured["coverage"][1]
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


def _galaxy(ev, measured):
    if isinstance(ev.located, str):
        text = f"No bins of R and |Z|: {ev.located}."
    else:
        places, relation = ev.located
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
    if "bimodality" in measured:
        table = measured["bimodality"][1]
        known = table[table["bimodal"].notna()]
        for name, part in known.groupby("values", sort=False):
            yes = int(np.sum(part["bimodal"].astype(bool)))
            text += f"\n\n{name}: bimodal in {yes} of {len(part)} samples with 100 stars or more."
        text += (
            " Bimodal: two Gaussians win by more than 10 in BIC, the fitted density has a valley, "
            "also in 95 % of the bootstrap samples, fewer stars are counted in the valley than in "
            "the lower peak by 3 sigma, and either component holds 5 % of the stars."
        )
    return text
