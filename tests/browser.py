"""A headless Chromium for tests of pages; a reason to skip where there is none."""

import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = (
    "no browser: pip install 'spectra-reproductions[inspect,browser]' and install Chromium "
    "(apt-get install chromium, or playwright install chromium)"
)


@contextmanager
def browser():
    """Give a Playwright browser; skip the test where there is none."""
    sync = pytest.importorskip("playwright.sync_api", reason=INSTALL)
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync.sync_playwright() as play:
        try:
            made = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync.Error as error:
            if path is None:
                pytest.skip(INSTALL)
            raise AssertionError(f"{path} does not start") from error
        try:
            yield made
        finally:
            made.close()


@contextmanager
def opened(chromium, path, *, width=1280, height=900, scheme="light"):
    """Give an opened page of a file that is ready, and the list of errors that it told."""
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True,
        accept_downloads=True,
    )  # fmt: skip
    page, errors = context.new_page(), []
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.goto(f"file://{path}")
        try:
            page.wait_for_selector("html[data-ready=yes]", state="attached", timeout=30000)
        except Exception as error:
            raise AssertionError(f"the page is not ready: {errors}") from error
        yield page, errors
    finally:
        context.close()
