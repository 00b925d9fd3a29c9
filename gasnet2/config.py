"""Every choice of GaSNet-II in one place; each field's comment names its source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.errors import UsageError
from common.paper import BaseConfig, Option, Paper, number, whole

SDSS_CLASSES = (  # Table 1, in order of label
    "STAR_A0", "STAR_F5", "STAR_F9", "STAR_G2", "STAR_K1", "STAR_K3", "STAR_K5",
    "GALAXY_nan", "GALAXY_AGN", "GALAXY_STARBURST", "GALAXY_STARFORMING",
    "QSO_nan", "QSO_BROADLINE",
)  # fmt: skip
FOURMOST_CLASSES = (  # Table 2
    "Dyn", "GalHR", "ESN", "GalDiskLR", "MCsn",
    "COSMO_AGN", "ClusB", "WAVES", "RedGAL", "tides_host",
)  # fmt: skip
DESI_CLASSES = ("STAR", "QSO", "GALAXY")  # Table 3
# What surveys hold beside Table 1, for one network of all surveys; "NONE": no object at all.
EXTRA_CLASSES = (
    "STAR_OB", "STAR_K7", "STAR_M", "STAR_Carbon", "STAR_WD", "STAR_CV", "NONE",
)  # fmt: skip

COARSE = {  # App. B
    **{c: c.split("_")[0] for c in (*SDSS_CLASSES, *EXTRA_CLASSES)},
    **dict.fromkeys(FOURMOST_CLASSES[:5], "STAR"),
    "COSMO_AGN": "QSO",
    **dict.fromkeys(FOURMOST_CLASSES[6:], "GALAXY"),
    **{c: c for c in DESI_CLASSES},
}
CLASSES = {
    "sdss": SDSS_CLASSES, "fourmost": FOURMOST_CLASSES, "desi": DESI_CLASSES,
    "surveys": SDSS_CLASSES + EXTRA_CLASSES,
}  # fmt: skip


def survey_of(dataset):
    """Return the survey ("sdss", "fourmost" or "desi") of a data set's name."""
    return dataset.removesuffix("-mock")


def published(survey):
    """Return the survey whose subclasses and claims are meant: all of them together have SDSS's."""
    return "sdss" if survey == "surveys" else survey


def extragalactic(classes):
    """Return the classes that have a redshift network (Eq. 1), in order of label."""
    return tuple(c for c in classes if COARSE[c] not in ("STAR", "NONE"))


def gf_threshold(name):
    """Return the Bias below which a redshift of this class is good (Sect. 4.1)."""
    return 0.015 if COARSE[name] == "QSO" else 0.0015


@dataclass(frozen=True)
class Config(BaseConfig):
    """Hyper-parameters of a run."""

    dataset: str = "sdss-mock"
    wave_min: float = 4000.0  # Å, Sect. 2.1
    wave_max: float = 9000.0  # Å, Sect. 2.1
    n_pixels: int = 5001  # Sect. 2.1
    grid_named: bool = False  # True: the user named the grid, also for tables without one
    unit_rms: bool = True  # Eq. 2 gives unit norm; the authors' code multiplies by sqrt(n_pixels)
    filters: tuple = (16, 32, 64, 128, 256, 512)  # Fig. 10b
    kernel_size: int = 5  # Fig. 10b
    stride: int = 3  # Fig. 10b
    dense: int = 256  # Fig. 10b
    dropout: float = 0.5  # Sect. 3.3
    initialiser: str = "he"  # default; "faithful" is the authors' RandomNormal(0, 1e-3)
    bn_momentum: float = 0.99  # Keras's default, as in the authors' code
    members: int = 10  # Sect. 3.2
    epochs: int = 50  # Sect. 3.3
    pool_epochs: int = 0  # default; above 0, members start from a network of all classes together
    batch_size: int = 128  # authors' code
    learning_rate: float = 1e-3  # Sect. 3.3
    schedule: str = "steps"  # Sect. 3.3: halved every 5 epochs to 1e-6; "cosine" for short runs
    huber_delta: float = 0.1  # Sect. 3.2
    z_scale: float = 10.0  # authors' code: labels times ten
    z_max: float = 5.0  # Sect. 3.2: labels limited to [0, 5]
    per_class: int = 20000  # Sect. 2.1
    split: tuple = (0.70, 0.15, 0.15)  # Sect. 2.1
    precision: str = "float32"  # default
    only: tuple = ()  # default: all classes of the survey; App. A takes three
    network: str = "paper"  # or "templates", which is not the paper's: all below is of it alone
    channels: int = 24  # default: of the trunk
    depth: int = 3  # default: residual blocks of the trunk
    maps: int = 12  # default: maps that are laid over the templates
    roughness: float = 1.0  # default: penalty on templates that are not smooth
    use_ivar: bool = True  # default: errors are part of the input

    @property
    def survey(self):
        """The survey whose classes are used."""
        return survey_of(self.dataset)

    @property
    def classes(self):
        """Class names in order of label."""
        return self.only or CLASSES[self.survey]

    @property
    def is_templates(self):
        """True for the network that is ours, of templates at rest."""
        return self.network == "templates"

    @property
    def variant(self):
        """The network in one word where it is not the paper's own."""
        return "template" if self.is_templates else ""

    def size_of(self, name):
        """Return how many spectra of a class there are, all splits together.

        In the mock of all surveys the classes whose redshift is to be found have more.
        """
        more = {"GALAXY": 2, "QSO": 4} if self.survey == "surveys" else {}
        return self.per_class * more.get(COARSE[name], 1)

    @property
    def grid(self):
        """The common wavelength grid, ndarray of shape (n_pixels,), Å, vacuum."""
        return np.linspace(self.wave_min, self.wave_max, self.n_pixels)

    @property
    def table_grid(self):
        """The grid of tables that do not carry theirs, where the user named one; else None."""
        own = (self.wave_min, self.wave_max, self.n_pixels)
        default = (Config.wave_min, Config.wave_max, Config.n_pixels)
        return self.grid if self.grid_named or own != default else None


