"""Copy the gallery's pictures, small, out of evaluated runs: python docs/make_pictures.py RUNS

RUNS is a folder with the runs rvs_hybrid, lamost_metallicity, mtopnet and solarlike_distance,
evaluated and explained, a page of inspection inspect.html, and a notebook's view of spectra,
spectra.html; a picture whose source is not there stays as it is. Those of pages need Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

HERE = Path(__file__).parent
CARD = HERE.parent / "gasnet2/released/surveys/figures"
SMALL, WIDEST = 60_000, 900  # bytes, pixels
FIGURES = {  # picture -> figure of a run, or a file
    "classes": CARD / "on_spec_B1_coarse.png",
    "mock": CARD / "on_spec_mock_beside_real.png",
    "stars": "rvs_hybrid/figures/one_to_one.png",
    "metallicities": "lamost_metallicity/figures/F4_predicted_true.png",
    "pdfs": "mtopnet/figures/F9_F10_examples.png",
    "distances": "solarlike_distance/figures/F5_predicted_true.png",
    "why": "mtopnet/figures/saliency.png",
    "training": "mtopnet/figures/training.png",
}
PAGES = {"report": "mtopnet/report.html", "inspect": "inspect.html", "spectra": "spectra.html"}


def shrink(source, target):
    """Write a picture in as many pixels and colours as stay below `SMALL` bytes."""
    with Image.open(source) as image:
        for width, colours in ((WIDEST, 64), (800, 32), (700, 32), (600, 24), (500, 16), (400, 12)):
            small = image.convert("RGB")
            small = small.crop(ImageOps.invert(small).getbbox())  # without a white margin
            small.thumbnail((width, 2 * width), Image.Resampling.LANCZOS)
            small.quantize(colours).save(target, optimize=True)
            if target.stat().st_size < SMALL:
                return


def screenshot(page, target):
    """Write how a page looks at its top once it is drawn; nothing without a browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "page.png"
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--window-size=1200,900", "--virtual-time-budget=20000",
             f"--user-data-dir={folder}/profile",
             f"--screenshot={raw}", Path(page).resolve().as_uri()],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        shrink(raw, target)


def main(runs):
    """Make every picture whose source is there; say which."""
    out = HERE / "pictures"
    out.mkdir(exist_ok=True)
    for name, source in FIGURES.items():
        if (runs / source).is_file():
            shrink(runs / source, out / f"{name}.png")
            print(name, (out / f"{name}.png").stat().st_size)
    for name, page in PAGES.items():
        if (runs / page).is_file():
            screenshot(runs / page, out / f"{name}.png")
            print(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
