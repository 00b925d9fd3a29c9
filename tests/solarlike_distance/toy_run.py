"""A tiny network trained on made-up LAMOST stars, in seconds."""

from dataclasses import replace

from solarlike_distance import train
from solarlike_distance.config import make_config
from tests.solarlike_distance import toy_spectra as toy

TINY = dict(filters=(2, 2, 4), units=(8, 8), epochs=2, batch_size=16, members=2, folds=3,
            precision="float32")  # fmt: skip


def config(**changes):
    """Return the configuration of the tiny network."""
    return replace(make_config("lamost", "smoke"), **TINY | changes)


def files(folder, n=60, seed=0):
    """Write spectra and label tables of n stars; return what the stars are."""
    about = toy.stars(n, seed=seed)
    toy.write_table(folder / "spectra" / "stars.fits", about)
    toy.write_labels(folder / "labels", about)
    return about


def make_run(folder, data_dir, **options):
    """Train into a folder; return the predictions."""
    from common.accelerator import choose

    changes = options.pop("changes", {})
    return train.train(
        config(**changes), folder, accelerator=choose("float32"), data_dir=data_dir, **options
    )
