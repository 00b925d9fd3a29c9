"""The layers of the network (Fig. 2)."""

from __future__ import annotations

from matplotlib.patches import Rectangle

from common.colours import SKY
from common.figures import Figure, styled

COLOURS = {"input": "#dddddd", "convolution": SKY, "pooling": "#bfe3d6", "output": "#e8b7cf"}


def layers(config):
    """Return [(text, output size, kind)] of the layers of the metallicity network (Fig. 2).

    Parameters
    ----------
    config : Config
    """
    length = config.n_pixels
    out = [("input", f"{length}" + (" × 2" if config.channels == 2 else ""), "input")]
    for filters in config.filters:
        for _ in range(2):
            length -= config.kernel_size - 1
            out.append((f"Conv1D {filters}, kernel {config.kernel_size}", f"{length} × {filters}",
                        "convolution"))  # fmt: skip
        length //= config.pool
        out.append((f"MaxPool {config.pool}", f"{length} × {filters}", "pooling"))
    out.append(("Flatten", f"{length * config.filters[-1]}", "input"))
    return [*out, ("Dense 1, linear", "1", "output")]


@styled
def architecture(config, parameters=None):
    """Draw Fig. 2: the layers of the network, their outputs, and the number of parameters."""
    rows = layers(config)
    figure = Figure(figsize=(0.82 * len(rows) + 0.4, 2.9), layout="constrained")
    axis = figure.subplots()
    for i, (text, size, kind) in enumerate(rows):
        axis.add_patch(Rectangle((i + 0.12, 0), 0.62, 1, fc=COLOURS[kind], ec="#555555", lw=0.8))
        axis.text(i + 0.43, 0.5, text, rotation=90, ha="center", va="center", fontsize=8)
        axis.text(i + 0.43, -0.13, size, ha="center", va="top", fontsize=7)
        if i:
            axis.annotate("", (i + 0.1, 0.5), (i - 0.24, 0.5),
                          arrowprops={"arrowstyle": "->", "lw": 0.9})  # fmt: skip
    text = "ReLU after each convolution; size of each output below"
    if parameters:
        text += f"; {parameters:,} parameters".replace(",", " ")
    axis.set_title(text, fontsize=8.5)
    axis.set(xlim=(0, len(rows)), ylim=(-0.35, 1.1))
    axis.set_axis_off()
    return figure
