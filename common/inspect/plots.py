"""The plots of a page: declared here, filled in the browser by page.js."""

from __future__ import annotations

import numpy as np

from common.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED
from common.errors import UsageError

TOOLS = "xpan,box_zoom,xwheel_zoom,reset,save"
SMALL = "pan,box_zoom,wheel_zoom,reset,save"
GREY = "#8a949e"
DASHES = ("dashed", "solid", "dotted")  # of a diagram's curves, in their order


def check_bokeh():
    """Raise `UsageError` where Bokeh, which draws the pages, is not installed."""
    try:
        import bokeh  # noqa: F401
    except ImportError:
        raise UsageError(
            "Bokeh is not installed, which draws the pages. Install the extra: pip install "
            "'spectra-reproductions[inspect]'."
        ) from None


def plots(page):
    """Return {name: JSON item of Bokeh} of a page's plots: spectrum, pdf, and its diagrams.

    Parameters
    ----------
    page : common.inspect.shown.Page
    """
    from bokeh.embed import json_item

    made = {"spectrum": _spectrum(bool(page.strip_words))}
    if page.pdf_z is not None:
        made["pdf"] = _pdf()
    for number, diagram in enumerate(page.diagrams):
        ranges = limits(diagram, page.objects)
        made[f"diagram{number}"] = _diagram(diagram, f"diagram{number}", *ranges)
    return {name: json_item(model) for name, model in made.items()}


def script():
    """Return Bokeh's script, str: it is embedded, so that a page needs no network."""
    from bokeh.resources import Resources

    return Resources(mode="inline", components=["bokeh"], minified=True).render_js()


def _figure(name, height, **options):
    from bokeh.plotting import figure

    made = figure(name=name, height=height, sizing_mode="stretch_width", min_border_left=58,
                  min_border_right=12, **options)  # fmt: skip
    made.toolbar.logo = None
    return made


def _source(name, *columns):
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({column: [] for column in columns}, name=name)


def _spectrum(strips):
    """Return the spectrum over its strip, which share the wavelengths."""
    from bokeh.layouts import column
    from bokeh.models import HoverTool, LinearAxis, Range1d

    ranges = {"x_range": Range1d(3800, 9200), "y_range": Range1d(0, 1)}
    top = _figure("spectrum", 400, tools=TOOLS, active_drag="box_zoom", active_scroll=None,
                  toolbar_location="above", **ranges)  # fmt: skip
    top.xaxis.axis_label, top.yaxis.axis_label = "observed wavelength (Å)", "flux"
    top.extra_x_ranges = {"rest": Range1d(3800, 9200)}
    top.add_layout(LinearAxis(x_range_name="rest", axis_label="wavelength at rest (Å)"), "above")
    lines = _source("lines", "x", "name", "y", "colour")
    top.vspan(x="x", source=lines, line_color="colour", line_dash="dashed", line_alpha=0.8)
    top.text(x="x", y="y", text="name", source=lines, angle=1.5708, text_font_size="11px",
             text_align="right", text_baseline="bottom", x_offset=-2, text_color="colour",
             background_fill_alpha=0.7, name="line-names", level="overlay")  # fmt: skip
    top.line("x", "y", source=_source("raw", "x", "y"), color=GREY, alpha=0.45, name="raw-line")
    top.line("x", "y", source=_source("error", "x", "y"), color=RED, alpha=0.7, name="error-line")
    flux = top.line("x", "y", source=_source("flux", "x", "y"), color=BLACK, name="flux-line")
    top.line("x", "y", source=_source("overlay", "x", "y"), color=ORANGE, line_width=1.4,
             name="overlay-line")  # fmt: skip
    top.add_tools(HoverTool(renderers=[flux], mode="vline", line_policy="nearest",
                            tooltips=[("observed", "@x{0.0} Å"), ("flux", "@y{0.000}")],
                            visible=False))  # fmt: skip
    if not strips:
        return column(top, sizing_mode="stretch_width")
    low = _figure("strip", 90, tools="", toolbar_location=None, x_range=top.x_range,
                  y_range=Range1d(-1, 1))  # fmt: skip
    low.xaxis.visible = False
    low.yaxis.axis_label, low.yaxis.ticker.desired_num_ticks = "weight", 2
    for name, colour in (("for", BLUE), ("against", ORANGE)):
        source = _source(name, "x", "y1", "y2")
        low.varea("x", "y1", "y2", source=source, fill_color=colour, fill_alpha=0.8)
    return column(top, low, sizing_mode="stretch_width")


