"""The layers of the network (Fig. 2)."""

from __future__ import annotations

from common.colours import SKY
from common.figures import chain, styled

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
    text = "ReLU after each convolution; size of each output below"
    return chain(layers(config), COLOURS, title=text, parameters=parameters, width=0.82)
