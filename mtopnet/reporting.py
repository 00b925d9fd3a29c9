"""The report of an evaluation: what it was made on, claims, tables, figures, what was left out."""

from __future__ import annotations

from common.report import Section, claims_section, run_facts, write_report

REFERENCES = (
    "Ginolfi M. et al. 2025, A&A 693, A73: the paper reproduced here",
    "Maiolino R. et al. 2020, The Messenger 180, 24; Cirasuolo M. et al. 2020, The Messenger 180, "
    "10: MOONRISE and MOONS",
    "Gal Y., Ghahramani Z. 2016, ICML (arXiv:1506.02142): MC dropout",
    "Gneiting T., Raftery A. E. 2007, JASA 102, 359: the continuous ranked probability score",
    "McInnes L., Healy J., Melville J. 2018, arXiv:1802.03426: UMAP",
    "Simonyan K., Vedaldi A., Zisserman A. 2013, arXiv:1312.6034: saliency",
    "Okabe M., Ito K. 2008: the colours of the figures",
)
ABOUT = {"survey": "moons", "subject": "its own simulated set", "place": "the paper's set"}
MOCK = (
    "MOCK DATA. Everything here was trained and tested on simulated spectra ({}), as in the paper, "
    "but on our own simulation, not on the paper's: it shows that the code works and how it "
    "behaves. The claims about the paper's own set stay untested, and nothing here says how the "
    "network does on real MOONS spectra."
)
ON_FILES = (
    "TESTED ON FILES GIVEN TO --on ({}), which the networks of this run were not trained on. The "
    "paper's own claims stay untested."
)
PARTS = {  # section: (text, names of its tables)
    "Residuals and right redshifts": (
        "dz is the difference of the peaks of predicted and labelled PDF, centres of bins, as in "
        "the paper (Sect. 4); within_0.003 and the residuals take the true redshift itself. Errors "
        "are binomial and count the spectra of one galaxy once.",
        ("residuals", "success", "magnitude", "dark"),
    ),
    "Several tasks against one": (
        "Networks with tasks switched off, trained alike, on the same test spectra; differences "
        "are paired, their errors by resampling of galaxies.",
        ("variants", "bin_width"),
    ),
    "Screening and failures": (
        "Entropy (nats) and skewness of the PDF's vector of probabilities, as in the paper; both "
        "on bins of 0.003.",
        ("screening", "failures"),
    ),
    "Calibration of the PDFs": (
        "CRPS in units of z: the mean |dz| of a point estimate is its CRPS, so that a PDF is worth "
        "its name where crps is below crps_point. Coverage of the shortest interval of each level.",
        ("calibration", "confidence", "errors", "scalar_pdf"),
    ),
    "MC dropout": ("Dropout left on, passes averaged (Sect. 4.1).", ("mc",)),
    "Where the redshift comes from": (
        "Mean |d ln p(z) / d flux| in channels within 8 Å (at rest) of a line, against channels 25 "
        "Å and more from every line of the same spectra; share: of all of the saliency. Recall and "
        "precision of the line branch are of channels.",
        ("saliency_lines", "line_map"),
    ),
    "Shared layer": (
        "How well each quantity can be read off the 192 numbers behind the shared layer, and off "
        "their two UMAP coordinates: R2 of a k-nearest-neighbour regression on galaxies held out.",
        ("latent",),
    ),
}


def report(path, *, ev, about, judged, made, drawn, skipped, rejects=None, source=None):
    """Write report.html of one evaluation.

    Parameters
    ----------
    path : pathlib.Path
    ev : mtopnet.figures.catalogue.Evaluation
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
    is_mock = (ev.config is not None and ev.config.is_mock) or "mock" in ev.dataset
    banner = f"Measured on: {ev.dataset}."
    if ev.real:
        banner = ON_FILES.format(ev.dataset)
    elif is_mock:
        banner = MOCK.format(ev.dataset)
    sections = [] if ev.real else [claims_section(judged, dataset=ev.dataset, **ABOUT)]
    for title, (text, names) in PARTS.items():
        found = dict(made[name] for name in names if name in made)
        if found:
            sections.append(Section(title, text, found))
    sections += _other(path.parent)
    sections.append(Section("Figures", "", {}, drawn))
    if rejects is not None and len(rejects):
        sections.append(Section("Not used", "Spectra left out, with the reason.", {"": rejects}))
    if len(skipped):
        sections.append(Section("Not drawn", "Figures whose input is not here.", {"": skipped}))
    sections.append(Section("References", "\n\n".join(REFERENCES)))
    return write_report(
        path,
        title=f"Redshift, mass and star formation rate on {ev.dataset}",
        banner=banner,
        warn=is_mock,
        facts=_facts(ev, about, source),
        sections=sections,
    )


def _facts(ev, about, source):
    return {
        "measured on": ev.dataset,
        "spectra in the test": f"{len(ev.df)} of {ev.df['galaxy'].nunique()} galaxies",
        "predictions from": source.name if source else None,
    } | run_facts(about, ("epochs", "batch_size", "learning_rate", "dz", "tasks", "head"))


def _other(folder):
    """What earlier evaluations on other files left in on_*/ of this folder."""
    from astropy.table import Table

    found = {}
    for path in sorted(folder.glob("on_*/tables/success.ecsv")):
        table = Table.read(path, format="ascii.ecsv")
        found[f"{table.meta.get('dataset', path.parts[-3])}"] = table.to_pandas()
    if not found:
        return []
    text = "The networks of this run on other files; reports of their own are in folders on_*."
    return [Section("On other files", text, found)]
