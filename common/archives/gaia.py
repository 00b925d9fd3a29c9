"""Gaia's tables by source_id: gaia_source, GSP-Phot, and distances of Bailer-Jones et al."""

from __future__ import annotations

from common.archives.tap import SIZE, by_ids
from common.assets.registry import server

SOURCE = (  # what the readers of gaia_source take: columns of gaiadr3.gaia_source
    "source_id", "ra", "dec", "ref_epoch", "pmra", "pmdec", "parallax", "parallax_error",
    "parallax_over_error", "phot_g_mean_mag", "phot_g_mean_flux_over_error", "phot_bp_mean_mag",
    "phot_rp_mean_mag", "bp_rp", "nu_eff_used_in_astrometry", "pseudocolour", "ecl_lat",
    "astrometric_params_solved", "ruwe", "rvs_spec_sig_to_noise", "has_rvs", "has_xp_continuous",
)  # fmt: skip
GSPPHOT = (  # columns of gaiadr3.astrophysical_parameters
    "ag_gspphot", "ag_gspphot_lower", "ag_gspphot_upper", "ebpminrp_gspphot", "distance_gspphot",
)  # fmt: skip
DISTANCES = ("source_id", "r_med_geo", "r_lo_geo", "r_hi_geo")


def sources_query():
    """Return the query of gaia_source with GSP-Phot's extinctions, for `by_ids`."""
    columns = [f"g.{name}" for name in SOURCE] + [f"p.{name}" for name in GSPPHOT]
    return (
        f"SELECT {', '.join(columns)} FROM gaiadr3.gaia_source AS g "
        "JOIN TAP_UPLOAD.ids AS ids ON g.source_id = ids.source_id "
        "LEFT OUTER JOIN gaiadr3.astrophysical_parameters AS p ON p.source_id = g.source_id"
    )


def distances_query():
    """Return the query of Bailer-Jones et al.'s (2021) geometric distances, for `by_ids`."""
    columns = ", ".join(f"d.{name}" for name in DISTANCES)
    return (
        f"SELECT {columns} FROM external.gaiaedr3_distance AS d "
        "JOIN TAP_UPLOAD.ids AS ids ON d.source_id = ids.source_id"
    )


def fetch_sources(ids, target, *, web, size=SIZE, shown=True):
    """Fetch gaia_source with extinctions of some sources; as `common.archives.tap.by_ids`."""
    return by_ids(server("gaia-tap"), sources_query(), ids, target, web=web, size=size, shown=shown)


def fetch_distances(ids, target, *, web, size=SIZE, shown=True):
    """Fetch geometric distances (pc) of some sources; as `common.archives.tap.by_ids`."""
    adql = distances_query()
    return by_ids(server("gaia-tap"), adql, ids, target, web=web, size=size, shown=shown)
