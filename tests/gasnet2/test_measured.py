"""Each published number against what an evaluation measures: it can be met and missed."""

from pathlib import Path

import numpy as np
import pandas as pd

from common import claims
from gasnet2 import evaluate, measured
from gasnet2.config import CLASSES, COARSE
from tests.gasnet2.toy import made_up, whole_sample

EVERY = claims.load(Path(evaluate.__file__).with_name("claims.toml"))


def test_every_claim_is_measurable_or_says_why_not():
    known = {*measured.MEASURES, *measured.REDSHIFT}
    for each in EVERY:
        if each.measure:
            assert each.measure["metric"] in known and each.dataset in CLASSES, each.id
        else:
            why = ("not released", "none is trained here")
            assert any(w in each.conditions for w in why), each.id
            assert each.dataset not in CLASSES, each.id
    printed = {c.id: c.published for c in EVERY}
    benchmark = [printed[f"benchmark-gasnet-ii-{k}"] for k in ("gf", "gf-agn", "mad")]
    assert benchmark == [0.40, 0.70, 0.0086]
    assert printed["benchmark-gf-below-peers"] == 0.20


def claim(name):
    return next(c for c in EVERY if c.id == name)


def judged_on(name, df, **more):
    """Return the verdict of a claim on predictions."""
    found = measured.measure([claim(name)], df, classes=CLASSES[claim(name).dataset], **more)
    return claims.verdict(claim(name), found.get(name))


def test_ranges_of_redshift_are_those_of_the_whole_sample_and_can_be_missed():
    df, sample = made_up(n=40), whole_sample()
    ends = [c for c in EVERY if c.measure.get("metric") in ("z_min", "z_max")]
    assert len(ends) == 26 and {c.better for c in ends} == {"none"}
    assert judged_on("sdss-z-max-GALAXY_AGN", df) == "untested", "a part has a narrower range"
    assert judged_on("sdss-z-max-GALAXY_AGN", df, sample=sample) == "missed"
    narrow = sample.assign(z_true=0.5)
    assert judged_on("sdss-z-max-GALAXY_AGN", df, sample=narrow) == "missed", "narrower, too"
    right = sample.assign(z_true=np.where(sample.index % 2, 0.57, 0.001))
    for name in ("sdss-z-max-GALAXY_AGN", "sdss-z-min-GALAXY_AGN"):
        assert judged_on(name, df, sample=right) == "reproduced"


def test_mean_redshift_and_snr_are_of_the_whole_sample_where_it_is_known():
    df, sample = made_up(n=40), whole_sample()
    mine = [claim("sdss-mean-snr-QSO_nan")]
    assert measured.measure(mine, df, sample=sample) == {"sdss-mean-snr-QSO_nan": 7.0}
    assert measured.measure(mine, df)["sdss-mean-snr-QSO_nan"] > 10


def test_training_sizes_are_measured():
    mine = [claim("sdss-trained-QSO_nan")]
    history = pd.DataFrame({"network": ["QSO_nan/0", "pooled/0"], "n_train": [14000, 9]})
    assert measured.measure(mine, made_up(), history=history) == {"sdss-trained-QSO_nan": 14}
    assert measured.measure(mine, made_up(), history=history.drop(columns="n_train")) == {}


def test_sizes_of_samples_and_test_sets_are_judged():
    df, sample = made_up(n=40), whole_sample()
    assert judged_on("sdss-sample", df) == "untested"
    mine = [
        claim(f"sdss-{k}") for k in ("sample", "sample-per-class", "tested", "tested-per-class")
    ]
    found = measured.measure(mine, df, sample=sample)
    assert list(found.values()) == [1300, 100, 520, 40]
    assert {claims.verdict(c, found[c.id]) for c in mine} == {"missed"}
    names = CLASSES["desi"]
    desi = pd.DataFrame({"class_true": np.repeat(names, 7000), "snr": 5.0, "z_true": 1.0})
    tested = made_up(names, n=1050)
    for name in ("desi-sample", "desi-sample-per-class", "desi-tested-per-class"):
        assert judged_on(name, tested, sample=desi) == "reproduced"
        assert judged_on(name, tested[:2500], sample=desi[:-1000]) == "missed"


