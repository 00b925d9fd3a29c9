"""Stars beyond SDSS's seven types: hot ones, K7, M, carbon stars, and wider A to K."""

from __future__ import annotations

import numpy as np

from common.mocks import libraries
from common.mocks.galaxies import attenuation
from common.mocks.instrument import REST_PIXELS, STEP, redshifted, rest_grid
from common.mocks.lines import C_KMS, LN10, VACUUM, add_gaussian
from common.mocks.miles import read_miles
from gasnet2.mock.plates import waves

# Range of Teff (K): SDSS gives a star the type of its nearest template, so a type reaches half-way.
TEFF = {
    "OB": (10000, 45000), "A0": (7150, 10000), "F5": (6100, 7150), "F9": (5800, 6100),
    "G2": (5450, 5800), "K1": (4930, 5450), "K3": (4650, 4930), "K5": (4250, 4650),
    "K7": (3850, 4250),
}  # fmt: skip
# Means of like stars of MaStar by their file's number, from warm to cool, with the mean Teff of the
# stars of MILES that resemble each most: dwarfs of 4490, 4030, 3600, 3490 and 3470 K and a cooler
# one (log g 4.6-5), giants of 4270, 4040, 3890, 3840, 3780, 3640, 3540, 3400 and 2900 K.
DWARFS, GIANTS = (19, 17, 23, 22, 3, 2), (13, 14, 29, 12, 26, 27, 9, 8, 6)
# The other means that are of one kind of star: Teff in K, log g in dex, as of the seven stars of
# MILES that resemble each most.
MEANS = {
    68: (24600, 3.5), 71: (21100, 3.5), 78: (19100, 3.6), 70: (16800, 3.8), 79: (14600, 3.8),
    82: (11100, 3.6), 67: (9100, 3.6), 80: (8800, 3.6), 35: (8700, 3.8), 81: (8600, 3.3),
    85: (8450, 3.7), 84: (8150, 4.0), 36: (7750, 3.9), 86: (7350, 3.7), 33: (7140, 4.1),
    40: (6890, 3.9), 77: (6770, 4.0), 39: (6290, 4.1), 42: (6260, 4.1), 44: (6200, 4.2),
    45: (6050, 4.3), 37: (6010, 4.2), 43: (5980, 4.2), 47: (5940, 4.2), 51: (5850, 4.1),
    48: (5840, 4.3), 56: (5630, 3.9), 58: (5350, 4.4), 60: (4840, 2.8), 57: (4700, 4.0),
    59: (4670, 2.5), 11: (4500, 2.3), 19: (4490, 4.6), 99: (4350, 0.9), 13: (4270, 2.0),
    15: (4190, 1.9), 16: (4170, 1.3), 14: (4040, 1.6),
}  # fmt: skip
CARBON_COOL, CARBON_WARM, CARBON_LIKE = 0, 88, 11  # 11: a giant of the warm one's temperature
# Heads of C2's Swan bands (degraded to the violet) and of CN's red system (to the red), Å in air
# (Pearse & Gaydon 1976; strengths after the sequences of Barnbaum, Stone & Keenan 1996, ApJS 105,
# 419), width of the shading (Å), depth.
SWAN = ((4737.1, 75, 0.75), (5165.2, 90, 0.85), (5635.5, 90, 0.7), (6191.3, 90, 0.4))
CN_RED = ((6926, 130, 0.25), (7088, 130, 0.25), (7876, 160, 0.45), (8067, 150, 0.35),
          (9140, 220, 0.5))  # fmt: skip
LIBRARY = 0.65  # share of the stars that come from observed ones where there are any


def in_type(kind, teff):
    """Return which temperatures (K) lie in a type's range."""
    low, high = TEFF[kind]
    return (teff >= low) & (teff < high)


