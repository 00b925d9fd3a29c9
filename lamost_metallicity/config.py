"""Every choice of the metallicity networks in one place; each field's comment names its source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.errors import UsageError
from common.paper import BaseConfig, Option, Paper, number, whole

TARGETS = (
    "oh",
    "lgm_fib",
    "sfr_fib",
)  # of the multi-task network: 12 + log(O/H), log mass, log SFR

CLASS_2 = ("out", "other")
# What the networks see, and values of each pixel; the first is the paper's.
INPUTS = {"paper": 1, "standardised": 1, "ivar": 2, "rest": 4}


@dataclass(frozen=True)
class Config(BaseConfig):
    """Hyper-parameters of a run; sections are those of Feng, Wang & Li (2026)."""

    dataset: str = "lamost-mock"
    wave_min: float = 3800.0  # Å, Sect. 2
    wave_max: float = 8000.0  # Å, Sect. 2
    n_pixels: int = 4201  # Sect. 2
    bridge: bool = True  # default: pixels without information are bridged; Sect. 2 names no mask
    input: str = "paper"  # Sect. 2: scaled to [0, 1]; or another of `INPUTS`, see `preprocess`
    rest_min: float = 3680.0  # Å at rest, default: [O II]; of the input "rest" alone
    rest_max: float = 6900.0  # Å at rest, default: beyond [S II]
    rest_pixels: int = 1821  # default: 104 km/s, a pixel and a half of LAMOST's
    rest_filters: tuple = (24, 32, 16)  # default: of the network of the input "rest"
    rest_units: int = 64  # default
    rest_dropout: float = 0.2  # default
    z_max: float = 0.25  # Sect. 2
    snr_min: float = 3.0  # of the r band, Sect. 2
    match_radius: float = 1.0  # arcsec, Sect. 2
    filters: tuple = (16, 32, 64, 128)  # Sect. 3.1, Fig. 2
    kernel_size: int = 3  # Fig. 2
    pool: int = 3  # Fig. 2
    epochs: int = 100  # Sect. 3.2
    batch_size: int = 128  # Sect. 3.2
    learning_rate: float = 1e-3  # Sect. 3.2
    schedule: str = "plateau"  # Sect. 3.2: divided by 10 after 10 epochs without better validation
    patience: int = 10  # Sect. 3.2
    split: tuple = (0.7, 0.1, 0.2)  # Sect. 3.2: 7:1:2
    n_galaxies: int = 135000  # of a mock, all kinds; default: enough for Sect. 2's 38 500 labels
    per_kind: int = 10000  # Sect. 5: star-forming and other galaxies that the classifier learns
    class_2: str = "out"  # default: bptclass 2 is neither kind; "other": Sect. 5.1 does not say
    confidence: float = 0.85  # Sect. 5
    mlp_units: tuple = (1024, 1024, 1024)  # Sect. 4
    mlp_batch: int = 128  # Sect. 3.2; the MLP's 6 million weights make small batches dear
    trees: int = 100  # Sect. 4
    tree_features: float = 1.0  # default: share of the pixels that a split of a tree looks at
    tree_rows: int = 0  # default: spectra that the forest learns from; 0: all of the split
    precision: str = "float32"  # default

    @property
    def at_rest(self):
        """Whether the networks see wavelengths at rest, which takes a redshift."""
        return self.input == "rest"

    @property
    def grid(self):
        """Wavelengths of the input, ndarray, Å, vacuum: observed, or at rest in even log steps."""
        if self.at_rest:
            return np.geomspace(self.rest_min, self.rest_max, self.rest_pixels)
        return np.linspace(self.wave_min, self.wave_max, self.n_pixels)

    @property
    def channels(self):
        """Values of each pixel."""
        return INPUTS[self.input]

    @property
    def width(self):
        """Values of a spectrum: pixels times channels."""
        return (self.rest_pixels if self.at_rest else self.n_pixels) * self.channels

    @property
    def variant(self):
        """The input where it is not the paper's."""
        return "" if self.input == "paper" else self.input


SCALES = {
    "smoke": dict(input="rest", n_galaxies=200, per_kind=60, epochs=2, batch_size=32,
                  schedule="cosine", mlp_units=(64, 64, 64), mlp_batch=32, trees=10,
                  tree_features=0.02),
    # Trees whose splits look at a fiftieth of the pixels: at this size that costs the forest
    # 0.002 dex against a third of them all.
    "demo": dict(input="rest", n_galaxies=11000, per_kind=1500, epochs=12, batch_size=32,
                 learning_rate=2e-3, schedule="cosine", mlp_batch=64, tree_features=0.02),
    # Half an hour to two on two cores: about 11 000 metallicities to learn from.
    "night": dict(input="rest", n_galaxies=50000, per_kind=6000, epochs=12, batch_size=64,
                  learning_rate=2e-3, schedule="cosine", mlp_batch=128, tree_features=0.02),
    "paper": dict(),
}  # fmt: skip


def _checked(config):
    """Return the configuration, or raise `UsageError` where a choice has no such name."""
    for option, value, allowed in (("--input", config.input, INPUTS),
                                   ("--class-2", config.class_2, CLASS_2)):  # fmt: skip
        if value not in allowed:
            raise UsageError(f"{option} must be one of {', '.join(allowed)}. Received {value!r}.")
    return config


PAPER = Paper(
    package="lamost_metallicity",
    network="Feng, Wang & Li 2026",
    about="Train the networks of gas-phase metallicity from LAMOST spectra.",
    config=Config,
    datasets=("lamost-mock", "lamost"),
    scales=SCALES,
    free=("n_galaxies",),
    data_dir="folder with LAMOST spectra and the MPA-JHU tables; a mock is written and kept there",
    options=(
        Option("--input", "paper: each spectrum scaled to 0-1 (default at --scale paper); "
               "standardised: to mean 0 and standard deviation 1; ivar: standardised, with the "
               "errors beside it; rest: moved to rest by the file's redshift, with continuum and "
               "errors (default otherwise)", sets="input", more={"choices": INPUTS}),
        whole("--galaxies", "galaxies of a mock, all kinds together", sets="n_galaxies"),
        whole("--per-kind", "star-forming and other galaxies, of each, that the classifier learns "
              "from, all splits together", sets="per_kind"),
        Option("--class-2", "galaxies of bptclass 2 (star-forming, low S/N): out of the "
               "classifier's sample (default), or among the other galaxies", sets="class_2",
               more={"choices": CLASS_2}),
        whole("--epochs", "epochs of each network", sets="epochs"),
        number("--learning-rate", "highest learning rate", sets="learning_rate"),
        whole("--batch-size", "spectra of a batch", sets="batch_size"),
        whole("--trees", "trees of the random forest", sets="trees"),
    ),
    check=_checked,
)  # fmt: skip
make_config = PAPER.configure
