"""The report of an evaluation: what it was made on, claims, tables, figures, what was left out."""

from __future__ import annotations

from common.report import Section, claims_section, run_facts, write_report

REFERENCES = (
    "Zhong F. et al. 2024, MNRAS 532, 643 (arXiv:2311.04146): GaSNet-II, the paper reproduced here",
    "Bolton A. S. et al. 2012, AJ 144, 144: classes and redshifts of SDSS",
    "Ahumada R. et al. 2020, ApJS 249, 3: SDSS DR16",
    "DESI Collaboration 2024, AJ 168, 58: the DESI early data release",
    "Okabe M., Ito K. 2008: the colours of the figures",
)
COVER = ("F12_confusion", "F15_mc")
MOCK = (
    "MOCK DATA. Everything here was trained and tested on simulated spectra ({}). It shows that "
    "the code works and how it behaves; it says nothing about the real survey, whose claims stay "
    "untested."
)
MOCK_TO_REAL = (
    "TRAINED ON MOCK, TESTED ON REAL SPECTRA ({}). The networks saw only simulated spectra. The "
    "survey's own claims stay untested."
)


def report(
    path, *, ev, about, judged, measured, drawn, skipped, rejects=None, source=None, earlier=()
):
    """Write report.html of one evaluation.

    Parameters
    ----------
    path : pathlib.Path
    ev : gasnet2.figures.catalogue.Evaluation
    about : dict
        config.json of the run, or {}.
    judged : DataFrame
        Claims, as `common.claims.judge` returns them.
    measured : dict of str to DataFrame
        Caption → table.
    drawn : dict of str to Path
        Caption → figure.
    skipped : DataFrame
        figure, reason.
    rejects : DataFrame, optional
        Spectra that could not be used.
    source : pathlib.Path, optional
        File of predictions made elsewhere.
    earlier : sequence of pathlib.Path
        Folders whose on_*/ hold evaluations on real files to show beside this one.

    Returns
    -------
    Path
    """
    is_mock = ev.config is not None and ev.config.is_mock
    banner = f"Measured on: {ev.dataset}."
    to_real = is_mock and "-> real files" in ev.dataset
    is_mock = is_mock or "mock" in ev.dataset
    if is_mock:
        banner = (MOCK_TO_REAL if to_real else MOCK).format(ev.dataset)
    card = claims_section(
        judged, dataset=ev.dataset, survey=ev.survey, subject=ev.survey, place=f"{ev.survey} itself"
    )
    sections = [
        card,
        Section("Measured", "What each column means: see the captions. GF is the fraction with "
                "Bias below 0.0015 (galaxies) or 0.015 (quasars); outlier_fraction the fraction "
                "with |dz| above 0.01 (galaxies) or 0.05 (quasars).", measured),
        *_real(earlier),
        Section("Figures", "", {}, drawn),
    ]  # fmt: skip
    if rejects is not None and len(rejects):
        sections.append(Section("Not used", "Spectra left out, with the reason.", {"": rejects}))
    if len(skipped):
        sections.append(Section("Not drawn", "Figures whose input is not here.", {"": skipped}))
    sections.append(Section("References", "\n\n".join(REFERENCES)))
    return write_report(
        path,
        title=f"GaSNet-II on {ev.dataset}",
        banner=banner,
        warn=is_mock,
        facts=_facts(ev, about, source),
        sections=sections,
        cover=_cover(card, drawn),
    )


def _facts(ev, about, source):
    keys = ("epochs", "members", "batch_size", "initialiser", "learning_rate", "schedule")
    return {
        "measured on": ev.dataset,
        "spectra in the test": f"{len(ev.df)} of {ev.df['class_true'].nunique()} classes",
        "predictions from": source.name if source else None,
    } | run_facts(about, keys)


def _cover(card, drawn):
    """Return what an overview of several papers shows: score card and two figures."""
    tables = {k: v for k, v in card.tables.items() if "ours" in v}
    return Section("", card.text, tables, {c: f for c, f in drawn.items() if f.stem in COVER})


def _real(folders):
    """Mock → real: what earlier evaluations on real files left in on_*/ of these folders."""
    from astropy.table import Table

    found = {}
    for path in sorted(p for f in folders for p in f.glob("on_*/tables/coarse.ecsv")):
        table = Table.read(path, format="ascii.ecsv")
        found[f"{table.meta.get('dataset', path.parts[-3])}"] = table.to_pandas()
    if not found:
        return []
    figures = {}
    for path in sorted(p for f in folders for p in f.glob("on_*/figures/*.png")):
        captions = {"mock_beside_real": "Mock (blue) beside real (red) spectra",
                    "failures": "Failures on real spectra, brightest first",
                    "B1_coarse": "Coarse confusion on real spectra"}  # fmt: skip
        if path.stem in captions:
            figures[f"{captions[path.stem]} ({path.parts[-3]})"] = path
    text = (
        "The networks of this run on real spectra that they never saw the like of in training. "
        "Each table: coarse accuracy, and redshifts from the predicted class. Reports of their own "
        "are in the folders on_*."
    )
    return [Section("Real spectra", text, found, figures)]
