"""The page in a real browser: sliders and keys work, the export holds what was entered."""

import csv
import io
import itertools
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pytest

from common.inspect.page import MOST, write_page
from common.inspect.shown import Place
from common.inspect.verdicts import COLUMNS, read_verdicts
from tests.browser import browser, opened
from tests.common.toy_page import toy

SECONDS, MEGABYTES = 3.0, 30.0  # what a full page may take


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        yield made


def headline(page):
    return page.text_content("#headline")


def lines(page):
    return page.evaluate("Array.from(model('lines').data.x)")


def test_page_opens_and_gives_back_what_was_entered(chromium, tmp_path):
    path = write_page(toy(3), tmp_path / "page.html", key="toy")
    with opened(chromium, path) as (page, errors):
        assert "QSO at z = 0.500" in headline(page)
        page.keyboard.press("ArrowRight")
        assert "QSO at z = 1.000" in headline(page)
        page.keyboard.press("p")
        before = lines(page)
        page.evaluate("byId('zslider').value = Math.log(2.5)")
        page.dispatch_event("#zslider", "input")
        assert page.evaluate("state.z") == pytest.approx(1.5, abs=1e-3)
        assert lines(page) != before and max(lines(page)) == pytest.approx(2799.12 * 2.5, rel=1e-3)
        page.keyboard.press("t")
        page.keyboard.press("4")
        page.fill("#v-comment", 'a "doublet", seen')
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        page.keyboard.press("2")  # takes class and redshift of what is shown
        with page.expect_download() as download:
            page.keyboard.press("e")
        text = download.value.path().read_text(encoding="utf-8")
        # a page of the same catalogue that is opened later still knows
        page.reload()
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        assert page.input_value("#v-comment") == 'a "doublet", seen'
        assert errors == []
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 2
    assert rows[0]["id"] == "0 object" and rows[0]["file"] == "object.fits"
    assert rows[0]["comment"] == 'a "doublet", seen' and rows[0]["quality"] == "4"
    assert float(rows[0]["z"]) == pytest.approx(1.5, abs=1e-3)
    assert float(rows[0]["z_network"]) == 0.5
    assert (rows[1]["class"], float(rows[1]["z"]), rows[1]["quality"]) == ("QSO", 1.0, "2")
    (tmp_path / "v.csv").write_text(text, encoding="utf-8")
    assert list(read_verdicts(tmp_path / "v.csv").index) == ["0 object"]


@pytest.mark.slow
def test_every_control_does_what_it_says(chromium, tmp_path):
    path = write_page(toy(4), tmp_path / "page.html", key="toy")
    with opened(chromium, path) as (page, errors):
        shown = "Array.from(model('flux').data.y)"
        noisy = page.evaluate(shown)
        page.evaluate("byId('smooth').value = 5")
        page.dispatch_event("#smooth", "input")
        smooth = page.evaluate(shown)

        def scatter(y):
            return sum(abs(a - b) for a, b in itertools.pairwise(y[10:]))

        assert scatter(smooth) < 0.5 * scatter(noisy)
        page.click("#solutions button:nth-child(2)")
        assert page.evaluate("[state.kind, state.z]") == ["STAR", 0]
        assert page.evaluate("model('lines').data.name") == ["Hα"]
        rest = "model('spectrum').extra_x_ranges"
        rest = f"(({rest}.get ? {rest}.get('rest') : {rest}.rest))"
        assert page.evaluate(f"{rest}.start - model('spectrum').x_range.start") == 0
        page.keyboard.press("r")
        assert page.evaluate("state.z") == 0.5
        ratio = page.evaluate(f"model('spectrum').x_range.end / {rest}.end")
        assert ratio == pytest.approx(1.5)
        page.fill("#z", "0.75")
        assert page.evaluate("state.z") == 0.75
        page.evaluate("byId('zfine').value = 0.01")
        page.dispatch_event("#zfine", "input")
        assert page.evaluate("state.z") == pytest.approx(1.75 * 1.01 - 1)
        page.click("#plot-pdf")  # its middle
        page.wait_for_function("Math.abs(state.z - 3) < 0.4")
        for name, source in (("error", "error"), ("overlay", "overlay"), ("lines", "lines")):
            assert page.evaluate(f"model('{source}').data.x.length") > 0
            page.uncheck(f"#{name}")
            assert page.evaluate(f"model('{source}').data.x.length") == 0
        page.select_option("#strip", "1")
        assert page.text_content("#strip-words") == "what else counts"
        page.select_option("#jump", "3")
        assert page.evaluate("model('diagram0-place').data.x") == [5003]
        assert page.evaluate("model('diagram0-bars').data.x0.length") == 2
        assert page.text_content("#flags") == "none"
        page.keyboard.press("ArrowRight")
        assert page.evaluate("state.at") == 3  # the last
        page.click("input[name=quality][value='0']")
        assert page.evaluate("verdicts['3 object'].z") == ""  # nothing seen: nothing taken
        page.click("#clear")
        assert page.evaluate("Object.keys(verdicts).length") == 0
        page.fill("#v-comment", "n4e")  # keys are letters where one types
        assert page.evaluate("[state.at, verdicts['3 object'].quality]") == [3, ""]
        assert errors == []


