"""Spectra of LAMOST in memory, for tests of the solar-like mock."""

import numpy as np
import pandas as pd

from common.mocks import lamost
from common.spectra import Spectra


def as_spectra(flux, *, z=0.0):
    """Return noiseless spectra (n, lamost.PIXELS) as the reader would give them."""
    n = len(flux)
    meta = pd.DataFrame(
        {"file": "mock", "survey": "lamost", "ra": 0.0, "dec": 0.0, "snr": 100.0,
         "class_": "STAR", "subclass": "G2", "z": np.full(n, z)}
    )  # fmt: skip
    return Spectra(
        wavelength=lamost.grid(), flux=flux, ivar=np.ones_like(flux),
        mask=np.zeros(flux.shape, bool), ids=np.arange(n).astype(str), meta=meta,
        medium="vacuum", frame="heliocentric", unit="",
    )  # fmt: skip