def _pdf():
    """Return the PDF of redshift with the solutions."""
    from bokeh.models import HoverTool, Range1d

    made = _figure("pdf", 200, tools=TOOLS, active_drag="box_zoom", toolbar_location="above",
                   x_range=Range1d(0, 1), y_range=Range1d(0, 1))  # fmt: skip
    made.xaxis.axis_label, made.yaxis.axis_label = "redshift", "probability"
    made.varea("x", "y1", "y2", source=_source("density", "x", "y1", "y2"), fill_color=BLUE,
               fill_alpha=0.5)  # fmt: skip
    made.vspan(x="x", source=_source("here", "x"), line_color=GREEN, line_width=4, line_alpha=0.4)
    made.line("x", "y2", source=made.renderers[0].data_source, color=BLUE, line_width=1.5)
    found = made.scatter("x", "y", source=_source("solutions", "x", "y", "label"), size=13,
                         marker="diamond", color=PURPLE, line_color="white")  # fmt: skip
    made.add_tools(HoverTool(renderers=[found], tooltips=[("", "@label")], visible=False))
    return made


def limits(diagram, objects):
    """Return the limits of a diagram's axes, which hold all that stands in it.

    Parameters
    ----------
    diagram : common.inspect.shown.Diagram
    objects : list of common.inspect.shown.Shown

    Returns
    -------
    list of (float, float)
        Of x and y, in the order in which the axis runs; empty where nothing stands in it.
    """
    places = [one.places[diagram.name] for one in objects if diagram.name in one.places]
    x = [diagram.x, [p.x for p in places], *(x for _, x, _ in diagram.curves)]
    y = [diagram.y, [p.y for p in places], *(y for _, _, y in diagram.curves)]
    x, y = (np.concatenate([np.asarray(part, float) for part in parts]) for parts in (x, y))
    known = np.isfinite(x) & np.isfinite(y)
    found = []
    if known.any():
        for values, flip in ((x[known], diagram.flip_x), (y[known], diagram.flip_y)):
            low, high = float(values.min()), float(values.max())
            margin = 0.06 * (high - low) or 1.0
            ends = (low - margin, high + margin)
            found.append(ends[::-1] if flip else ends)
    return found


def _diagram(diagram, name, x_limits, y_limits):
    """Return a diagram: the others in grey, lines of division, the object with its errors."""
    from bokeh.models import ColumnDataSource, Range1d

    made = _figure(name, 290, tools=SMALL, active_drag="box_zoom", toolbar_location="above",
                   x_range=Range1d(*x_limits), y_range=Range1d(*y_limits))  # fmt: skip
    made.xaxis.axis_label, made.yaxis.axis_label = diagram.x_label, diagram.y_label
    others = ColumnDataSource({"x": list(map(float, diagram.x)), "y": list(map(float, diagram.y))})
    made.scatter("x", "y", source=others, size=4, color=GREY, alpha=0.5, line_color=None)
    for (label, x, y), dash in zip(diagram.curves, DASHES, strict=False):
        made.line(list(map(float, x)), list(map(float, y)), color=BLUE, line_dash=dash,
                  name=label)  # fmt: skip
    bars = _source(f"{name}-bars", "x0", "y0", "x1", "y1")
    made.segment("x0", "y0", "x1", "y1", source=bars, color=RED, line_width=2)
    made.scatter("x", "y", source=_source(f"{name}-place", "x", "y"), size=12, color=RED,
                 line_color="white")  # fmt: skip
    return made