@pytest.mark.slow
def test_names_of_lines_stay_readable_when_one_zooms_and_objects_change(chromium, tmp_path):
    made = toy(2)
    made.kinds = {"QSO": {f"line {k}": 2800.0 + k for k in range(5)}}
    path = write_page(made, tmp_path / "page.html", key="toy")
    shares = (
        "(({ start, end }) => model('lines').data.y.map((y) => (y - start) / (end - start)))"
        "(model('spectrum').y_range)"
    )
    with opened(chromium, path) as (page, errors):
        drawn = page.evaluate("model('lines').data.name.filter((name) => name)")
        assert drawn == ["line 0", "line 1", "line 2"] and len(lines(page)) == 5  # three rows
        box = page.locator("#plot-spectrum").bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 120)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 250, steps=5)
        page.mouse.up()
        page.wait_for_function("model('spectrum').x_range.end < 9000")
        assert max(page.evaluate(shares)) == pytest.approx(0.99)
        page.keyboard.press("n")
        assert max(page.evaluate(shares)) == pytest.approx(0.99)
        top = "[model('spectrum').y_range.end, Math.max(...state.arrays.flux.filter(isFinite))]"
        page.evaluate("state.arrays.flux[100] = 1000")  # the top of a sharp line
        page.keyboard.press("f")
        shown, most = page.evaluate(top)
        assert shown > most == 1000
        page.keyboard.press("f")
        assert page.evaluate(top)[0] < most / 2
        assert errors == []


@pytest.mark.slow
def test_an_address_names_the_object_that_is_shown(chromium, tmp_path):
    path = write_page(toy(4, ids=["a b", "c%", "ü#1", "d"]), tmp_path / "page.html", key="toy")
    with opened(chromium, f"{path}#{quote('ü#1')}") as (page, errors):
        assert page.evaluate("state.at") == 2
        page.evaluate(f"location.hash = {quote('c%')!r}")
        page.wait_for_function("state.at === 1")
        page.evaluate("location.hash = '%'")  # no object's: nothing moves
        assert page.evaluate("state.at") == 1 and errors == []
    with opened(chromium, f"{path}#nobody") as (page, errors):
        assert page.evaluate("state.at") == 0 and errors == []


@pytest.mark.slow
def test_an_object_without_a_place_in_a_diagram_is_told(chromium, tmp_path):
    made = toy(2)
    made.objects[1].places["Kiel"] = Place(np.nan, 4.0)
    path = write_page(made, tmp_path / "page.html", key="toy")
    with opened(chromium, path) as (page, errors):
        assert not page.is_visible("#placeless0")
        page.keyboard.press("n")
        assert page.is_visible("#placeless0") and errors == []


