"""The mock's files: MOONS1D's layout with many spectra a file, and their labels."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.table import Table

from common.files import atomic_path
from common.mocks import moons, moons_camera
from mtopnet.mock import lines as mock_lines
from mtopnet.mock.continuum import BANDS

UNIT = moons_camera.Camera.UNIT
SNR_LINES = ("OII3727", "OII3729", "Hb", "OIII4959", "OIII", "Ha", "NII", "SII6716", "SIII9531")


def line_snr(*, fluxes, galaxies, share, error, masked):
    """Return the S/N of the strongest and second strongest line, both (n,).

    Each line against the noise of an optimal sum over its profile; [O II] counts as one line, and
    one whose middle no network sees for the sky counts as none.

    Parameters
    ----------
    fluxes, galaxies, share
        From `Universe.make`.
    error : ndarray of shape (n, 12217)
        1e-19 erg / (s cm2 Å).
    masked : ndarray of bool, shape (12217,)
        Channels that pre-processing masks (Sect. 3.1).
    """
    wave, sigma_lsf = moons.grid(), moons.lsf_sigma()
    step = np.gradient(wave)
    row, best = np.arange(len(error)), []
    z, kms = galaxies["z"], galaxies["sigma_gas"]
    for name in SNR_LINES:
        line = mock_lines.LINES[name] * (1 + z)
        at = np.clip(np.searchsorted(wave, line), 0, len(wave) - 1)
        inside = (np.abs(wave[at] - line) < 3) & ~masked[at] & (fluxes[name] > 0)
        width = np.hypot(sigma_lsf[at], line * kms / 299792.458)
        noise = error[row, at] * np.sqrt(2 * np.sqrt(np.pi) * width * step[at])
        best.append(np.where(inside, fluxes[name] / UNIT * share[row, at] / noise, 0.0))
    best = [best[0] + best[1], *best[2:]]
    order = np.sort(np.stack(best), axis=0)
    return order[-1], order[-2]


def sky_lines(photons):
    """Return 1 at strong sky lines, 0 elsewhere, (12217,): clipping at 3.2 sigma, as MOONS1D."""
    from astropy.stats import sigma_clip

    parts = [sigma_clip(photons[pixels], sigma=3.2).mask for pixels in moons.arm_slices().values()]
    return np.concatenate(parts).astype(np.int16)


def finished(path, key):
    """Return the TARGETS of a file that an earlier call with the same arguments wrote, or None."""
    if not path.is_file():
        return None
    try:
        with warnings.catch_warnings(), fits.open(path) as hdus:
            warnings.simplefilter("ignore")  # a truncated file has no TARGETS and is made again
            if hdus[0].header.get("MOCKKEY") != key:
                return None
            return Table(hdus["TARGETS"].data)
    except (OSError, KeyError):
        return None


def write_file(path, key, universe, size, first, exposures, rng):
    """Make and write the spectra of some galaxies; return their TARGETS.

    Parameters
    ----------
    path : Path
    key : str
        What the file is made of, kept in its card MOCKKEY: see `finished`.
    universe : mock.Universe
    size, first : int
        Number of galaxies, and of the first one.
    exposures : tuple of float
        Hours.
    rng : numpy.random.Generator
    """
    flux, galaxies, fluxes, share = universe.make(size, rng)
    order = np.arange(size * len(exposures)).reshape(len(exposures), size).T.ravel()
    data, error, parts = [], [], []
    for hours in exposures:
        seen, sigma, quoted = universe.observe(flux, hours=hours, rng=rng)
        data.append(seen)
        error.append(quoted)
        own = (galaxies, fluxes, share, sigma, universe.masked)
        parts.append(_targets(universe.NAME, first, hours, *own))
    data, error = np.concatenate(data)[order], np.concatenate(error)[order]
    data *= np.float32(UNIT)
    error *= np.float32(UNIT)
    table = Table.from_pandas(pd.concat(parts, ignore_index=True).iloc[order])
    with atomic_path(path) as temporary:
        _hdus(key, universe, data, error, table).writeto(temporary, overwrite=True)
    return table


def _targets(begin, first, hours, galaxies, fluxes, share, error, masked):
    """Return the labels of one exposure, a DataFrame in the order of the module's docstring."""
    at = mock_lines.LINES["Ha"] * (1 + galaxies["z"])
    pixel = np.minimum(np.searchsorted(moons.grid(), at), moons.PIXELS - 1)
    in_fibre = fluxes["Ha"] * share[np.arange(len(pixel)), pixel]
    strongest, second = line_snr(
        fluxes=fluxes, galaxies=galaxies, share=share, error=error, masked=masked
    )
    names = [f"{begin}{first + i:07d}" for i in range(len(galaxies["z"]))]
    columns = {
        "id": [f"{name}-{hours:g}h" for name in names], "galaxy": names,
        "exposure": np.full(len(names), hours),
        **{k: galaxies[k] for k in ("z", "log_mass", "log_sfr", "m_h")},
        "f_ha": fluxes["Ha"], "f_oiii": fluxes["OIII"], "f_ha_fibre": in_fibre,
        **{k: galaxies[k] for k in ("kind", "sersic_n", "r_e", "oh", "ebv_stars", "ebv_gas",
                                    "sigma_gas", "fibre_h")},
        "line_snr_1": strongest, "line_snr_2": second,
        **{f"mag_{band}": galaxies[f"mag_{band}"] for band in BANDS},
    }  # fmt: skip
    return pd.DataFrame(columns)


def _hdus(key, universe, data, error, table):
    """Return the HDUs of one file, MOONS1D's cards and names."""
    observation, primary = universe.observation, fits.PrimaryHDU()
    primary.header.update({
        "INST": "MOONS_SIM", "R_MODE": "LR", "OBS_MODE": "XSWITCH", "DIT": moons_camera.DIT,
        "SEEING": observation.seeing, "AIRMASS": observation.airmass,
        "SKY_AP": moons_camera.FIBRE, "TEL_AP": 8.2, "TYPE": "extended in the fibre",
    })  # fmt: skip
    primary.header["MOCK"] = (True, "simulated, not observed")
    primary.header["MOCKKEY"] = key
    hdus = [primary]
    for name, pixels in moons.arm_slices().items():
        arm = moons.ARMS[name]
        # Copies: astropy swaps bytes in place while it writes, and two threads share the universe.
        level, lines = universe.camera.photons[pixels].copy(), universe.sky_lines[pixels].copy()
        for label, values, unit in (
            (f"DATA_{name}", data[:, pixels], "erg / (s cm2 Angstrom)"),
            (f"ERR_{name}", error[:, pixels], "erg / (s cm2 Angstrom)"),
            (f"QUAL_{name}", lines, ""),
            ("Sky", level, "ph/s/cm2/AA/arcsec2"),
        ):
            hdu = fits.ImageHDU(values)
            hdu.header.update({
                "NAME": label, "CRVAL1": arm.first, "CDELT1": arm.step, "CRPIX1": 1.0,
                "TUNIT1": "AA", "TUNIT2": unit, "R": arm.resolution, "SAMPLING": moons.SAMPLING,
            })  # fmt: skip
            hdus.append(hdu)
    targets = fits.table_to_hdu(table)
    targets.name = "TARGETS"
    return fits.HDUList([*hdus, targets])
