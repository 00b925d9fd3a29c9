"""A page of made-up objects: quasars with one line, a PDF, a strip, a diagram."""

import numpy as np

from common.inspect.shown import Curve, Diagram, Page, Place, Shown, Solution

LINES = {"QSO": {"Lyα": 1215.67, "Mg II": 2799.12}, "STAR": {"Hα": 6564.61}}


def toy(n, *, n_pixels=400, name="object", title="A toy", n_z=200, overlay=True, ids=None):
    """Return a `Page` of n objects with n_pixels each, called as `ids` or numbered."""
    rng = np.random.default_rng(1)
    wave = 10 ** np.linspace(np.log10(3600), np.log10(9800), n_pixels)
    z_grid = np.linspace(0, 6, n_z)
    objects = []
    for k in range(n):
        z = 0.5 + 1.5 * k / n
        line = 5 * np.exp(-0.5 * ((wave - 2799.12 * (1 + z)) / 40) ** 2)
        flux = 1 + line + rng.normal(0, 0.1, n_pixels)
        flux[:3] = np.nan
        strip = Curve(wave, line - 0.2)
        objects.append(
            Shown(
                id=ids[k] if ids else f"{k} {name}",
                file=f"/there/{name}.fits", wavelength=wave, flux=flux,
                error=np.full(n_pixels, 0.1), headline=f"QSO at z = {z:.3f} {name}", kind="QSO",
                z=z, flags=[("LOW_SNR", name)] if k == 0 else [],
                numbers=[("z", f"{z:.4f}", "redshift"), ("snr", "–", "")],
                solutions=[Solution(f"QSO z = {z:.3f}", "QSO", z, 0.9),
                           Solution("STAR z = 0", "STAR", 0.0, 0.1)],
                pdf=np.exp(-0.5 * ((z_grid - z) / 0.05) ** 2),
                overlay=Curve(wave, 1 + line) if overlay else None,
                strips={"evidence": strip, "class": strip},
                places={"Kiel": Place(5000.0 + k, 4.0, 50.0, 0.1)},
            )
        )  # fmt: skip
    diagram = Diagram(
        name="Kiel", x_label="Teff (K)", y_label="log g", x=rng.uniform(4000, 7000, 300),
        y=rng.uniform(1, 5, 300), others="others", curves=[("a limit", [4000, 7000], [3, 3])],
        flip_x=True, flip_y=True,
    )  # fmt: skip
    return Page(
        title=title, objects=objects, kinds=LINES, facts=[f"of {name}"], pdf_z=z_grid,
        pdf_words="the PDF", overlay_words="the model", diagrams=[diagram],
        strip_words={"evidence": "what counts", "class": "what else counts"},
    )  # fmt: skip