@pytest.mark.slow
def test_a_diagram_in_which_nothing_stands_is_left_out(chromium, tmp_path):
    made = toy(2)
    empty = replace(made.diagrams[0], name="empty", x=np.full(3, np.nan), y=np.ones(3), curves=[])
    made.diagrams.insert(0, empty)
    path = write_page(made, tmp_path / "page.html", key="toy")
    with opened(chromium, path) as (page, errors):
        assert page.evaluate("PAGE.diagrams") == ["Kiel"]
        assert page.evaluate("model('diagram0-place').data.x") == [5000]
        assert errors == []
    made.objects[1].places["empty"] = Place(1.0, 2.0)
    path = write_page(made, tmp_path / "page.html", key="toy")
    with opened(chromium, path) as (page, errors):
        assert page.evaluate("PAGE.diagrams") == ["empty", "Kiel"] and errors == []


@pytest.mark.slow
def test_noise_is_smoothed_until_one_sees_something(chromium, tmp_path):
    made = toy(3)
    made.objects[1] = replace(made.objects[1], error=np.full(400, 2.0))
    path = write_page(made, tmp_path / "page.html", key="toy")
    smooth = "[state.smooth, +byId('smooth').value, byId('smoothed').textContent]"
    with opened(chromium, path) as (page, errors):
        assert page.evaluate(smooth) == [0, 0, "0"]
        page.keyboard.press("n")
        chosen, slider, told = page.evaluate(smooth)
        assert chosen == slider == float(told) and 1 <= chosen <= 4
        page.evaluate("byId('smooth').value = 7")
        page.dispatch_event("#smooth", "input")
        page.keyboard.press("n")
        assert page.evaluate(smooth) == [7, 7, "7"]  # the inspector's own stays
        error = page.evaluate("Array.from(model('error').data.y)")[200]
        assert error == pytest.approx(0.1 / np.sqrt(2 * np.sqrt(np.pi) * 7), rel=0.02)
        assert errors == []


@pytest.mark.slow
def test_no_line_is_drawn_over_a_gap(chromium, tmp_path):
    made = toy(1)
    one = made.objects[0]
    keep = np.abs(one.wavelength - 6000) > 500
    made.objects[0] = replace(
        one, wavelength=one.wavelength[keep], flux=one.flux[keep], error=one.error[keep]
    )
    path = write_page(made, tmp_path / "page.html", key="toy")
    with opened(chromium, path) as (page, errors):
        for name in ("flux", "error"):
            x, y = page.evaluate(f"['x', 'y'].map((c) => Array.from(model('{name}').data[c]))")
            known = np.array([v is not None and v == v for v in y])
            assert np.count_nonzero(known[4:]) > 200
            inside = (np.array(x) > 5500) & (np.array(x) < 6500)
            assert inside.any() and not known[inside].any()
        assert errors == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_the_screen_and_can_be_read(chromium, tmp_path, width, scheme):
    path = write_page(toy(2), tmp_path / "page.html", key="toy")
    with opened(chromium, path, width=width, scheme=scheme) as (page, errors):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        paper, ink = page.evaluate(
            "(({ backgroundColor: a, color: b }) => [a, b])(getComputedStyle(document.body))"
        )
        light = [sum(map(int, c[4:-1].split(","))) / 765 for c in (paper, ink)]
        assert abs(light[0] - light[1]) > 0.6
        drawn = page.evaluate("model('spectrum').background_fill_color")
        assert drawn == {"light": "#fff", "dark": "#14191e"}[scheme]
        assert errors == []


@pytest.mark.slow
def test_a_full_page_is_small_and_opens_at_once(chromium, tmp_path):
    """DESI's 7781 pixels, with PDF, strips and model: the most that a page holds."""
    page = toy(MOST, n_pixels=7781, n_z=4300, overlay=False)
    path = write_page(page, tmp_path / "page.html", key="toy")
    assert path.stat().st_size < MEGABYTES * 1e6
    with opened(chromium, path) as (page, errors):
        took = page.evaluate("performance.now()")
        page.keyboard.press("ArrowRight")
        assert "QSO" in headline(page) and errors == []
    print(f"opened within {took / 1000:.2f} s, {path.stat().st_size / 1e6:.1f} MB")