def with_good(share):
    """Return predictions of which a share of each class has a good redshift, by class."""
    df = made_up(n=100)
    for name, good in share.items():
        rows = df.index[df["class_true"] == name][round(100 * good) :]
        df.loc[rows, ["z_pred", "z_point_pred"]] += 0.5
    return df


def test_good_fractions_that_the_text_states_can_be_missed():
    extra = [c for c in CLASSES["sdss"] if COARSE[c] != "STAR"]
    good = dict(zip(extra, (0.55, 0.85, 0.95, 0.95, 0.55, 0.7), strict=True))
    assert judged_on("sdss-point-gf-lowest", with_good(good)) == "reproduced"
    assert judged_on("sdss-point-gf-80", with_good(good)) == "reproduced"
    assert judged_on("sdss-point-gf-80", with_good(good | {"QSO_nan": 0.9})) == "missed"
    assert judged_on("sdss-point-gf-lowest", with_good(good | {"QSO_nan": 0.4})) == "missed"
    assert judged_on("sdss-point-gf-lowest", with_good(good), point_is_mean=True) == "untested"
    assert judged_on("sdss-gf-90", with_good(good)) == "missed"
    assert judged_on("sdss-gf-90", with_good(good | {"QSO_BROADLINE": 0.95})) == "reproduced"


def test_outliers_in_t_and_the_agn_accuracy_are_judged():
    df = made_up(n=40)
    assert judged_on("sdss-t-outliers", df.assign(z_err=1.0)) == "reproduced"
    assert judged_on("sdss-t-outliers", df.assign(z_err=1e-9)) == "missed"
    assert judged_on("sdss-accuracy-GALAXY_AGN", df) == "missed"  # 0.75
    assert judged_on("sdss-accuracy-GALAXY_AGN", df.assign(class_pred=df["class_true"])) == (
        "reproduced"
    )


def test_fourmost_error_of_galaxies_is_held_to_its_digits():
    df = made_up(CLASSES["fourmost"], n=40)
    error = {"ClusB": 0.004, "RedGAL": 0.004, "tides_host": 0.004}

    def off(waves):
        by = df["class_true"].map(error | {"WAVES": waves}).fillna(0.0)
        return df.assign(z_pred=df["z_true"] + by * (1 + df["z_true"]))

    assert judged_on("fourmost-dz-majority", off(0.01)) == "reproduced"
    assert judged_on("fourmost-dz-galaxies", off(0.01)) == "reproduced"  # 0.0055
    assert judged_on("fourmost-dz-galaxies", off(0.0115)) == "missed"  # 0.0059
    error["RedGAL"] = error["ClusB"] = 0.005
    assert judged_on("fourmost-dz-majority", off(0.01)) == "missed"


def test_a_loss_by_wrong_labels_is_judged_only_where_it_is_known_well_enough():
    trio = ("GALAXY_AGN", "GALAXY_STARBURST", "GALAXY_STARFORMING")

    def runs(n, losses):
        out = {}
        for percent, gf in losses.items():
            df = made_up(trio, n=n)
            bad = df.groupby("class_true").cumcount() >= gf * n
            out[percent] = df.assign(z_pred=df["z_pred"] + bad * 0.5)
        return out

    for n, verdict in ((60, "untested"), (3000, "reproduced")):
        found = runs(n, {0: 0.9, 5: 0.88, 10: 0.867})
        assert judged_on("sdss-contamination-5-gf", made_up(), contaminated=found) == verdict
        assert judged_on("sdss-contamination-10-gf", made_up(), contaminated=found) == verdict
    same = runs(3000, {0: 0.9, 5: 0.873, 10: 0.873})
    verdicts = [judged_on(f"sdss-contamination-{k}-gf", made_up(), contaminated=same)
                for k in (5, 10)]  # fmt: skip
    assert verdicts == ["missed", "missed"], "one loss cannot pass for both"


def test_a_mean_that_leaves_out_failures_judges_no_claim():
    df = made_up(("QSO_nan",), n=40)
    wanted = ("sdss-mae-QSO_nan", "sdss-dz-QSO_nan", "sdss-gf-QSO_nan", "sdss-t3-QSO_nan")
    mine = [c for c in EVERY if c.id in wanted]
    assert set(measured.measure(mine, df)) == set(wanted)
    df.loc[3, ["z_pred", "z_err"]] = np.nan
    assert measured.measure(mine, df) == {"sdss-gf-QSO_nan": 39 / 40}, "GF counts the failure"
