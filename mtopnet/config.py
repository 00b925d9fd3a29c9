"""Every choice of M-TOPnet in one place; each field's comment names its source."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from common.errors import UsageError
from common.paper import BaseConfig, Option, Paper, number, whole

TASKS = ("z", "lines", "mass", "sfr")
HEADS = ("dense", "hierarchical", "comb", "templates")
COMBS = ("comb", "templates")  # that score one pattern of lines at every redshift
INPUTS = ("paper", "errors")
MOCKS = ("default", "shifted", "faint", "realistic", "both")  # those of mtopnet.mock.make
MIXED = ("realistic", "both")  # of these, those with spectra that are none of the network's kind
LEVELS = 3  # of the errors, one an arm
SCHEDULES = ("paper", "cosine")
# Sect. 4, Fig. 5: what is trained beside the whole network to see what a task is good for.
VARIANTS = {
    "z-only": {"tasks": ("z",)},
    "z-lines": {"tasks": ("z", "lines")},
    "fine": {
        "dz": 0.0005,
        "head": "comb",
    },  # Sect. 3.1 leaves this width for later; the head is ours
    "comb": {"head": "comb"},  # ours: see comb.py
    "templates": {"head": "templates"},  # ours: see comb.py
    "dense": {"head": "dense", "dz": 0.003},  # the paper's head, beside one of ours
    "narrow": {"dz": 0.0005},  # Sect. 3.1, as the paper tried it: its own head
    "margin-1": {"line_margin": 1},  # Sect. 3.1
    "margin-10": {"line_margin": 10},  # Sect. 3.1
    "one-hot": {"z_sigma": 0.0},  # Sect. 3.1
}


@dataclass(frozen=True)
class Config(BaseConfig):
    """Hyper-parameters of a run; sections are those of Ginolfi et al. (2025)."""

    dataset: str = "moons-mock"
    n_pixels: int = 12217  # Sect. 2
    sky_limit: float = 10**-4.8  # photons / (s cm2 Å arcsec2), Sect. 3.1
    median_window: int = 1000  # channels, Sect. 3.1
    n_continuum: int = 10  # Sect. 3.1
    input: str = "paper"  # Sect. 3.1: flux over its maximum; "errors", flux over errors, is ours
    photometry: tuple = ()  # ours: bands joined to the continuum's points, such as ("h", "ks")
    z_min: float = 0.6  # development code
    z_max: float = 3.0  # development code
    dz: float = 0.003  # Sect. 3.1
    z_sigma: float = 0.001  # Sect. 3.1
    line_margin: int = 5  # channels, Sect. 3.1
    filters: tuple = (16, 32, 64)  # Sect. 3.2.1: 16 to 64; number of blocks: development code
    kernel_size: int = 11  # development code
    pool: int = 5  # Sect. 3.2.1
    continuum_units: int = 32  # Sect. 3.2.1
    line_units: tuple = (64, 128)  # Sect. 3.2.1
    z_units: tuple = (64, 128)  # Sect. 3.2.1
    scalar_units: tuple = (64, 32)  # Sect. 3.2.1
    dropout: float = 0.2  # Sect. 3.2.1
    head: str = "dense"  # Sect. 3.2.1; the others are ours
    scalar_pdf: bool = False  # Sect. 4 leaves PDFs of mass and SFR for later: ours
    none: bool = False  # ours: the probability that a spectrum is none of the network's kind
    tasks: tuple = TASKS  # Sect. 3.2.2; those left out have weight 0 (Sect. 4)
    weight_z: float = 1.0  # Sect. 3.2.3
    weight_lines: float = 10.0  # Sect. 3.2.3
    weight_mass: float = 1.0  # Sect. 3.2.3
    weight_sfr: float = 1.0  # Sect. 3.2.3
    weight_none: float = 1.0  # default
    epochs: int = 100  # Sect. 3.2.3
    patience: int = 10  # Sect. 3.2.3
    batch_size: int = 1024  # development code
    schedule: str = "paper"  # Sect. 3.2.3: linear from learning_rate to rate_final
    learning_rate: float = 5e-3  # Sect. 3.2.3
    rate_final: float = 5e-4  # Sect. 3.2.3
    rate_epochs: int = 50  # Sect. 3.2.3
    split: tuple = (0.7, 0.15, 0.15)  # Sect. 3.1; by galaxy: default
    mc_passes: int = 50  # Sect. 4.1
    n_galaxies: int = 40000  # of a mock, Sect. 2
    mock: str = "default"  # ours: "faint", with lines as Sect. 4.1 has them, or others of `MOCKS`
    exposures: tuple = (2.0, 4.0, 8.0)  # h, Sect. 2
    precision: str = "float32"  # default

    @property
    def n_bins(self):
        """Number of redshift bins."""
        return round((self.z_max - self.z_min) / self.dz)

    @property
    def edges(self):
        """Edges of the redshift bins, ndarray of shape (n_bins + 1,)."""
        return np.linspace(self.z_min, self.z_max, self.n_bins + 1)

    @property
    def n_levels(self):
        """Levels of the errors in the continuum vector: none where the flux is over its maximum."""
        return LEVELS if self.input == "errors" else 0

    @property
    def n_points(self):
        """Length of the continuum vector: its points, levels of errors, and the photometry."""
        return self.n_continuum + self.n_levels + len(self.photometry)

    @property
    def variant(self):
        """What of the network and its mock is not the paper's, such as "comb-errors", else ""."""
        parts = ((self.head, Config.head), (self.input, Config.input), (self.mock, Config.mock))
        return "-".join(value for value, own in parts if value != own)

    @property
    def n_input(self):
        """Numbers of a spectrum in the shards: pixels, then continuum points, then photometry."""
        return self.n_pixels + self.n_points

    @property
    def loss_weights(self):
        """Weight of each output's loss, 0 of tasks that are left out: dict of str to float."""
        every = (self.weight_z, self.weight_lines, self.weight_mass, self.weight_sfr)
        out = {t: w if t in self.tasks else 0.0 for t, w in zip(TASKS, every, strict=True)}
        return out | {"none": self.weight_none} if self.none else out