SCALES = {
    "smoke": dict(per_class=24, epochs=2, members=2, batch_size=32, bn_momentum=0.8,
                  schedule="cosine"),
    # A demo has minutes: members start from a network that learned from all classes together.
    "demo": dict(per_class=800, epochs=2, pool_epochs=3, members=2, batch_size=32,
                 learning_rate=2e-3, bn_momentum=0.95, schedule="cosine"),
    "night": dict(per_class=3000, epochs=4, pool_epochs=4, members=2, batch_size=32,
                  learning_rate=2e-3, bn_momentum=0.95, schedule="cosine"),
    "paper": dict(),
}  # fmt: skip


# The template network's own sizes. A pass over its data takes minutes, whatever the scale.
TEMPLATES = {
    "smoke": dict(per_class=12, epochs=1, batch_size=32, channels=4, depth=1, maps=4),
    "demo": dict(per_class=1000, epochs=4, batch_size=64, learning_rate=2e-3, channels=24),
    "night": dict(per_class=6000, epochs=2, batch_size=64, learning_rate=2e-3, channels=24),
    "paper": dict(per_class=4000, epochs=3, batch_size=64, learning_rate=2e-3, channels=24),
}  # fmt: skip


def _scaled(dataset, scale, network=None, **_):
    """Return how many spectra of a class there are, where that is not the scale's own number."""
    if network == "templates":
        return TEMPLATES[scale] | dict(members=1, schedule="cosine", pool_epochs=0, dropout=0.0)
    few = scale == "paper" and survey_of(dataset) == "desi"
    return {"per_class": 7000} if few else {}  # Sect. 2.3


def _checked(config):
    """Return the configuration, or raise `UsageError` where its network does not go with it."""
    if config.dataset == "surveys-mock" and not config.is_templates:
        raise UsageError(
            "--dataset surveys-mock covers other wavelengths in each survey, which the paper's "
            "network cannot take. Add --network templates, or choose another data set."
        )
    return config


def _grid(args):
    """Return the fields that --grid sets."""
    if not args.grid:
        return {}
    first, last, pixels = args.grid
    if not (0 < first < last and pixels == int(pixels) and pixels >= 2):
        raise UsageError(
            f"--grid takes FIRST < LAST in Angstrom and a whole number of pixels. Received "
            f"{first:g} {last:g} {pixels:g}."
        )
    return dict(wave_min=first, wave_max=last, n_pixels=int(pixels), grid_named=True)


PAPER = Paper(
    package="gasnet2",
    network="GaSNet-II",
    about="Train GaSNet-II: classes and redshifts of spectra.",
    config=Config,
    datasets=(
        "sdss-mock", "fourmost-mock", "desi-mock", "surveys-mock", "sdss", "fourmost", "desi",
    ),
    scales=SCALES,
    free=("initialiser", "grid_named"),
    data_dir="folder of the data set's files",
    options=(
        Option("--network", "paper: ResNet_P and its ensembles (default); templates: ours, of "
               "templates at rest that are read at every redshift", sets="network",
               more={"choices": ("paper", "templates"), "default": "paper"}),
        Option("--initialiser", "default: he; faithful is the authors' RandomNormal(0, 1e-3)",
               sets="initialiser", more={"choices": ("he", "faithful")}),
        whole("--members", "sub-networks of each ensemble", sets="members"),
        whole("--epochs", "epochs of each network", sets="epochs"),
        whole("--pool-epochs", "epochs of networks of all classes together, which members start "
              "from; 0: none, as in the paper", sets="pool_epochs", zero=True),
        whole("--per-class", "spectra of each class, all splits together", sets="per_class"),
        number("--learning-rate", "highest learning rate", sets="learning_rate"),
        whole("--batch-size", "spectra of a batch", sets="batch_size"),
        Option("--no-ivar", "train the template network without the spectra's errors: what they "
               "are worth", sets="use_ivar",
               more={"action": "store_const", "const": False, "dest": "use_ivar"}),
        number("--grid", "the network's linear grid in Angstrom, taken too for tables that do not "
               "carry theirs, such as the authors' (default: 4000 9000 5001)",
               nargs=3, metavar=("FIRST", "LAST", "PIXELS")),
    ),
    scaled=_scaled,
    check=_checked,
    changes=_grid,
)  # fmt: skip
make_config = PAPER.configure
