"""M-TOPnet (Ginolfi et al. 2025, Sect. 3.2.1, Fig. 3) and what goes beyond it."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from common.errors import UsageError
from mtopnet.config import COMBS, TASKS

FINE = 0.0005  # bins that the comb scores, whatever is asked for; Sect. 3.1 names this width
MOMENTUM = 0.9  # default: Keras's 0.99 takes several hundred steps to forget the start
EVIDENCE = 4  # default: maps that the comb reads
RARE = -2.7  # default: log odds of p_none in the beginning, its share in the mock "both"
COMPONENTS = 4  # default: Gaussians of a PDF of mass or SFR
LOG_SIGMA = (-4.0, 2.0)  # default: limits of it, of standardised quantities
SCALAR_OUTPUTS = 3 * COMPONENTS  # log weight, mean, log sigma of each


def shortest_input(config):
    """Return the fewest channels that leave at least one after the last block."""
    return config.pool ** len(config.filters)


@keras.saving.register_keras_serializable("mtopnet")
class Standardise(layers.Layer):
    """(x - mean) / std of each continuum point, 0 where it is unknown (NaN).

    Mean and std are those of the training set (Sect. 3.1), kept as weights of the model. `bounded`
    takes arcsinh of it: a star among faint galaxies is tens of std away, and one such spectrum must
    not move the network's other numbers.
    """

    def __init__(self, bounded=False, **options):
        super().__init__(**options)
        self.bounded = bounded

    def get_config(self):
        """Return what rebuilds the layer."""
        return super().get_config() | {"bounded": self.bounded}

    def build(self, shape):
        """Make the two weights that `set_standard` fills; no training changes them."""
        n = shape[-1]
        self.mean = self.add_weight(shape=(n,), initializer="zeros", trainable=False, name="mean")
        self.std = self.add_weight(shape=(n,), initializer="ones", trainable=False, name="std")

    def call(self, x):
        """Return standardised points."""
        x = ops.cast(x, "float32")
        scaled = (x - self.mean) / self.std
        scaled = ops.where(ops.isnan(scaled), 0.0, scaled)
        return ops.arcsinh(scaled) if self.bounded else scaled

    def compute_output_shape(self, shape):
        """Return the shape, which stays."""
        return shape


@keras.saving.register_keras_serializable("mtopnet")
class Repeat(layers.Layer):
    """Logits of wide bins given to each of their fine bins: (n, wide) -> (n, wide x times)."""

    def __init__(self, times, **options):
        super().__init__(**options)
        self.times = times

    def get_config(self):
        """Return what rebuilds the layer."""
        return super().get_config() | {"times": self.times}

    def call(self, x):
        """Return each logit `times` times."""
        return ops.repeat(x, self.times, axis=1)

    def compute_output_shape(self, shape):
        """Return the shape of the repeated logits."""
        return (shape[0], shape[1] * self.times)


@keras.saving.register_keras_serializable("mtopnet")
class SteadyDropout(layers.Layer):
    """Dropout in training and prediction alike.

    `Dropout` called with training=True would put the batch normalisation after it into training
    too (Keras 3 hands the argument on), whose statistics would then be those of the batch.
    """

    def __init__(self, rate, **options):
        super().__init__(**options)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def get_config(self):
        """Return what rebuilds the layer."""
        return super().get_config() | {"rate": self.rate}

    def call(self, x):
        """Return x with a share of its values 0 and the others larger."""
        if not self.rate:
            return x
        return keras.random.dropout(x, self.rate, seed=self.seed_generator)

    def compute_output_shape(self, shape):
        """Return the shape, which stays."""
        return shape


def _convolution(filters, width, name):
    """A convolution along the spectrum.

    Spectra are images of height one: TensorFlow's 2-D kernels do the same sums as `Conv1D`, in
    bf16 on a CPU 1.4 times as fast in training and twice in prediction (benchmarks/mtopnet.py).
    """
    return layers.Conv2D(filters, (1, width), padding="same", name=name)


def _block(x, filters, config, number):
    """One residual block: two convolutions beside a shortcut, then average pooling.

    The paper gives the convolutions, ReLU, the skip and the pool; the 1 x 1 convolution of the
    shortcut, "same" padding, the second ReLU after the sum (He et al. 2015, Fig. 2) and that
    nothing normalises inside are default.
    """
    name = f"block{number}"
    skip = _convolution(filters, 1, f"{name}_shortcut")(x)
    y = _convolution(filters, config.kernel_size, f"{name}_conv1")(x)
    y = layers.ReLU(name=f"{name}_relu1")(y)
    y = _convolution(filters, config.kernel_size, f"{name}_conv2")(y)
    y = layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([skip, y]))
    return y, layers.AveragePooling2D((1, config.pool), name=f"{name}_pool")(y)


def _mlp(x, units, name, config, always):
    """Hidden layers with ReLU, each followed by dropout; return the outputs of the dense ones."""
    out = []
    for i, n in enumerate(units, start=1):
        x = layers.Dense(n, activation="relu", name=f"{name}_dense{i}")(x)
        out.append(x)
        x = _dropout(x, f"{name}_dropout{i}", config, always)
    return x, out


def _dropout(x, name, config, always):
    kind = SteadyDropout if always else layers.Dropout
    return kind(config.dropout, name=name)(x)


def _trunk(config):
    """Return the inputs by name, and what the heads take: flattened spectrum, continuum, comb."""
    if config.n_pixels < shortest_input(config):
        raise UsageError(
            f"n_pixels must be at least {shortest_input(config)} for {len(config.filters)} blocks "
            f"that pool by {config.pool}. Received {config.n_pixels}."
        )
    spectrum = keras.Input((config.n_pixels,), name="spectrum")
    continuum = keras.Input((config.n_points,), name="continuum")
    x = layers.Reshape((1, config.n_pixels, 1), name="as_image")(spectrum)
    first = None
    for number, filters in enumerate(config.filters, start=1):
        full, x = _block(x, filters, config, number)
        first = full if first is None else first
    flat = layers.Flatten(name="flatten")(x)
    c = Standardise(config.none, name="continuum_standard", dtype="float32")(continuum)
    c = layers.Dense(config.continuum_units, activation="relu", name="continuum_dense")(c)
    parts = [flat, c]
    if config.head in COMBS:
        parts.append(_comb(first, config))
    return {"spectrum": spectrum, "continuum": continuum}, parts


def _comb(first, config):
    """Scores of fine bins from the first block, at full resolution (ours)."""
    from mtopnet.comb import LineComb, RestTemplates

    x = _convolution(EVIDENCE, config.kernel_size, "evidence_conv")(first)
    x = layers.Reshape((config.n_pixels, EVIDENCE), name="evidence")(x)
    settings = {k: getattr(config, k) for k in ("n_pixels", "z_min", "z_max")}
    settings["dz"] = min(FINE, config.dz)
    kind = RestTemplates if config.head == "templates" else LineComb
    return kind(settings, name="line_comb", dtype="float32")(x)


def output_heads(parts, config, always=False):
    """Return the outputs by task from the trunk's parts; `always`: dropout stays on."""
    flat, continuum = parts[:2]
    lines, hidden = _mlp(flat, config.line_units, "lines", config, always)
    shared = layers.Concatenate(name="shared_concat")([flat, continuum, hidden[-1]])
    shared = layers.BatchNormalization(momentum=MOMENTUM, name="shared_info")(shared)
    z, _ = _mlp(shared, config.z_units, "z", config, always)
    out = {
        "z": _redshift(z, parts, config),
        "lines": layers.Dense(
            config.n_pixels, activation="sigmoid", name="lines_output", dtype="float32"
        )(lines),
    }
    outputs = SCALAR_OUTPUTS if config.scalar_pdf else 1
    for task in ("mass", "sfr"):
        x, _ = _mlp(shared, config.scalar_units, task, config, always)
        out[task] = layers.Dense(outputs, name=f"{task}_output", dtype="float32")(x)
    out = {task: out[task] for task in TASKS}
    if config.none:
        rare = keras.initializers.Constant(RARE)
        out["none"] = layers.Dense(1, activation="sigmoid", bias_initializer=rare,
                                   name="none_output", dtype="float32")(shared)  # fmt: skip
    return out