# What goes beyond the paper is the default where its own sample is out of reach.
OURS = dict(head="comb", dz=0.0005, input="errors")
SCALES = {
    "smoke": OURS | dict(n_galaxies=60, epochs=2, batch_size=32, mc_passes=4, filters=(4, 4, 8),
                         schedule="cosine", learning_rate=2e-3),
    "demo": OURS | dict(n_galaxies=10000, epochs=8, batch_size=64, mc_passes=50, schedule="cosine",
                        learning_rate=2e-3),
    "night": OURS | dict(n_galaxies=25000, epochs=10, batch_size=64, mc_passes=50,
                         schedule="cosine", learning_rate=2e-3),
    "paper": dict(),
}  # fmt: skip


def _scaled(dataset, scale, head=None, **_):
    """Return the paper's bins where its head is asked for."""
    return {"dz": Config.dz} if head == "dense" else {}


# What `reproduce` trains beside the network where nobody says: minutes are few in a demo.
REPRODUCED = {"smoke": (), "demo": (), "night": (), "paper": ("z-only", "z-lines", "fine")}


def checked(config):
    """Return a configuration whose values go together, or raise `UsageError`."""
    every = {"head": HEADS, "schedule": SCHEDULES, "input": INPUTS, "mock": MOCKS}
    for name, allowed in every.items():
        if getattr(config, name) not in allowed:
            raise UsageError(
                f"{name} must be one of {', '.join(allowed)}. Received {getattr(config, name)!r}."
            )
    if config.mock != Config.mock and not config.is_mock:
        raise UsageError(
            f"--mock {config.mock} is of --dataset moons-mock. Received --dataset {config.dataset}."
        )
    unknown = [t for t in config.tasks if t not in TASKS]
    if unknown or "z" not in config.tasks:
        raise UsageError(
            f"tasks must be some of {', '.join(TASKS)}, z among them. "
            f"Received {', '.join(config.tasks) or 'none'}."
        )
    if not config.sky_limit > 0:
        raise UsageError(f"--sky-limit must be above 0. Received {config.sky_limit:g}.")
    bins = (config.z_max - config.z_min) / config.dz if config.dz > 0 else 0
    if bins < 2 or abs(bins - round(bins)) > 1e-6 * bins:
        raise UsageError(
            f"--dz must divide {config.z_min:g} to {config.z_max:g} into whole bins, such as 0.003 "
            f"or 0.0005. Received {config.dz:g}."
        )
    # A mock that holds spectra of another kind teaches the network to tell them.
    return replace(config, none=True) if config.mock in MIXED else config


