"""Every choice of the solar-like network in one place; each field's comment names its source.

Sections are those of Shen & Luo (2024, A&A, aa50164-24); [code]: their released notebooks;
[default]: ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.errors import UsageError
from common.paper import BaseConfig, Option, Paper, number, whole

TARGETS = ("teff", "logg", "feh", "mg", "bprp")  # Sect. 3.1, in the order of the five outputs
UNITS = {"teff": "K", "logg": "dex", "feh": "dex", "mg": "mag", "bprp": "mag"}
NAMES = {
    "teff": "Teff", "logg": "log g", "feh": "[Fe/H]", "mg": "M_G", "bprp": "(BP-RP)0",
}  # fmt: skip
OUT_OF_RANGE = ("one", "zero")
NETWORKS = ("paper", "compact")
INPUTS = {"paper": (0.0, 1.0), "scaled": (1.0, 0.1)}  # zero, unit: it sees (flux - zero) / unit


@dataclass(frozen=True)
class Config(BaseConfig):
    """Hyper-parameters of a run."""

    dataset: str = "lamost-mock"
    seed: int = 42  # [code]: random_state of the split of reference and test set
    wave_min: float = 3925.0  # Å, rest frame, Sect. 2.3
    wave_max: float = 8799.0  # Å, rest frame, Sect. 2.3
    n_pixels: int = 4875  # Sect. 2.3
    savgol_window: int = 15  # pixels, [code]
    savgol_order: int = 7  # [code]
    split_wave: float = 6000.0  # Å, rest frame, [code]: where the two continua meet
    poly_degree: int = 5  # Sect. 2.3
    full_rank: bool = False  # [code] drops singular values below n x float32's epsilon; True: none
    clip_sigma: float = 3.0  # [code]: beyond it a pixel is flagged before the continuum is fitted
    clip_rounds: int = 10  # [code]: fits that drop what lies below the continuum
    low: float = 0.1  # Sect. 2.3: normalised flux below it is replaced
    high: float = 1.2  # Sect. 2.3: normalised flux above it is replaced
    out_of_range: str = "one"  # "one": what the [code] puts there; "zero": what Sect. 2.3 says
    input: str = "paper"  # flux as it is, [code]; "scaled", ours: (flux - 1) / 0.1 learns faster
    network: str = "paper"  # Sect. 3.1; "compact", ours: a twentieth of its weights
    teff_min: float = 4800.0  # K, Table 1
    teff_max: float = 6800.0  # K, Table 1
    logg_zero: float = 5.98  # dex, Table 1: the line between dwarfs and giants at Teff = 0
    logg_slope: float = -0.00035  # dex / K, Table 1
    feh_min: float = -1.0  # dex, Table 1
    feh_max: float = 1.0  # dex, Table 1
    snr_g_min: float = 10.0  # Table 2
    parallax_snr_min: float = 5.0  # Table 2
    match_apogee: float = 1.0  # arcsec, Table 2
    match_gaia: float = 3.0  # arcsec, Table 2
    test_fraction: float = 0.2  # Sect. 3.2
    folds: int = 5  # Sect. 3.2: cross-validation on the reference set
    members: int = 0  # default: how many of the folds are trained; 0 is all
    filters: tuple = (64, 128, 256)  # Sect. 3.1, Fig. 4
    kernel_size: int = 3  # Sect. 3.1
    pool: int = 3  # Sect. 3.1
    units: tuple = (512, 256)  # Sect. 3.1
    compact_filters: tuple = (24, 32, 24)  # default: of the network "compact"
    compact_units: tuple = (128, 64)  # default
    compact_dropout: float = 0.2  # default
    leaky_slope: float = 0.3  # default: of Keras's layer, which Sect. 3.1 names without a slope
    batch_size: int = 64  # default
    epochs: int = 200  # default, with early stopping
    learning_rate: float = 1e-4  # Sect. 3.2
    schedule: str = "plateau"  # Sect. 3.2: halved after `patience`; "cosine" for short runs
    patience: int = 5  # epochs, Sect. 3.2
    stop_patience: int = 20  # epochs, default: no improvement ends a training; 0 never
    n_stars: int = 25000  # spectra of a mock; three in four pass the cuts, as many as in Table 2
    trees: int = 300  # default: of each tree ensemble of Table C.1
    tree_features: float = 0.1  # default: share of the pixels that a split or a tree looks at
    mlp_units: tuple = (256, 128)  # default: of Table C.1's perceptron
    baseline_stars: int = 0  # default: stars that Table C.1's models learn from; 0 is all
    tuned_from: str = ""  # default: run whose networks `tune` trains on; "": they begin anew
    explain_stars: int = 2000  # Sect. 5: spectra that SHAP explains
    precision: str = "float32"  # default

    @property
    def grid(self):
        """The common wavelength grid, ndarray of shape (n_pixels,), Å, vacuum, rest frame."""
        return np.linspace(self.wave_min, self.wave_max, self.n_pixels)

    @property
    def variant(self):
        """The network in one word where it is not the paper's own."""
        first = "" if self.input == "paper" else f"{self.input}-input"
        own = "" if self.network == "paper" else self.network
        return "-".join(filter(None, (own, first, "tuned" if self.tuned_from else "")))