def _redshift(z, parts, config):
    """Softmax over the bins, by the head that the configuration names."""
    if config.head == "dense":
        return layers.Dense(config.n_bins, activation="softmax", name="z_output", dtype="float32")(
            z
        )
    each = _fine_per_wide(config)
    wide = config.n_bins // each
    if config.head == "hierarchical":
        # Fine bins share the logit of their wide bin; what tells them apart has few numbers.
        logits = layers.Dense(wide, name="z_wide", dtype="float32")(z)
        if each > 1:
            code = layers.Dense(16, name="z_fine_code", dtype="float32")(z)
            fine = layers.Dense(config.n_bins, name="z_fine", dtype="float32")(code)
            logits = layers.Add(name="z_sum")([Repeat(each, name="z_repeat")(logits), fine])
    else:
        from mtopnet.comb import JoinBins

        comb = parts[2]
        times = comb.shape[1] // wide
        logits = layers.Dense(wide, name="z_wide", dtype="float32")(z)
        if times > 1:
            logits = Repeat(times, name="z_repeat")(logits)
        logits = layers.Add(name="z_sum", dtype="float32")([logits, comb])
        if comb.shape[1] > config.n_bins:
            joined = comb.shape[1] // config.n_bins
            logits = JoinBins(joined, name="z_join", dtype="float32")(logits)
    return layers.Softmax(name="z_output", dtype="float32")(logits)


