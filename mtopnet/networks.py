"""The trained network of a run, and what it says of prepared spectra, in physical units."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common import runs
from common.calibration import Calibration
from common.errors import ReadError
from common.fitting import load_model
from mtopnet import pdf as pdfs
from mtopnet.config import Config
from mtopnet.recalibration import Recalibration

NAME = "mtopnet"
ANSWERS = ("z", "mass", "sfr")
SCALARS = {"lgm": "mass", "sfr": "sfr"}  # column -> task
GRIDS = {"lgm": (7.0, 12.5, 0.05), "sfr": (-4.0, 4.0, 0.05)}  # of scalar PDFs: from, to, step
ENTROPY_EDGE = 2.0  # nats, Sect. 5.2: parts good from poor redshifts, and groups of errors here
LABELS = ("galaxy", "file", "exposure", "z_true", "lgm_true", "sfr_true", "m_h", "f_ha",
          "f_ha_fibre", "f_oiii", "kind", "sersic_n", "line_snr_1", "line_snr_2", "note",
          "mock")  # fmt: skip


@dataclass
class Networks:
    """The network of one run.

    Attributes
    ----------
    config : Config
    models : dict of str to keras.Model
        "mtopnet", see `mtopnet.model.build_model`.
    scaling : dict of str to (mean, std)
        lgm, sfr: standardised outputs times std plus mean are log Msun and log Msun/yr.
    calibration : dict of str to Calibration
        lgm, sfr, and lgm_mc, sfr_mc of averages of MC dropout; empty before they are fitted.
    pdfs : dict of str to Recalibration
        z, and z_mc of averages of MC dropout; empty of a run from before there were any.
    training_range : dict of str to (low, high)
        1 and 99 % of z, log_mass and log_sfr among the training spectra.
    """

    config: Config
    models: dict
    scaling: dict
    calibration: dict = field(default_factory=dict)
    pdfs: dict = field(default_factory=dict)
    training_range: dict = field(default_factory=dict)
    _parts: dict = field(default_factory=dict, repr=False)

    @property
    def edges(self):
        """Edges of the redshift bins, ndarray of shape (n_bins + 1,)."""
        return self.config.edges

    def calibrated(self, pdf, name="z"):
        """Return calibrated PDFs from the network's own; these themselves where none is fitted."""
        return self.pdfs[name].apply(pdf, self.edges) if name in self.pdfs else pdf

    def part(self, name, build):
        """Return a piece of the network, built once."""
        if name not in self._parts:
            self._parts[name] = build(self.models[NAME])
        return self._parts[name]

    def forget(self):
        """Drop the pieces that were built, which hold weights of before a further training."""
        self._parts.clear()


def load_networks(run_dir):
    """Load the trained network of a run folder.

    Raises
    ------
    ReadError
        If the folder holds no run, or its training is not finished.
    """
    from mtopnet import comb, model  # noqa: F401 - layers of ours, to be known to Keras

    config, about = runs.read_config(run_dir, Config)
    path = Path(run_dir) / "models" / f"{NAME}.keras"
    missing = [path.name] * (not path.exists()) + ["calibration"] * ("calibration" not in about)
    runs.check_finished(run_dir, config, missing)
    return Networks(
        config,
        {NAME: load_model(path, config, lambda: model.build_model(config))},
        {k: tuple(v) for k, v in about["scaling"].items()},
        {k: Calibration.from_dict(v) for k, v in (about["calibration"] or {}).items()},
        {k: Recalibration.from_dict(v) for k, v in about.get("pdf_calibration", {}).items()},
        about.get("training_range", {}),
    )


def split_input(networks, x):
    """Return the inputs of the network by name from rows as shards hold them: (n, n_input)."""
    n = networks.config.n_pixels
    return {"spectrum": x[:, :n], "continuum": x[:, n:]}


def answers_model(model):
    """Return a model that gives z, mass, SFR and "none" side by side, without the line map."""
    import keras

    outputs = [model.output[task] for task in (*ANSWERS, "none") if task in model.output]
    joined = keras.layers.Concatenate(dtype="float32", name="answers")(outputs)
    return keras.Model(model.input, joined, name="answers")


def answers(networks, x):
    """Return the network's raw answers: z, mass, SFR and "none" side by side.

    Returns
    -------
    ndarray of shape (n, n_bins + numbers of mass and SFR + 1)
        Without the last column where the network tells no spectra of another kind.
    """
    return _run(networks, "answers", answers_model, x)


def _run(networks, name, build, x):
    from common.inference import predict

    return predict(networks.part(name, build), split_input(networks, np.asarray(x)))


