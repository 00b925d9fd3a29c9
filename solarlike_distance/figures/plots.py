"""Which figures an evaluation draws, and from what."""

from __future__ import annotations

from common.errors import SuiteError
from common.plots import Plot
from solarlike_distance.figures import distance as figures_distance
from solarlike_distance.figures import galaxy as figures_galaxy
from solarlike_distance.figures import network as figures_network
from solarlike_distance.figures import sample as figures
from solarlike_distance.tables import scatter as tables


def _maps(ev, **options):
    table = ev.galaxy()
    if table is None:
        raise SuiteError("ra, dec, distance_pred and feh_pred are needed")
    return figures_galaxy.maps(table, **options)


def _gradients(ev):
    ours = ev.gradients()
    if not any(len(table) for table in ours.values()):
        raise SuiteError("too few stars with a position, distance and [Fe/H] for any bin")
    return figures_galaxy.gradients_figure(ours, ev.published, name=ev.dataset)


def _recovered(ev):
    table = ev.recovery()
    if table is None or not table["off"].notna().any():
        raise SuiteError("no planted gradients, or too few stars with known errors")
    return figures_galaxy.recovered(table)


def _architecture(ev):
    if ev.config is None:
        raise SuiteError("a table of predictions has no network")
    n = ev.parameters
    n = next(iter(n.values())) if isinstance(n, dict) and n else n
    return figures_network.architecture(ev.config, n)


def _pairs(ev):
    found = ev.distances()
    if found is None:
        raise SuiteError("name catalogues of distances with --compare")
    return figures_distance.pairwise_distances(found, ev.external)


def _surveys(ev):
    if not any(o.is_survey for o in ev.external):
        raise SuiteError("name APOGEE's allStar or GALAH's catalogue with --compare")
    return figures_distance.surveys(ev.applied, ev.external)


def _models(ev):
    from solarlike_distance.baselines import published_table

    if ev.baselines is None or not len(ev.baselines):
        raise SuiteError("run `python -m solarlike_distance.baselines --run-dir DIR` first")
    return figures_network.models(ev.baselines, published_table())


def _labelled(df):
    if not tables.quantities_of(df):
        raise SuiteError("no row has both a label and a prediction")
    return tables.judged_rows(df)


def plots(ev):
    """Return the `common.plots.Plot` of every figure of a `solarlike_distance` Evaluation."""
    df, everything, stars, applied = ev.df, ev.everything, ev.stars, ev.applied
    f, d, g, n = figures, figures_distance, figures_galaxy, figures_network
    labels, far = ("teff_true", "teff_pred"), ("distance_true", "distance_pred")
    lasp = ("lasp_teff", "lasp_logg")
    kiel = lasp if set(lasp) <= set(stars) else ("teff_true", "logg_true")
    return [
        Plot("real", "Real spectra: predictions against the catalogue's parameters",
             lambda: d.real_spectra(df), ("teff_pred",), 1, only_files=True),
        Plot("F1_kiel", "As Fig. 1: Kiel diagram, the solar-like region; inset: the sample's "
             "colours and magnitudes", lambda: f.kiel(stars, everything), kiel, 20, stars),
        Plot("F2_distances", "As Fig. 2: distances by source and parallax quality",
             lambda: d.distance_histograms(stars), (), 20, stars),
        Plot("F3_gspphot", "As Fig. 3: GSP-Phot against geometric distances",
             lambda: d.gspphot_against_geometric(stars), ("r_med_geo", "distance_gspphot"), 20,
             stars),
        Plot("F4_network", "As Fig. 4: the network", lambda: _architecture(ev)),
        Plot("F5_predicted_true", "As Fig. 5: predictions against labels; distances against "
             "geometric ones", lambda: f.predicted_against_true(_labelled(df)), (), 20),
        Plot("F6_residuals", "As Fig. 6: distance error (grey: mean and standard deviation in "
             "bins) and residuals along the labels", lambda: f.residuals(df), labels, 40),
        Plot("F7_fraction", "As Fig. 7: distance error against errors of the labels, and its "
             "distribution", lambda: f.fractional_error(df), far, 40),
        Plot("F8_problems", "As Fig. 8: spectra without a good distance", lambda: d.venn(applied),
             (), 1, applied),
        Plot("F9_cmd", "As Fig. 9: predicted colours and magnitudes",
             lambda: g.colour_magnitude(applied, ev.isochrones),
             ("bprp_pred", "mg_pred", "feh_pred"), 20, applied),
        Plot("F10_catalogues", "As Fig. 10: distances of this work and of other catalogues",
             lambda: _pairs(ev), (), 2, applied),
        Plot("F11_surveys", "As Fig. 11: parameters of this work and of other surveys",
             lambda: _surveys(ev), (), 2, applied),
        Plot("F12_density", "As Fig. 12: where the stars are; star: the Sun", lambda: _maps(ev),
             (), 10, applied),
        Plot("F13_metallicity", "As Fig. 13: median metallicity",
             lambda: _maps(ev, median_feh=True), (), 10, applied),
        Plot("F14_gradients", "As Fig. 14: radial and vertical gradients", lambda: _gradients(ev),
             (), 50, applied),
        Plot("recovered", "Planted gradients of the mock Galaxy, as the paper finds them and "
             "corrected for the network's errors", lambda: _recovered(ev), (), 50, applied),
        Plot("A1_labels", "As Fig. A.1: labels of reference and test set",
             lambda: f.label_distributions(everything), ("mg_true", "bprp_true"), 20, everything),
        Plot("B1_preprocessing", "As Fig. B.1: pre-processing of two spectra",
             lambda: n.preprocessing(ev.examples, ev.config.grid if ev.config else None)),
        Plot("C1_models", "As Table C.1: this network beside other models", lambda: _models(ev)),
        Plot("reliability", "Errors: labels inside the intervals, and residual over error",
             lambda: n.reliability(df), labels, 40),
        Plot("binaries", "Unresolved binaries: fractional distance error", lambda: n.binaries(df),
             (*far, "binary"), 40),
        Plot("training", "Training (dashed) and validation (solid) losses",
             lambda: n.training(ev.history)),
    ]  # fmt: skip