SCALES = {
    "smoke": dict(input="scaled", n_stars=160, members=1, epochs=2, batch_size=16,
                  learning_rate=1e-3, schedule="cosine", trees=5, tree_features=0.01,
                  mlp_units=(16,), explain_stars=8),
    # A demo has minutes: one fold of a fifth of the sample, a short cosine in larger steps.
    "demo": dict(input="scaled", n_stars=4500, members=1, epochs=8, batch_size=32,
                 learning_rate=5e-4, schedule="cosine", trees=40, tree_features=0.02,
                 baseline_stars=1000, explain_stars=48),
    "night": dict(network="compact", input="scaled", n_stars=20000, members=1, epochs=10,
                  batch_size=32, learning_rate=1e-3, schedule="cosine", trees=100,
                  tree_features=0.02, baseline_stars=4000, explain_stars=200),
    "paper": dict(),
}  # fmt: skip


def check(config):
    """Return a configuration; raise `UsageError` where one of its choices is unknown."""
    for name, value, allowed in (
        ("out-of-range", config.out_of_range, OUT_OF_RANGE),
        ("input", config.input, INPUTS),
        ("network", config.network, NETWORKS),
    ):
        if value not in allowed:
            raise UsageError(f"--{name} must be one of {', '.join(allowed)}. Received {value!r}.")
    return config


PAPER = Paper(
    package="solarlike_distance",
    network="Shen & Luo 2024",
    about="Train the network of stellar labels and M_G from LAMOST spectra of solar-like stars.",
    config=Config,
    datasets=("lamost-mock", "lamost"),
    scales=SCALES,
    free=("n_stars", "out_of_range"),
    seed=42,
    check=check,
    data_dir="folder with LAMOST spectra, a LAMOST star catalogue, APOGEE's allStar and Gaia's "
    "tables; a mock is written and kept there",
    options=(
        whole("--stars", "spectra of a mock; three in four pass the cuts", sets="n_stars"),
        whole("--members", "folds of the cross-validation that get a network; 0: all five",
              sets="members", zero=True),
        whole("--epochs", "most epochs of each network", sets="epochs"),
        number("--learning-rate", "first, highest learning rate", sets="learning_rate"),
        whole("--batch-size", "spectra of a batch", sets="batch_size"),
        whole("--trees", "trees of each ensemble of Table C.1", sets="trees"),
        Option("--out-of-range", "what stands for pixels below 0.1 and above 1.2: one (the "
               "released code) or zero (the paper's text)", sets="out_of_range",
               more={"choices": OUT_OF_RANGE}),
        Option("--network", "paper: its own of 24 million weights (default but at night scale), or "
               "compact: ours of 1.3 million", sets="network", more={"choices": NETWORKS}),
        Option("--input", "what the network sees: scaled, (flux - 1) / 0.1, ours, which learns "
               "faster (default below paper scale), or paper, the flux as it is (default at "
               "paper scale)", sets="input", more={"choices": tuple(INPUTS)}),
    ),
)  # fmt: skip
make_config = PAPER.configure