def predicted(networks, x, *, calibrated=False):
    """Run the network on prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_input)
        `Prepared.inputs`, as shards hold it.
    calibrated : bool
        Which PDFs are returned; the table is the same.

    Returns
    -------
    DataFrame of n rows
        The columns of `pdf.summary` (of both PDFs), lgm_pred, sfr_pred, lgm_raw, sfr_raw (errors
        before calibration: 1, or the PDF's own width with `scalar_pdf`), lgm_sigma, sfr_sigma
        (half of a 68 % interval, NaN without a calibration), and p_none where the network has it.
    ndarray of shape (n, n_bins), float32
        Redshift PDFs: the network's own, or calibrated ones.
    """
    out = answers(networks, x)
    n_bins = networks.config.n_bins
    pdf, others = out[:, :n_bins], out[:, n_bins:]
    if not networks.config.none:
        return _described(networks, pdf, others, calibrated)
    table, pdf = _described(networks, pdf, others[:, :-1], calibrated)
    return table.assign(p_none=others[:, -1]), pdf


def _described(networks, pdf, scalars, calibrated, kind=""):
    """Return the table of `predicted`, and the PDFs that were asked for."""
    held = networks.calibrated(pdf, f"z{kind}")
    table = pd.DataFrame(pdfs.summary(pdf, networks.edges, held))
    table = table.assign(**_scalars(networks, scalars, table["entropy"], kind))
    return table, held if calibrated else pdf


def _scalars(networks, raw, entropy, calibrated=""):
    """Return lgm_pred, lgm_raw, lgm_sigma and the same of sfr from the network's outputs.

    `calibrated` is what follows lgm and sfr in the name of the calibration.
    """
    from mtopnet.scalar_pdf import moments

    columns, width = {}, raw.shape[1] // 2
    for i, name in enumerate(SCALARS):
        mean, std = networks.scaling[name]
        part = raw[:, i * width : (i + 1) * width].astype(float)
        if networks.config.scalar_pdf:
            value, sigma = moments(part)
        else:
            value, sigma = part[:, 0], np.ones(len(part)) / std
        columns[f"{name}_pred"] = value * std + mean
        columns[f"{name}_raw"] = sigma * std
        known = networks.calibration.get(name + calibrated)
        columns[f"{name}_sigma"] = (
            np.full(len(part), np.nan)
            if known is None
            else known.apply(sigma=sigma * std, group=entropy_group(entropy))
        )
    return columns


def entropy_group(entropy):
    """Return the group that an error of mass or SFR is calibrated in, ndarray of str."""
    low = np.asarray(entropy, dtype=float) < ENTROPY_EDGE
    return np.where(low, f"entropy below {ENTROPY_EDGE:g}", f"entropy {ENTROPY_EDGE:g} and above")


def scalar_pdfs(networks, x):
    """Return the PDFs of log mass and log SFR of a network that was trained with `scalar_pdf`.

    Returns
    -------
    dict of str to (pdf, edges)
        lgm and sfr: probabilities of the bins, (n, n_bins), and edges, (n_bins + 1,), from
        `GRIDS`; what lies beyond the ends is counted in the outer bins.

    Raises
    ------
    ReadError
        If the network gives no such PDFs.
    """
    from mtopnet.scalar_pdf import binned

    if not networks.config.scalar_pdf:
        raise ReadError(
            "this run", "a network with one value for mass and SFR each",
            "a network trained with --scalar-pdf",
        )  # fmt: skip
    raw = answers(networks, x)[:, networks.config.n_bins :]
    raw = raw[:, :-1] if networks.config.none else raw
    out, width = {}, raw.shape[1] // 2
    for i, (name, (low, high, step)) in enumerate(GRIDS.items()):
        edges = np.linspace(low, high, round((high - low) / step) + 1)
        part = raw[:, i * width : (i + 1) * width]
        out[name] = binned(part, edges, *networks.scaling[name]), edges
    return out


