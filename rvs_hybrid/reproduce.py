"""Train, compare with networks of fewer inputs, explain, evaluate and report, from one command."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from common.cli import say
from common.commands import reproduce
from common.errors import UsageError
from common.paper import Option
from common.surveys import find_files
from rvs_hybrid.config import PAPER, Config
from rvs_hybrid.evaluate import evaluate_run
from rvs_hybrid.train import train

MLP = "plain-mlp"
VARIANTS = {"xp": ("xp",), "xp+phot": ("xp", "phot"), MLP: None}
CHOSEN = Option(
    "--variants",
    f"what to compare with on the same stars, out of {' '.join(VARIANTS)}; none after the option: "
    "nothing",
    more={"nargs": "*", "default": list(VARIANTS), "metavar": "NAME"},
)


def compare(config, run_dir, names, *, accelerator, data_dir=None, offline=False):
    """Train the variants of a finished run on the same stars.

    Parameters
    ----------
    config : Config
        Of the run.
    run_dir : path-like
        Its folder; a variant goes to variants/NAME below it.
    names : sequence of str
        Out of `VARIANTS`. One that is as the run itself is left out.
    accelerator, data_dir, offline
        As `rvs_hybrid.train.train` takes them.
    """
    from common.pipeline import Shards
    from common.runs import read_config
    from rvs_hybrid.baseline import train_mlp

    run_dir = Path(run_dir)
    for name in names:
        folder = run_dir / "variants" / name
        inputs = VARIANTS[name]
        if inputs == config.inputs or (name == MLP and not {"xp", "phot"} <= set(config.inputs)):
            continue
        if (folder / "predictions.parquet").exists():
            continue
        say(f"variant {name}")
        if name == MLP:
            settings, about = read_config(run_dir, Config)
            own = about.get("data_dir") is not None
            train_mlp(Shards(run_dir / "data"), settings, folder, own=own)
            continue
        part = replace(config, inputs=inputs, rvs="none", members=(config.members + 1) // 2)
        train(part, folder, accelerator=accelerator, data_dir=data_dir, resume=True,
              offline=offline)  # fmt: skip
        shutil.rmtree(folder / "data")


def explain(run_dir, config, args):
    """Explain a finished run; one without spectra by wavelength has nothing to show."""
    if not {"rvs", "xp"} & set(config.inputs):
        say(f"no gradients: a network of {config.name} has no spectra along wavelength")
        return
    from rvs_hybrid.explain import explain_run  # loads TensorFlow, which the device comes before

    explain_run(run_dir)


def _check(config, args):
    unknown = [name for name in args.variants if name not in VARIANTS]
    if unknown:
        raise UsageError(
            f"--variants must be out of {', '.join(VARIANTS)}. Received {', '.join(unknown)}."
        )


def _files(folders):
    from rvs_hybrid.stars.sources import ENDINGS

    return find_files(folders, ENDINGS, labels=True)


def main(argv=None):
    """Run the command line; return the exit status."""
    used = {}

    def first(config, run_dir, **options):
        used.update(options)
        train(config, run_dir, **options)

    def variants(run_dir, config, args):
        options = {name: used[name] for name in ("accelerator", "data_dir", "offline")}
        compare(config, run_dir, args.variants, **options)

    return reproduce.main(
        PAPER,
        "Train, evaluate, explain and report.",
        train=first,
        steps=[("variants", variants), ("gradients", explain)],
        evaluate=evaluate_run,
        argv=argv,
        options=[CHOSEN],
        check=_check,
        files=_files,
    )


if __name__ == "__main__":
    raise SystemExit(main())
