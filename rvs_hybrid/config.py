"""Every choice of the hybrid network in one place; each field's comment names its source.

[seed]: Guiglion 2025, IAU Symp. 395. [G20]: Guiglion et al. 2020 (RAVE), [N23]: Nepal et al. 2023
(Gaia-ESO), the same group's earlier networks, whose code is released. [default]: ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.errors import UsageError
from common.paper import BaseConfig, Option, Paper, number, whole

LABELS = ("teff", "logg", "m_h", "fe_h", "alpha_m")  # [seed] Sect. 3: labels of APOGEE DR17
UNITS = {"teff": "K", "logg": "dex", "m_h": "dex", "fe_h": "dex", "alpha_m": "dex"}
NAMES = {
    "teff": "Teff", "logg": "log g", "m_h": "[M/H]", "fe_h": "[Fe/H]", "alpha_m": "[alpha/M]",
}  # fmt: skip
INPUTS = ("rvs", "xp", "phot", "parallax")  # [seed] Sect. 3; XP sampled: see `EVERY_INPUT`
EVERY_INPUT = (*INPUTS, "coefficients")  # [seed] has XP coefficients; no archive with labels has
LABEL_SCALES = {"apogee": "APOGEE", "gspspec": "GSP-Spec"}  # the first is [seed]'s
RVS = ("none", "semi-synthetic", "data-dir")  # or a folder of the user's files
# The registry's stars; [seed]'s kind of data; a mock of that kind.
DATASETS = ("gaia-apogee", "gaia-rvs", "gaia-apogee-mock")

RVS_GRID = np.linspace(8460.0, 8700.0, 2401)  # Å, vacuum: Gaia DR3's mean spectra
XP_GRID = np.arange(3360.0, 10201.0, 20.0)  # Å, 343 px: GaiaXPy's default sampling
N_COEFFICIENTS = 55  # of BP, and of RP
PHOT = ("g", "bp_g", "g_rp")  # [seed]: G, G_BP, G_RP; colours are the same numbers, better scaled
INFRARED = ("g_k", "j_h", "h_k")  # beyond the paper: 2MASS
PARALLAX = ("luminosity", "parallax_snr", "log_parallax_error")
GIANT = 3.5  # default: giants are below this log g
UPPER_GIANTS = 2.2  # [seed] Fig. 1: giants of lower log g


@dataclass(frozen=True)
class Config(BaseConfig):
    """Hyper-parameters of a run."""

    dataset: str = "gaia-apogee"
    inputs: tuple = ("xp", "phot", "parallax")  # [seed] has all four; no real RVS can be had
    labels: tuple = ("teff", "logg", "fe_h", "alpha_m")  # those the data set has
    rvs: str = "none"  # where RVS spectra come from
    label_scale: str = "apogee"  # [seed]; a key of `LABEL_SCALES`
    infrared: bool = False  # default: Gaia alone, as in [seed]
    rvs_filters: tuple = (8, 6, 4)  # [N23]
    rvs_kernels: tuple = (10, 15, 10)  # [N23]
    rvs_pool: int = 2  # [N23]
    rvs_units: int = 64  # [N23]
    xp_components: int = 60  # default: principal components, in the place of XP coefficients
    xp_units: tuple = (512, 512)  # default: measured best of four sizes; of either XP branch
    scalar_units: int = 27  # [G20]
    fusion: tuple = (256, 64)  # default; [N23] has 128 and 32
    dropout: float = 0.2  # [G20], [N23]
    drop_input: float = 0.05  # default: how often a whole input is taken away in training
    l2: float = 0.005  # [N23], convolutions
    beta: float = 0.5  # default: Seitzer et al. 2022, ICLR; 0: Gaussian likelihood, 1: as MSE
    scaling: str = "standard"  # default; "minmax" as in [G20], [N23]
    members: int = 30  # [N23]
    keep: float = 0.8  # [G20], [N23]: the share of members, by loss, that an ensemble keeps
    epochs: int = 500  # [N23]
    patience: int = 25  # [N23]
    batch_size: int = 64  # [N23]
    learning_rate: float = 1e-4  # [N23]
    weight_decay: float = 0.0
    clip_norm: float = 0.0  # default: highest norm of a gradient; 0 is any
    schedule: str = "constant"  # [N23]; "cosine" for short runs
    most_stars: int = 0  # default: 0 is all
    n_stars: int = 40000  # default: stars of a mock, as many as the registry's
    precision: str = "float32"  # default

    @property
    def scalars(self):
        """Names of the photometric inputs."""
        return PHOT + (INFRARED if self.infrared else ())

    @property
    def truth(self):
        """Whose scale the labels are on, in words."""
        return LABEL_SCALES[self.label_scale]

    @property
    def variant(self):
        """Another label scale than the paper's in one word, else ""."""
        return "" if self.label_scale == "apogee" else self.label_scale

    @property
    def trained(self):
        """The data set in words, and the labels where they are not the paper's."""
        return f"{self.dataset} ({self.truth} labels)" if self.variant else self.dataset

    @property
    def name(self):
        """The inputs in one word, such as "xp+phot+parallax"."""
        return "+".join(self.inputs)


_SHORT = dict(batch_size=128, learning_rate=1e-3, schedule="cosine", patience=0,
              weight_decay=1e-3, clip_norm=1.0)  # fmt: skip
