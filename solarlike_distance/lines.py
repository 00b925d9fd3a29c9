"""Lines in the spectra of solar-like stars, and where the paper looks for them."""

RANGE = (3925.0, 5500.0)  # Å, Figs. 15 and 16
LINES = {  # Å, vacuum, at rest: what the paper annotates, and what else is strong there
    "Ca II K": 3934.8, "Ca II H": 3969.6, "He I": 4027.3, "Hδ": 4102.9, "Ca I": 4227.9,
    "Fe I 4272": 4273.0, "CH G": 4301.0, "Hγ": 4341.7, "Fe I 4384": 4384.8, "Fe I 4405": 4406.0,
    "Fe I 4668": 4669.0, "Hβ": 4862.7, "Fe I 4958": 4958.9, "Mg I b": 5176.0, "Cr I": 5208.0,
    "Fe I 5270": 5271.0, "Fe I 5328": 5329.5,
}  # fmt: skip
