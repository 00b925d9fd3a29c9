"""The report of an evaluation: what it was made on, claims, tables, figures, what was left out."""

from __future__ import annotations

from common.report import Section, claims_section, run_facts, write_report

REFERENCES = (
    "Shen Y.-Y., Luo A-L. 2024, A&A, doi:10.1051/0004-6361/202450164: the paper reproduced here",
    "Abdurro'uf et al. 2022, ApJS 259, 35: APOGEE DR17; Bailer-Jones C. A. L. et al. 2021, AJ 161, "
    "147: geometric distances; Andrae R. et al. 2023, A&A 674, A27: GSP-Phot",
    "Lindegren L. et al. 2021, A&A 649, A4: zero point of Gaia's parallaxes",
    "GRAVITY Collaboration 2018, A&A 615, L15; Bennett M., Bovy J. 2019, MNRAS 482, 1417; Reid "
    "M. J., Brunthaler A. 2004, ApJ 616, 872: the Sun's place in the Galaxy",
    "Cook J. R., Stefanski L. A. 1994, JASA 89, 1314: gradients corrected for errors (SIMEX)",
    "Lundberg S. M., Lee S.-I. 2017, NIPS; Sundararajan M. et al. 2017, ICML: attributions",
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
    "Labels and distances": (
        "Predicted less label. Labels: APOGEE's Teff, log g and [Fe/H], M_G from the geometric "
        "distance and Gaia's G and A_G, (BP-RP)_0; the distance is the mode of the posterior "
        "(Eqs. 3-5). Fractions are (predicted - geometric) / geometric. The paper's median of 3.7 "
        "% is read as that of the signed fraction: Fig. 7 shows it, and the released notebook's "
        "mean of +8.9 pc has the same sign; the median of the absolute one stands beside it.",
        ("selection", "scatter", "scatter_planted", "distance", "by_snr_g", "by_teff", "by_logg",
         "by_feh", "binaries"),
    ),
    "Errors": (
        "How often the 68 % interval of each label, and 16 to 84 % of the distance posterior, hold "
        "the label.",
        ("coverage",),
    ),
    "Model comparison": (
        "Mean squared errors on the same test set (Table C.1). The weights of the paper's mean are "
        "not printed; they follow from its eleven rows (a non-negative least-squares fit leaves "
        "less than 0.00003). At this scale the other models learn from as many stars and pixels as "
        "the table says.",
        ("baselines",),
    ),
    "Other catalogues": (
        "First less second; fractions are of the second. Parameters after the cuts of Sect. 4.3.",
        ("catalogues", "surveys", "problems"),
    ),
    "Metallicity gradients": (
        "`gradient` and its error are the paper's: a least-squares line. `corrected` puts [Fe/H] "
        "on the labels' scale and takes out what errors of distance and [Fe/H] do (SIMEX); its "
        "error holds theirs, and the sampling of stars. `plane` fits both gradients to all stars "
        "at once. `off` is corrected less planted, which are of the same stars, in units of the "
        "error of this difference.",
        ("gradients_radial", "gradients_vertical", "recovery_summary", "recovery", "corrected"),
    ),
    "Real spectra": (
        "Predictions less the catalogue's parameters (LASP's where nothing else is said), which "
        "have errors and a scale of their own.",
        ("real", "objects"),
    ),
}  # fmt: skip


def report(path, *, ev, about, judged, made, drawn, skipped, rejects=None, source=None):
    """Write report.html of one evaluation.

    Parameters
    ----------
    path : pathlib.Path
    ev : solarlike_distance.figures.catalogue.Evaluation
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
    banner = f"Measured on: {ev.dataset}."
    if ev.is_mock:
        banner = MOCK_TO_REAL if ev.real and "real files" in ev.dataset else MOCK
        banner = banner.format(ev.dataset)
    sections = [] if ev.real else [claims_section(judged, dataset=ev.dataset, **ABOUT)]
    for title, (text, names) in PARTS.items():
        found = dict(made[name] for name in names if name in made)
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
        title=f"Solar-like stars: parameters and distances on {ev.dataset}",
        banner=banner,
        warn=ev.is_mock,
        facts=_facts(ev, about, source),
        sections=sections,
    )


def _facts(ev, about, source):
    keys = ("epochs", "batch_size", "learning_rate", "schedule", "members", "folds")
    return {
        "measured on": ev.dataset,
        "spectra in the test": len(ev.df),
        "stars of the catalogue": None if ev.catalogue is None else len(ev.catalogue),
        "predictions from": source.name if source else None,
        "pixels out of range": (about.get("config") or {}).get("out_of_range"),
    } | run_facts(about, keys)


def _real(folder):
    """Mock → real: what earlier evaluations on real files left in on_*/ of this folder."""
    from astropy.table import Table

    found, figures = {}, {}
    for path in sorted(folder.glob("on_*/tables/real.ecsv")):
        table = Table.read(path, format="ascii.ecsv")
        found[f"{table.meta.get('dataset', path.parts[-3])}"] = table.to_pandas()
    for path in sorted(folder.glob("on_*/figures/real.png")):
        figures[f"Real spectra ({path.parts[-3]})"] = path
    if not found:
        return []
    text = (
        "The networks of this run on real spectra: predictions less the catalogue's parameters. "
        "Reports of their own are in the folders on_*."
    )
    return [Section("Mock → real", text, found, figures)]
