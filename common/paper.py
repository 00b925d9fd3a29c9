"""What a paper says of itself, from which every command line of its package is made."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from common.errors import UsageError

PRECISIONS = "auto, float32, cpu_bf16, mixed_bfloat16 or mixed_float16"


@dataclass(frozen=True)
class BaseConfig:
    """The choices that every paper's Config begins with.

    Attributes
    ----------
    dataset : str
        A paper gives its own default, and the fields of its network after these.
    scale : str
        A key of the paper's scales.
    seed : int
        The one seed of a run.
    """

    dataset: str = ""
    scale: str = "paper"
    seed: int = 1  # default

    @property
    def is_mock(self):
        """True where the data set is a mock."""
        return self.dataset.endswith("-mock")

    @property
    def variant(self):
        """The network in one word where it is not the paper's own, else ""."""
        return ""

    @property
    def trained(self):
        """The data set in words, and the network where it is not the paper's."""
        return f"{self.dataset} ({self.variant} network)" if self.variant else self.dataset


@dataclass(frozen=True)
class Option:
    """An option of a command line.

    Attributes
    ----------
    name : str
        As the user writes it ("--batch-size").
    help : str
    sets : str, optional
        The field of the configuration that it sets; None where the paper's `changes` or a command
        of its own looks at it.
    zero : bool
        Whether a number may be 0; negative ones are always refused.
    short : str
        Its short form ("-n"), if any.
    more : dict
        Further arguments of `argparse.ArgumentParser.add_argument`.
    """

    name: str
    help: str
    sets: str | None = None
    zero: bool = False
    short: str = ""
    more: dict = field(default_factory=dict)

    @property
    def key(self):
        """Its name among the parsed arguments."""
        return self.more.get("dest") or self.name.lstrip("-").replace("-", "_")

    def add(self, parser):
        """Add it to an argument parser."""
        parser.add_argument(*filter(None, (self.short, self.name)), help=self.help, **self.more)

    def checked(self, args):
        """Return its value, or raise `UsageError` where that is a number out of range."""
        value = getattr(args, self.key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.zero and value < 0:
                raise UsageError(f"{self.name} must not be negative. Received {value}.")
            if not self.zero and not value > 0:
                raise UsageError(f"{self.name} must be above 0. Received {value}.")
        return value


def whole(name, help, *, sets=None, zero=False, **more):
    """Return an `Option` that takes a whole number."""
    return Option(name, help, sets, zero, more={"type": int, **more})


def number(name, help, *, sets=None, zero=False, **more):
    """Return an `Option` that takes a number."""
    return Option(name, help, sets, zero, more={"type": float, **more})


@dataclass(frozen=True)
class Paper:
    """One published network and its package.

    Attributes
    ----------
    package : str
        Name of the package ("gasnet2").
    network : str
        The network's name in the header of catalogues.
    about : str
        One sentence: what is trained on what.
    config : type
        The paper's Config, a `BaseConfig` with a precision.
    datasets : sequence of str
        The first is the default.
    scales : dict of str to dict
        Changes of the configuration at each scale.
    options : sequence of Option
        Options of a training beside those that every paper has.
    data_dir : str
        Help of --data-dir.
    seed : int
        The default seed.
    scaled : callable, optional
        (dataset, scale, and by name what the user asked for) -> further changes of the
        configuration, where a scale depends on them.
    changes : callable, optional
        Parsed arguments -> changes of the configuration by options that set no field by themselves.
    check : callable, optional
        Configuration -> the same, checked or put in order; raises `UsageError`.
    free : sequence of str
        Fields of the configuration that the paper leaves open, or that only a mock looks at: with
        another value a run is still the paper's. Scale, seed and precision always are.
    """

    package: str
    network: str
    about: str
    config: type
    datasets: tuple
    scales: dict
    options: tuple
    data_dir: str
    seed: int = 1
    scaled: object = None
    changes: object = None
    check: object = None
    free: tuple = ()

    def configure(self, dataset=None, scale="demo", **changes):
        """Return the configuration of a data set at a scale.

        Parameters
        ----------
        dataset : str, optional
            One of the paper's; its first by default.
        scale : {"smoke", "demo", "night", "paper"}
            Sizes and schedule: a check, a laptop's minutes, its half an hour to two hours, the
            paper's own.
        **changes
            Fields of the configuration to override; those that are None are left alone.

        Raises
        ------
        UsageError
            If a name is unknown, or values do not go together.
        """
        dataset = self.datasets[0] if dataset is None else dataset
        for option, value, allowed in (
            ("dataset", dataset, self.datasets),
            ("scale", scale, self.scales),
        ):
            if value not in allowed:
                raise UsageError(
                    f"--{option} must be one of {', '.join(allowed)}. Received {value!r}."
                )
        sizes = self.scales[scale] | (self.scaled(dataset, scale, **changes) if self.scaled else {})
        base = self.config(dataset=dataset, scale=scale, **sizes)
        config = replace(base, **{k: v for k, v in changes.items() if v is not None})
        return self.check(config) if self.check else config

    def differs(self, config, scale="paper"):
        """Return where a configuration is not that of a scale, by default the paper's own.

        Returns
        -------
        list of str
            A field each, in words; the fields that are `free` do not count.
        """
        full, open_ = self.configure(config.dataset, scale), {"scale", "seed", "precision"}
        return [
            f"{f.name} {getattr(config, f.name)} instead of {getattr(full, f.name)}"
            for f in fields(full)
            if f.name not in open_ | set(self.free)
            and getattr(config, f.name) != getattr(full, f.name)
        ]

    def add_options(self, p):
        """Add the options of a training to an argument parser."""
        p.add_argument("--dataset", default=self.datasets[0], choices=self.datasets,
                       help="what to train on")  # fmt: skip
        p.add_argument("--data-dir", type=Path, help=self.data_dir)
        p.add_argument("--scale", default="demo", choices=tuple(self.scales),
                       help="sizes and schedule")  # fmt: skip
        p.add_argument("--seed", type=int, default=self.seed, help="the one seed of the run")
        p.add_argument("--precision", default="auto", help=PRECISIONS)
        for option in self.options:
            option.add(p)
        p.add_argument("--resume", action="store_true", help="go on with an interrupted run")
        p.add_argument("--offline", action="store_true", help="use no network")

    def config_of(self, args):
        """Return the configuration that the options of `add_options` ask for."""
        if args.seed < 0:
            raise UsageError(f"--seed must not be negative. Received {args.seed}.")
        given = {o.sets: o.checked(args) for o in self.options if o.sets}
        changed = self.changes(args) if self.changes else {}
        return self.configure(args.dataset, args.scale, seed=args.seed, **given | changed)

    def run_dir(self, config):
        """Return the run folder of a configuration where the user names none."""
        words = filter(None, (config.dataset, config.variant, config.scale))
        return Path("runs") / "-".join(words)

    def header(self, config, run_dir, **more):
        """Return what the header of a catalogue of a run says, with `more` before the scale."""
        about = {"NETWORK": self.network, "TRAINED": config.dataset, **more}
        return about | {"SCALE": config.scale, "RUN": Path(run_dir).name}

    def module(self, verb):
        """Return how a command of the paper is called, "python -m PACKAGE.VERB"."""
        return f"python -m {self.package}.{verb}"

    def command(self, config):
        """Return how a configuration is trained: the command, and what its options cannot say.

        Parameters
        ----------
        config : the paper's Config

        Returns
        -------
        command, unsaid : str
        """
        words = [self.module("train"), f"--dataset {config.dataset} --scale {config.scale}"]
        if config.seed != self.seed:
            words.append(f"--seed {config.seed}")
        words.append(f"--precision {config.precision}")
        options, given = {o.sets: o for o in self.options if o.sets}, {}
        if "network" in options:  # sizes at a scale are a network's own
            given["network"] = config.network
        for name, option in options.items():
            value = getattr(config, name)
            usual = self.config() if name == "network" else None
            usual = usual or self.configure(config.dataset, config.scale, **given)
            if value == getattr(usual, name):
                continue
            given[name] = value
            text = " ".join(map(str, value)) if isinstance(value, tuple | list) else value
            words.append(option.name if "action" in option.more else f"{option.name} {text}")
        made = self.configure(config.dataset, config.scale, **given)
        free = ("seed", "precision", *options)
        unsaid = ", ".join(
            f"{f.name} {getattr(config, f.name)}"
            for f in fields(config)
            if f.name not in free and getattr(config, f.name) != getattr(made, f.name)
        )
        return " ".join(words), unsaid