class OddStars:
    """Observed stars carried on by synthetic ones, and what is made from them.

    Parameters
    ----------
    stars : common.mocks.stars.Stars
    offline : bool
        As `common.assets.fetch` takes it, with its errors.
    """

    def __init__(self, stars, *, offline=False):
        self.stars = stars
        self.wave = rest_grid()
        self.warp = waves(9, REST_PIXELS)
        self._library(offline)

        def clusters(numbers):
            return libraries.read_clusters(numbers, offline=offline)

        self.dwarfs, self.giants = (np.log(self._finish(clusters(k))) for k in (DWARFS, GIANTS))
        warm, like = self._finish(clusters((CARBON_WARM, CARBON_LIKE)))
        # What carbon does to a spectrum: a carbon star over a giant of its temperature.
        self.carbon = np.log(np.clip(warm / like, 0.2, 1.25)).astype(np.float32)
        self.carbon -= np.interp(
            self.wave, (3000, 4600, 6050, 7500, 9000, 1e4),
            np.interp((3000, 4600, 6050, 7500, 9000, 1e4), self.wave, self.carbon),
        ).astype(np.float32)  # fmt: skip
        self.carbon = np.clip(self.carbon, -1.0, 0.05)
        self.carbon[(self.wave < 4300) | (self.wave > 10200)] = 0
        self.cool_carbon = self._finish(clusters((CARBON_COOL,)))

    def _library(self, offline):
        """Sort observed stars of the libraries into types by temperature."""
        flux, table = libraries.read_stelib(offline=offline)
        letter = table["type"].str[0]
        guess = letter.map({"O": 35000.0, "B": 18000.0})
        teff = table["teff"].fillna(guess).to_numpy(dtype=float)
        # Of STELIB only hot stars: its wavelengths scatter by 25 km/s about the Cannon's, those of
        # MILES by 8, MaStar's by 3. A temperature that is not the type's is a slip of the library.
        use = letter.isin(list("OB")).to_numpy() & (teff > 9500)
        parts = [(flux[use], teff[use], table["logg"].fillna(3.5).to_numpy(dtype=float)[use])]
        own, observed, stars = read_miles(offline=offline)
        flux = np.array([np.interp(self.wave, own, f, np.nan, np.nan) for f in observed])
        parts.append((flux, stars["teff"].to_numpy(float), stars["logg"].to_numpy(float)))
        teff, logg = np.array(list(MEANS.values()), dtype=float).T
        parts.append((libraries.read_clusters(MEANS, offline=offline), teff, logg))
        flux, teff, logg = (np.concatenate(part) for part in zip(*parts, strict=True))
        whole = np.isfinite(flux).sum(axis=1) > 2500
        self.library = {}
        for kind in TEFF:
            rows = np.flatnonzero(whole & in_type(kind, teff))
            self.library[kind] = self._carried(flux[rows], teff[rows], np.clip(logg[rows], 0.5, 5))

    def _carried(self, flux, teff, logg):
        n = len(teff)
        model = self.stars.spectra(teff=np.clip(teff, 3600, 40000), logg=logg, feh=np.zeros(n))
        model = np.maximum(model, 1e-4 * model.max(axis=1, keepdims=True))
        rows = [libraries.carry_on(f, m) for f, m in zip(flux, model, strict=True)]
        return self._level(np.array(rows, dtype=np.float32).reshape(-1, REST_PIXELS))

    def _finish(self, flux):
        """Carry cool stars of MaStar on: they have no light to speak of beyond its blue end."""
        rows = [libraries.carry_on(f, (self.wave / 4000.0) ** 3) for f in flux]
        return self._level(np.maximum(np.array(rows, dtype=np.float32), 1e-4))

    def _level(self, flux):
        """Normalise at 6500-7500 Å."""
        red = (self.wave > 6500) & (self.wave < 7500)
        return flux / flux[:, red].mean(axis=1, keepdims=True)

    def seen(self, rest, rng, *, dust=0.06, warp=0.05, speed=100.0):
        """Return stars on the model's grid, (n, MODEL_PIXELS), and their redshifts.

        Parameters
        ----------
        rest : ndarray of shape (n, REST_PIXELS)
        rng : numpy.random.Generator
        dust : float
            Mean E(B-V).
        warp : float
            Size of smooth random changes (ln flux of each of nine knots).
        speed : float
            Dispersion of the velocities, km/s.
        """
        n = len(rest)
        z = np.clip(rng.normal(0, speed, n), -600, 600) / C_KMS
        knots = (warp * rng.standard_normal((n, len(self.warp)))).astype(np.float32)
        smooth = np.exp(knots @ self.warp) * attenuation(rng.exponential(dust, n), 1.3)
        return redshifted(rest * smooth, z), z

    def warm(self, kind, n, rng):
        """Return n stars (n, REST_PIXELS) of a type of `TEFF`, synthetic or observed."""
        low, high = TEFF[kind]
        teff = np.exp(rng.uniform(np.log(low), np.log(min(high, 40000)), n))
        giant = (rng.random(n) < 0.35) & (teff < 5600)
        logg = np.where(giant, rng.normal(2.3, 0.7, n), rng.normal(4.3, 0.3, n))
        logg = np.where(teff > 6500, rng.normal(3.9, 0.4, n), logg)
        rest = self.stars.spectra(teff=teff, logg=logg, feh=rng.normal(-0.6, 0.6, n))
        known = self.library[kind]
        rows = np.flatnonzero(rng.random(n) < LIBRARY) if len(known) else []
        if len(rows):
            first, second = rng.integers(len(known), size=(2, len(rows)))
            share = rng.beta(0.5, 0.5, (len(rows), 1)).astype(np.float32)
            rest[rows] = share * known[first] + (1 - share) * known[second]
        if kind == "K5":  # few dwarfs of this type are in the libraries
            rows = np.flatnonzero(rng.random(n) < 0.25)
            rest[rows] = self.along(self.dwarfs, rng.uniform(0.0, 0.5, len(rows)))
        return rest

    def along(self, sequence, place):
        """Return spectra (n, REST_PIXELS) at places of a sequence, beyond its end too.

        Between two neighbours ln flux is linear in place; beyond the coolest the change from the
        last but one goes on.
        """
        k = np.clip(np.floor(place).astype(int), 0, len(sequence) - 2)
        f = (place - k)[:, None].astype(np.float32)
        return np.exp(np.clip(sequence[k] + f * (sequence[k + 1] - sequence[k]), -9, 4))

    def cool(self, kind, n, rng):
        """Return n stars (n, REST_PIXELS) of type "K7" or "M", dwarfs and giants, at rest."""
        dwarf = rng.random(n) < (0.75 if kind == "M" else 0.6)
        out = np.empty((n, REST_PIXELS), dtype=np.float32)
        limits = {  # places where the types begin and end: K7 at 4250-3850 K, M0 to M9 below
            ("K7", True): (0.5, 1.2), ("K7", False): (0.1, 2.6),
            ("M", True): (1.2, 6.3), ("M", False): (2.6, 8.3),
        }  # fmt: skip
        for rows, sequence in ((dwarf, self.dwarfs), (~dwarf, self.giants)):
            low, high = limits[kind, sequence is self.dwarfs]
            out[rows] = self.along(sequence, rng.uniform(low, high, int(rows.sum())))
        if kind == "M":
            self._activity(out, dwarf & (rng.random(n) < 0.35), rng)
        else:
            rows = np.flatnonzero(rng.random(n) < 0.4)
            out[rows] = self.warm("K7", len(rows), rng)
        return out

    def _activity(self, rest, active, rng):
        """Add the Balmer lines of active dwarfs in place: Ha of 0.5 to 15 Å."""
        k = np.searchsorted(self.wave, 6564.6)
        level = rest[:, k - 30 : k + 31].mean(axis=1)
        ew = np.where(active, rng.lognormal(np.log(4.0), 0.6, len(rest)), 0.0)
        for name, ratio in (("Ha", 1.0), ("Hb", 0.3), ("Hg", 0.15), ("Hd", 0.1)):
            at = (np.log10(VACUUM[name]) - np.log10(self.wave[0])) / STEP
            sigma = np.full(len(rest), 1.1)
            peak = ew * ratio * level / (np.sqrt(2 * np.pi) * sigma * STEP * LN10 * VACUUM[name])
            add_gaussian(rest, centre=np.full(len(rest), at), sigma=sigma, peak=peak)

    def carbon_stars(self, n, rng):
        """Return n carbon stars (n, REST_PIXELS): real ones changed, and bands on giants."""
        teff, feh = rng.uniform(3900, 5700, n), rng.normal(-0.8, 0.5, n)
        logg = np.where(rng.random(n) < 0.5, rng.normal(2.0, 0.7, n), rng.normal(4.5, 0.3, n))
        rest = self._level(self.stars.spectra(teff=teff, logg=logg, feh=feh))
        rest *= np.exp(rng.uniform(0.4, 2.2, (n, 1)).astype(np.float32) * self.carbon)
        swan, red = (rng.lognormal(np.log(m), 0.6, (n, 1)) for m in (0.7, 0.5))
        tau = np.zeros((n, REST_PIXELS), dtype=np.float32)
        for bands, size, side in ((SWAN, swan, -1), (CN_RED, red, 1)):
            for head, width, depth in bands:
                x = side * (self.wave - head * 1.00028) / width
                shape = np.where(x > 0, np.exp(-np.clip(x, 0, 9)), np.exp(-((x * width / 5) ** 2)))
                own = size * rng.lognormal(0, 0.2, (n, 1)) * -np.log(1 - depth)
                tau += own.astype(np.float32) * shape.astype(np.float32)
        rest *= np.exp(-tau)
        cool = np.flatnonzero(rng.random(n) < 0.25)  # N-type: bands of a real one, redder or bluer
        power = rng.uniform(0.5, 1.1, (len(cool), 1)).astype(np.float32)
        rest[cool] = self.cool_carbon**power
        return rest

    def make(self, kind, n, rng):
        """Return noiseless stars (n, MODEL_PIXELS) of a type, and their redshifts.

        Parameters
        ----------
        kind : str
            A key of `TEFF`, "M" or "Carbon".
        n : int
        rng : numpy.random.Generator
        """
        if kind == "Carbon":
            return self.seen(self.carbon_stars(n, rng), rng, dust=0.1, warp=0.1)
        if kind in ("K7", "M"):
            return self.seen(self.cool(kind, n, rng), rng, dust=0.05, warp=0.07, speed=60.0)
        dust = 0.15 if kind == "OB" else 0.06
        return self.seen(self.warm(kind, n, rng), rng, dust=dust)