def _fine_per_wide(config):
    """Return how many bins make one wide bin, about the paper's width, and divide all of them."""
    wanted = max(1, round(0.003 / config.dz))
    while config.n_bins % wanted:
        wanted -= 1
    return wanted


def build_model(config):
    """Build the network.

    Parameters
    ----------
    config : Config

    Returns
    -------
    keras.Model
        {"spectrum": (n, n_pixels), "continuum": (n, n_points)} -> {"z": (n, n_bins) probabilities,
        "lines": (n, n_pixels) in [0, 1], "mass", "sfr": (n, 1) standardised, or (n, 3
        `COMPONENTS`) with `config.scalar_pdf`}, and with `config.none` "none": (n, 1) the
        probability that a spectrum is none of the network's kind; all float32.

    Raises
    ------
    UsageError
        If there are too few channels.

    Notes
    -----
    "shared_info" is the batch normalisation of the flattened spectrum, the encoded continuum and
    the line branch's last hidden layer. (Sect. 3.2.1 joins them "preceded by a batch normalisation
    layer"; that it follows the concatenation is default.)
    """
    inputs, parts = _trunk(config)
    return keras.Model(inputs, output_heads(parts, config), name="mtopnet")


def build_trunk(model):
    """Return the part of a model before its dense layers: inputs -> list of what heads take."""
    names = ["flatten", "continuum_dense", "line_comb"]
    known = {layer.name for layer in model.layers}
    outputs = [model.get_layer(name).output for name in names if name in known]
    return keras.Model(model.input, outputs, name="trunk")


def build_heads(model, config):
    """Return the dense layers of a model with dropout that stays on (MC dropout, Sect. 4.1).

    All dropout of this network is behind the convolutions, so that many passes need the
    convolutions once.

    Returns
    -------
    keras.Model
        Outputs of `build_trunk` -> as `build_model`; its weights are a copy.
    """
    shapes = build_trunk(model).output_shape
    inputs = [keras.Input(shape[1:]) for shape in shapes]
    heads = keras.Model(inputs, output_heads(inputs, config, always=True), name="heads")
    for layer in heads.layers:
        if layer.weights and not isinstance(layer, SteadyDropout):
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return heads


def set_standard(model, continuum):
    """Store the training set's mean and std of the continuum vector in the model.

    Parameters
    ----------
    continuum : ndarray of shape (n, n_points)
        NaN where unknown. A point that is constant, or unknown everywhere, keeps a std of 1.
    """
    with np.errstate(all="ignore"):
        known = np.isfinite(continuum)
        count = np.maximum(known.sum(axis=0), 1)
        values = np.where(known, continuum, 0).astype(float)
        mean = values.sum(axis=0) / count
        std = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / count)
    std = np.where(std > 1e-12, std, 1.0)
    model.get_layer("continuum_standard").set_weights(
        [mean.astype("float32"), std.astype("float32")]
    )
