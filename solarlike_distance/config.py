"""Every choice of the solar-like network in one place; each field's comment names its source.

Sections are those of Shen & Luo (2024, A&A, aa50164-24); [code]: their released notebooks;
[default]: ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from common.errors import UsageError

DATASETS = ("lamost", "lamost-mock")
TARGETS = ("teff", "logg", "feh", "mg", "bprp")  # Sect. 3.1, in the order of the five outputs
UNITS = {"teff": "K", "logg": "dex", "feh": "dex", "mg": "mag", "bprp": "mag"}
NAMES = {
    "teff": "Teff", "logg": "log g", "feh": "[Fe/H]", "mg": "M_G", "bprp": "(BP-RP)0",
}  # fmt: skip
OUT_OF_RANGE = ("one", "zero")


@dataclass(frozen=True)
class Config:
    """Hyper-parameters of a run."""

    dataset: str = "lamost-mock"
    scale: str = "paper"
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
    explain_stars: int = 2000  # Sect. 5: spectra that SHAP explains
    precision: str = "float32"  # default

    @property
    def is_mock(self):
        """True where the data set is a mock."""
        return self.dataset.endswith("-mock")

    @property
    def grid(self):
        """The common wavelength grid, ndarray of shape (n_pixels,), Å, vacuum, rest frame."""
        return np.linspace(self.wave_min, self.wave_max, self.n_pixels)


SCALES = {
    "smoke": dict(n_stars=160, members=1, epochs=2, batch_size=16, learning_rate=1e-3,
                  schedule="cosine", trees=5, tree_features=0.01, mlp_units=(16,),
                  explain_stars=8),
    # A demo has minutes: one fold of a fifth of the sample, a short cosine in larger steps.
    "demo": dict(n_stars=4500, members=1, epochs=8, batch_size=32, learning_rate=5e-4,
                 schedule="cosine", trees=40, tree_features=0.02, baseline_stars=1000,
                 explain_stars=48),
    "paper": dict(),
}  # fmt: skip


def make_config(dataset, scale="demo", **changes):
    """Return the configuration of a data set at a scale.

    Parameters
    ----------
    dataset : str
        One of `DATASETS`.
    scale : {"smoke", "demo", "paper"}
        Sizes and schedule: a check, a laptop's minutes, the paper's own.
    **changes
        Fields of `Config` to override; those that are None are left alone.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    for option, value, allowed in (
        ("dataset", dataset, DATASETS),
        ("scale", scale, SCALES),
        ("out-of-range", changes.get("out_of_range") or "one", OUT_OF_RANGE),
    ):
        if value not in allowed:
            raise UsageError(f"--{option} must be one of {', '.join(allowed)}. Received {value!r}.")
    base = Config(dataset=dataset, scale=scale, **SCALES[scale])
    return replace(base, **{k: v for k, v in changes.items() if v is not None})
