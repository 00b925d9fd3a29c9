"""The report of an evaluation: what it was made on, claims, tables, figures, what was left out."""

from __future__ import annotations

from common.report import Section, claims_section, run_facts, write_report
from lamost_metallicity.tables.beyond import winners_in_words

REFERENCES = (
    "Feng J., Wang L., Li P. 2026, Acta Astron. Sin. 67, 2: the paper reproduced here",
    "Tremonti C. A. et al. 2004, ApJ 613, 898; Brinchmann J. et al. 2004, MNRAS 351, 1151; "
    "Kauffmann G. et al. 2003, MNRAS 341, 33: the MPA-JHU labels",
    "Pettini M., Pagel B. E. J. 2004, MNRAS 348, L59; Marino R. A. et al. 2013, A&A 559, A114: N2 "
    "and O3N2",
    "Kewley L. J., Ellison S. L. 2008, ApJ 681, 1183: why the scales differ",
    "Kauffmann G. et al. 2003, MNRAS 346, 1055; Kewley L. J. et al. 2001, ApJ 556, 121: curves of "
    "the BPT plane",
    "Okabe M., Ito K. 2008: the colours of the figures",
)
ABOUT = {"survey": "lamost", "subject": "LAMOST", "place": "LAMOST itself"}
MOCK = (
    "MOCK DATA. Everything here was trained and tested on simulated spectra ({}). It shows that "
    "the code works and how it behaves; it says nothing about the real survey, whose claims stay "
    "untested."
)
MOCK_TO_REAL = (
    "TRAINED ON MOCK, TESTED ON REAL SPECTRA ({}). The networks saw only simulated spectra. The "
    "survey's own claims stay untested."
)
PARTS = {  # section: (text, names of its tables)
    "Regression": (
        'Estimate less label, dex. The label is oh_p50 of MPA-JHU. "On the labels\' scale": a '
        "cubic in the line index, fitted on the validation split, because N2 and O3N2 have scales "
        "of their own (Kewley & Ellison 2008).",
        ("selection", "methods", "methods_planted", "noise", "sigma_snr_r", "sigma_z", "winner"),
    ),
    "Mass and metallicity": (
        "Fibre mass (lgm_fib_p50), as in the paper. Errors of medians by resampling.",
        ("mzr", "mzr_fit", "recovery"),
    ),
    "Classifier and catalogue": ("", ("classifier", "mistakes", "catalogue")),
    "Errors, several tasks": (
        "The error of a prediction is the half-width of a 68 % interval for the label, label noise "
        "included, calibrated on the validation split.",
        ("coverage", "multitask"),
    ),
    "Real spectra, one by one": (
        "The reference is the strong-line estimate of the same spectrum, not the truth: Pettini & "
        "Pagel's O3N2 itself scatters by 0.14 dex about direct abundances.",
        ("agreement", "objects"),
    ),
}


def report(path, *, ev, about, judged, made, drawn, skipped, rejects=None, source=None):
    """Write report.html of one evaluation.

    Parameters
    ----------
    path : pathlib.Path
    ev : lamost_metallicity.figures.catalogue.Evaluation
    about : dict
        config.json of the run, or {}.
    judged : DataFrame
        Claims, as `common.claims.judge` returns them.
    made : dict of str to (str, DataFrame)
        Name → (caption, table).
    drawn : dict of str to Path
        Caption → figure.
    skipped : DataFrame
        figure, reason.
    rejects : DataFrame, optional
        Spectra that could not be used.
    source : pathlib.Path, optional
        File of predictions made elsewhere.

    Returns
    -------
    Path
    """
    is_mock = ev.config is not None and ev.config.is_mock
    to_real = is_mock and ev.real and "real files" in ev.dataset
    is_mock = is_mock or "mock" in ev.dataset
    banner = f"Measured on: {ev.dataset}."
    if is_mock:
        banner = (MOCK_TO_REAL if to_real else MOCK).format(ev.dataset)
    sections = [] if ev.real else [claims_section(judged, dataset=ev.dataset, **ABOUT)]
    for title, (text, names) in PARTS.items():
        found = dict(made[name] for name in names if name in made)
        if title == "Regression" and "winner" in made:
            text += "\n\n" + winners_in_words(made["winner"][1])
        if found:
            sections.append(Section(title, text, found))
    sections += _real(path.parent)
    sections.append(Section("Figures", "", {}, drawn))
    if rejects is not None and len(rejects):
        sections.append(Section("Not used", "Spectra left out, with the reason.", {"": rejects}))
    if len(skipped):
        sections.append(Section("Not drawn", "Figures whose input is not here.", {"": skipped}))
    sections.append(Section("References", "\n\n".join(REFERENCES)))
    return write_report(
        path,
        title=f"Gas-phase metallicity on {ev.dataset}",
        banner=banner,
        warn=is_mock,
        facts=_facts(ev, about, source),
        sections=sections,
    )


def _facts(ev, about, source):
    return {
        "measured on": ev.dataset,
        "spectra in the test": f"{len(ev.df)}, {len(ev.rows)} of them star-forming with a label",
        "predictions from": source.name if source else None,
    } | run_facts(about, ("epochs", "batch_size", "learning_rate", "schedule"))


def _real(folder):
    """Mock → real: what earlier evaluations on real files left in on_*/ of this folder."""
    from astropy.table import Table

    found, figures = {}, {}
    for path in sorted(folder.glob("on_*/tables/agreement.ecsv")):
        table = Table.read(path, format="ascii.ecsv")
        found[f"{table.meta.get('dataset', path.parts[-3])}"] = table.to_pandas()
    for path in sorted(folder.glob("on_*/figures/real.png")):
        figures[f"Network against strong lines ({path.parts[-3]})"] = path
    if not found:
        return []
    text = (
        "The networks of this run on real spectra: the network's metallicity less the strong-line "
        "estimate of the same spectrum. Reports of their own are in the folders on_*."
    )
    return [Section("Real spectra", text, found, figures)]