def known_variants(names):
    """Return names of `VARIANTS` as a tuple, or raise `UsageError` for one that is none."""
    for name in names:
        if name not in VARIANTS:
            raise UsageError(f"A variant is one of {', '.join(VARIANTS)}. Received {name!r}.")
    return tuple(names)


def variant_of(config, name):
    """Return the configuration of one of `VARIANTS` beside a run's own.

    Raises
    ------
    UsageError
        If there is no such variant, or it is what the run itself is.
    """
    known_variants([name])
    own = replace(config, **VARIANTS[name])
    if own == config:
        raise UsageError(
            f"--variants {name} would train the run's own network ({config.head} head, bins of "
            f"{config.dz:g}) again. Leave it out."
        )
    if config.schedule == "cosine" and own.head in COMBS and config.head not in COMBS:
        own = replace(own, epochs=max(1, config.epochs // 2))  # a short run is enough for it
    return checked(own)


def _lists(args):
    """Return the options that are lists, as the configuration holds them."""
    tasks, bands = args.tasks, args.photometry
    return {
        "tasks": None if tasks is None else tuple(t for t in TASKS if t in tasks),
        "photometry": None if bands is None else tuple(bands),
    }


PAPER = Paper(
    package="mtopnet",
    network="M-TOPnet, Ginolfi et al. 2025",
    about="Train M-TOPnet on MOONS spectra.",
    config=Config,
    datasets=("moons-mock", "moons"),
    scales=SCALES,
    free=("n_galaxies",),
    data_dir="folder with spectra and labels.fits; a mock is written and kept there",
    scaled=_scaled,
    changes=_lists,
    check=checked,
    options=(
        whole("--galaxies", "galaxies of a mock, each seen for 2, 4 and 8 h", sets="n_galaxies"),
        Option("--mock", "which mock: default; faint, with half of the galaxies above F(Ha) = "
               "1e-17; shifted, with another sky and other gas; realistic, the faint one as an "
               "instrument would give it, with stars, other redshifts and failed fibres, which the "
               "network learns to tell; or both, half faint, half realistic", sets="mock",
               more={"choices": MOCKS}),
        whole("--epochs", "most epochs", sets="epochs"),
        number("--learning-rate", "highest learning rate", sets="learning_rate"),
        whole("--batch-size", "spectra of a batch", sets="batch_size"),
        number("--dz", "width of the redshift bins (default: 0.003 with the dense head and at "
               "paper scale, else 0.0005)", sets="dz"),
        Option("--head", "of the redshift: the paper's dense layer (default at paper scale), fine "
               "bins within wide ones, a comb of lines (default else), or the comb with "
               "learned templates", sets="head",
               more={"choices": HEADS}),
        Option("--input", "what the flux is divided by: its maximum, as in the paper (default at "
               "paper scale), or its errors (default else)", sets="input",
               more={"choices": INPUTS}),
        Option("--tasks", "whose losses count (default: all)",
               more={"nargs": "+", "choices": TASKS}),
        Option("--scalar-pdf", "PDFs of mass and SFR too", sets="scalar_pdf",
               more={"action": "store_true", "default": None}),
        Option("--photometry", "magnitudes mag_BAND of the labels to join to the continuum's "
               "points", more={"nargs": "+", "metavar": "BAND"}),
        number("--sky-limit", "sky above which a channel is masked, photons / (s cm2 Å arcsec2) "
               "(default: 10^-4.8)", sets="sky_limit"),
        whole("--passes", "passes of MC dropout (default: 50 at paper scale)", sets="mc_passes"),
        Option("--variants", f"train these too: {', '.join(VARIANTS)}",
               more={"nargs": "*", "metavar": "NAME"}),
    ),
)  # fmt: skip
make_config = PAPER.configure
