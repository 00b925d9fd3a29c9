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
    if config.at_rest:
        return _rest_layers(config)
    length = config.n_pixels
    out = [("input", _times(length, config.channels), "input")]
    for filters in config.filters:
        for _ in range(2):
            length -= config.kernel_size - 1
            out.append((f"Conv1D {filters}, kernel {config.kernel_size}", f"{length} × {filters}",
                        "convolution"))  # fmt: skip
        length //= config.pool
        out.append((f"MaxPool {config.pool}", f"{length} × {filters}", "pooling"))
    out.append(("Flatten", f"{length * config.filters[-1]}", "input"))
    return [*out, ("Dense 1, linear", "1", "output")]


def _times(length, channels):
    return f"{length} × {channels}" if channels > 1 else f"{length}"


def _rest_layers(config):
    """Return the layers of the network that sees spectra at rest: not the paper's."""
    fine, middle, coarse = config.rest_filters
    length = config.rest_pixels
    out = [("input at rest", _times(length, config.channels), "input"),
           (f"Conv1D {fine}, kernel 7", f"{length} × {fine}", "convolution")]  # fmt: skip
    length = -(-length // 4)
    out += [("AveragePool 4", f"{length} × {fine}", "pooling"),
            (f"Conv1D {middle}, kernel 5", f"{length} × {middle}", "convolution"),
            ("two more of them, residual", f"{length} × {middle}", "convolution")]  # fmt: skip
    length = -(-length // 4)
    out += [("AveragePool 4", f"{length} × {middle}", "pooling"),
            (f"Conv1D {coarse}, kernel 3", f"{length} × {coarse}", "convolution"),
            ("Flatten", f"{length * coarse}", "input"),
            (f"Dense {config.rest_units}", f"{config.rest_units}", "output")]  # fmt: skip
    return [*out, ("Dense 1, linear", "1", "output")]


@styled
def architecture(config, parameters=None):
    """Draw Fig. 2: the layers of the network, their outputs, and the number of parameters."""
    rectifier = "GELU" if config.at_rest else "ReLU"
    text = f"{rectifier} after each convolution; size of each output below"
    return chain(layers(config), COLOURS, title=text, parameters=parameters, width=0.82)