def mc_predicted(networks, x, passes=None, *, seed=0, calibrated=False):
    """Average passes with dropout left on (MC dropout, Sect. 4.1).

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_input)
    passes : int, optional
        Default: those of the configuration, 50 in the paper.
    seed : int
        Of the dropout.
    calibrated : bool
        As of `predicted`.

    Returns
    -------
    DataFrame, ndarray of shape (n, n_bins)
        As `predicted`, from the averaged PDFs, whose entropy is larger: errors are calibrated on
        averages too. lgm_pred and sfr_pred are means over the passes, lgm_mc_std and sfr_mc_std
        their standard deviations (dex): the epistemic part.

    Notes
    -----
    The convolutions have no dropout and run once, so that 50 passes cost little more than one.
    """
    from common.inference import compiled
    from mtopnet.dropout import passes_of, side_by_side
    from mtopnet.model import build_heads, build_trunk

    config, model = networks.config, networks.models[NAME]
    passes = passes or config.mc_passes
    trunk = networks.part("trunk", lambda m: side_by_side(build_trunk(m)))
    heads = networks.part("heads", lambda m: passes_of(build_heads(m, config), ANSWERS))
    heads.seed(seed)
    rows = []
    for start in range(0, len(x), 256):
        features = compiled(trunk)(split_input(networks, x[start : start + 256]))
        rows.append(heads.run(features, passes))
    n, n_bins = len(x), config.n_bins
    width = 2 * model.output["mass"].shape[1]
    mean = np.concatenate([r[0] for r in rows]) if n else np.zeros((0, n_bins + width), "float32")
    square = np.concatenate([r[1] for r in rows]) if n else mean
    table, pdf = _described(networks, mean[:, :n_bins], mean[:, n_bins:], calibrated, "_mc")
    if not config.scalar_pdf:
        spread = np.sqrt(np.maximum(square[:, n_bins:] - mean[:, n_bins:] ** 2, 0))
        for i, name in enumerate(SCALARS):
            table[f"{name}_mc_std"] = spread[:, i] * networks.scaling[name][1]
    return table, pdf


def shared_features(networks, x):
    """Return the three 64-wide layers after the shared one, side by side: (n, 192) (Sect. 5.3)."""

    def build(model):
        import keras

        outputs = [model.get_layer(f"{name}_dense1").output for name in ("z", "mass", "sfr")]
        return keras.Model(model.input, keras.layers.Concatenate(name="embedding")(outputs))

    return _run(networks, "features", build, x)


def line_map(networks, x):
    """Return the probability that a line is near each channel, ndarray of shape (n, n_pixels)."""

    def build(model):
        import keras

        return keras.Model(model.input, model.output["lines"])

    return _run(networks, "lines", build, x)


def redshift_model(networks):
    """Return a model of one input, x (n, n_input) as shards hold it -> PDFs (n, n_bins)."""
    return networks.part("redshift", lambda model: _redshift_model(model, networks.config))


def _redshift_model(model, config):
    import keras

    x = keras.Input((config.n_input,), name="x")
    inputs = {"spectrum": x[:, : config.n_pixels], "continuum": x[:, config.n_pixels :]}
    redshift = keras.Model(model.input, model.output["z"])
    return keras.Model(x, redshift(inputs), name="redshift")


def prediction_table(networks, rows_of, labels, *, passes=0, batch=2048):
    """Predict labelled spectra: the table that `evaluate` reads.

    Parameters
    ----------
    networks : Networks
    rows_of : callable
        Row numbers (ndarray of int) -> rows of the shards of shape (n, n_input).
    labels : DataFrame of n rows
        id, split, and where known the columns of `LABELS`.
    passes : int
        Of MC dropout; 0 leaves it out.

    Returns
    -------
    DataFrame
        id, split, the labels, the columns of `predicted`, and with `passes` z_peak_mc, p_peak_mc,
        p_near_mc, entropy_mc, skewness_mc, lgm_pred_mc, lgm_raw_mc, lgm_mc_std, and those of sfr.
    ndarray of shape (n, n_bins), float32
        The network's own PDFs.
    ndarray of the same shape, or None
        Those of MC dropout, averaged.
    """
    parts, pdf, averaged = [], [], []
    for start in range(0, len(labels), batch):
        here = labels.iloc[start : start + batch].reset_index(drop=True)
        x = rows_of(np.arange(start, start + len(here)))
        table = here[["id", "split"]].copy()
        for name in LABELS:
            table[name] = here[name] if name in here else np.nan
        values, probabilities = predicted(networks, x)
        table = pd.concat([table, values], axis=1)
        if passes:
            mc, own = mc_predicted(networks, x, passes, seed=networks.config.seed + start)
            scalars = [f"{name}_{kind}" for name in SCALARS for kind in ("pred", "raw")]
            for name in ("z_peak", "p_peak", "p_near", "entropy", "skewness", *scalars):
                table[f"{name}_mc"] = mc[name]
            table = table.join(mc.filter(regex="_mc_std$"))
            averaged.append(own)
        parts.append(table)
        pdf.append(probabilities)
    if not parts:
        return pd.DataFrame(), np.zeros((0, networks.config.n_bins), dtype="float32"), None
    table = pd.concat(parts, ignore_index=True)
    return table, np.concatenate(pdf), np.concatenate(averaged) if averaged else None