SCALES = {
    "smoke": dict(members=2, epochs=2, most_stars=3000, xp_units=(64,), **_SHORT),
    "demo": dict(members=3, epochs=24, **_SHORT),
    "night": dict(members=10, epochs=60, **_SHORT),
    "paper": dict(),
}
MOCK_STARS = {"smoke": 1500, "demo": 8000, "night": 20000}  # at paper scale the default


def _scaled(dataset, scale, **_):
    """Return the inputs of the paper for a data set that has them, and the size of a mock."""
    if dataset == DATASETS[0]:
        return {}
    size = {"n_stars": MOCK_STARS.get(scale, Config.n_stars)} if dataset == DATASETS[2] else {}
    return {"inputs": INPUTS, "rvs": RVS[2]} | size


def _changes(args):
    """Return the inputs that the options ask for: by default all that there are spectra for."""
    rvs, inputs = args.rvs, args.inputs
    if rvs is not None and rvs not in RVS and not Path(rvs).is_dir():
        raise UsageError(
            f"--rvs must be {', '.join(RVS)} or a folder of RVS files. Received {rvs!r}, which is "
            "no folder."
        )
    if args.dataset not in DATASETS[1:] and rvs == RVS[2] and args.data_dir is None:
        raise UsageError(
            f"--rvs {RVS[2]} takes your own stars: name their folder with --data-dir (APOGEE's "
            f"allStar, XP coefficients, gaia_source, RVS spectra), or use --dataset {DATASETS[1]}."
        )
    if args.labels == "gspspec" and args.data_dir is None:
        raise UsageError(
            "--labels gspspec takes your own stars: name their folder with --data-dir (Gaia's "
            "astrophysical_parameters, gaia_source, XP coefficients, RVS spectra)."
        )
    if inputs is not None and "coefficients" in inputs and args.data_dir is None:
        if args.dataset == DATASETS[0]:
            raise UsageError(
                f"--inputs coefficients: {DATASETS[0]} has sampled XP spectra alone. Name a folder "
                f"of your own stars with --data-dir, or use --dataset {DATASETS[1]}."
            )
    if inputs is None and rvs is not None:
        inputs = [name for name in INPUTS if name != "rvs" or rvs != RVS[0]]
    elif inputs is not None and rvs is None and "rvs" not in inputs:
        rvs = RVS[0]
    return {"inputs": None if inputs is None else tuple(inputs), "rvs": rvs}


def _check(config):
    """Return the configuration with its inputs in order."""
    unknown = [name for name in config.inputs if name not in EVERY_INPUT]
    if unknown or not config.inputs:
        raise UsageError(
            f"--inputs must be out of {', '.join(EVERY_INPUT)}. "
            f"Received {', '.join(unknown) or 'none'}."
        )
    if config.label_scale not in LABEL_SCALES:
        raise UsageError(
            f"--labels must be one of {', '.join(LABEL_SCALES)}. Received {config.label_scale!r}."
        )
    if ("rvs" in config.inputs) != (config.rvs != RVS[0]):
        raise UsageError(
            f"--inputs {' '.join(config.inputs)} and --rvs {config.rvs} do not go together: the "
            "input rvs needs --rvs semi-synthetic or a folder of RVS spectra, and only it does."
        )
    if config.dataset != DATASETS[0] and config.rvs == RVS[1]:
        raise UsageError(
            f"--dataset {config.dataset} has RVS spectra of its own: --rvs {RVS[1]} goes with "
            f"--dataset {DATASETS[0]}."
        )
    return replace(config, inputs=tuple(name for name in EVERY_INPUT if name in config.inputs))


PAPER = Paper(
    package="rvs_hybrid",
    network="rvs_hybrid",
    about="Train the hybrid network: labels of Gaia's stars.",
    config=Config,
    datasets=DATASETS,
    scales=SCALES,
    free=("labels", "rvs", "n_stars"),  # labels there are, where the spectra lie; of a mock alone
    data_dir="folder of your own stars: APOGEE allStar or Gaia's astrophysical_parameters, XP "
    "coefficients, gaia_source, RVS spectra (default: the registry's 40 000 stars; of gaia-rvs the "
    "archives'); a mock is written and kept there",
    options=(
        Option("--inputs", f"out of {' '.join(EVERY_INPUT)} (default: xp phot parallax, and rvs "
               f"with --rvs or another --dataset than {DATASETS[0]})",
               more={"nargs": "+", "metavar": "INPUT"}),
        Option("--labels", "whose parameters to train on: APOGEE's (default), or GSP-Spec's of "
               "your own stars", sets="label_scale", more={"choices": tuple(LABEL_SCALES)}),
        Option("--rvs", "RVS spectra: none, made at each star's labels, those of --data-dir, or a "
               "folder of Gaia files", more={"metavar": "none|semi-synthetic|data-dir|DIR"}),
        Option("--infrared", "2MASS magnitudes too", sets="infrared",
               more={"action": "store_true", "default": None}),
        whole("--members", "networks of the ensemble", sets="members"),
        whole("--epochs", "epochs of each network", sets="epochs"),
        number("--learning-rate", "highest learning rate", sets="learning_rate"),
        whole("--batch-size", "stars of a batch", sets="batch_size"),
        whole("--stars", "stars of a mock", sets="n_stars"),
        whole("--most-stars", "use no more stars than this; 0: all", sets="most_stars", zero=True),
    ),
    scaled=_scaled,
    changes=_changes,
    check=_check,
)  # fmt: skip
make_config = PAPER.configure
