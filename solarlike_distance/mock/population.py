"""The stars of the mock: labels from real joint distributions, companions, distances, dust."""

from __future__ import annotations

import numpy as np
import pandas as pd

from solarlike_distance.mock import photometry

# Labels are those of real stars, moved by about APOGEE's own errors, so that no two are alike.
JITTER = {"teff": 40.0, "logg": 0.05, "feh": 0.05}  # K, dex
OUTSIDE = 0.08  # share of stars of any kind, most of which Table 1's cuts take out; `default`
# Share drawn evenly over Teff and [Fe/H] of the dwarfs, so that no corner is too rare to learn.
EVEN = 0.30  # `default`
NEAR = 40  # real stars of more or less [Fe/H], of which one gives Teff and log g
INTRINSIC = 0.10  # mag, scatter of M_G at given labels: age, helium, abundances; `default`
BINARIES = 0.30  # share with a companion of mass ratio 0.4-1 (Moe & Di Stefano 2017); `default`
RATIO = 0.4
LUMINOSITY = 11.0  # mag in G a dex in mass near the Sun: L ~ M^4.4
FAINTEST = 4.0  # mag below the star: fainter companions are not seen
SPLIT = 8.0  # km/s between the two of an unresolved binary, standard deviation
VELOCITY = 40.0  # km/s, standard deviation of radial velocities
G_LIMITS, COUNTS = (9.5, 15.5), 0.15  # mag of LAMOST's stars that APOGEE has; 10^(0.15 G) of them
TEFF, LOGG, FEH = (4000.0, 7800.0), (0.5, 5.0), (-2.0, 0.5)  # of what is drawn
COLUMNS = (
    "teff", "logg", "feh", "mg", "bprp", "g", "bp", "rp", "distance", "ag", "ebprp", "ebv",
    "binary", "share", "second_teff", "second_logg", "second_feh", "kms", "split_kms",
)  # fmt: skip


def reddening(distance, patch):
    """Return E(BP-RP) in mag of stars at distances (n,) in pc, through a layer of patchy dust.

    0.14 mag a kpc (about 1 mag of A_V in the plane, less above it), none beyond 1.2 kpc; `patch`
    (n,), standard normal, is how much more or less of it a line of sight has.
    """
    mean = 0.14 * np.minimum(np.asarray(distance) / 1000, 1.2)
    return mean * np.exp(0.6 * patch - 0.18)


class Population:
    """Real stars with labels, and the relations fitted on them.

    `offline` and `progress` are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False, progress=False):
        stars = photometry.read_stars(offline=offline, progress=progress)
        self.relations = photometry.fit_relations(stars)
        stars = stars.rename(columns={"fe_h": "feh"})
        inside = stars["teff"].between(*TEFF) & stars["feh"].between(*FEH)
        self.any = stars[inside].reset_index(drop=True)
        dwarf = self.any["logg"] > 5.96 - 0.00035 * self.any["teff"]  # Table 1, a little wider
        dwarf &= self.any["teff"].between(4780, 6820) & self.any["feh"].between(-1.05, 0.5)
        self.dwarfs = self.any[dwarf].reset_index(drop=True)
        # Weights that even the numbers out over cells of Teff and [Fe/H], within a factor of 30.
        cells = self.dwarfs.groupby(
            [pd.cut(self.dwarfs["teff"], np.arange(4600, 7000, 200)),
             pd.cut(self.dwarfs["feh"], np.arange(-1.1, 0.6, 0.2))], observed=True,
        )["teff"]  # fmt: skip
        weight = 1 / np.maximum(cells.transform("size"), cells.size().max() / 30)
        self._even = np.cumsum(weight / weight.sum())

    def labels(self, n, rng):
        """Draw Teff (K), log g, [Fe/H] of n stars; a dict of ndarrays of shape (n,)."""
        u = rng.random(n)
        rows = rng.integers(0, len(self.dwarfs), n)
        even = np.searchsorted(self._even, rng.random(n)).clip(0, len(self.dwarfs) - 1)
        rows = np.where(u < EVEN, even, rows)
        others = rng.integers(0, len(self.any), n)
        out = {}
        limits = {"teff": TEFF, "logg": LOGG, "feh": FEH}
        for name, sigma in JITTER.items():
            values = self.dwarfs[name].to_numpy()[rows]
            values = np.where(u > 1 - OUTSIDE, self.any[name].to_numpy()[others], values)
            out[name] = np.clip(values + sigma * rng.standard_normal(n), *limits[name])
        return out

    def labels_at(self, feh, rng):
        """Draw Teff and log g of dwarfs of given [Fe/H] (n,): those of real ones that have it."""
        metals = self.dwarfs["feh"].to_numpy()
        order = np.argsort(metals)
        at = np.searchsorted(metals[order], feh) + rng.integers(-NEAR, NEAR + 1, len(feh))
        rows = order[np.clip(at, 0, len(order) - 1)]
        out = {"feh": np.asarray(feh, dtype=float)}
        for name, limits in (("teff", TEFF), ("logg", LOGG)):
            values = self.dwarfs[name].to_numpy()[rows]
            out[name] = np.clip(values + JITTER[name] * rng.standard_normal(len(feh)), *limits)
        return out

    def draw(self, n, rng):
        """Return n stars as far away as the real ones of their kind are.

        Returns
        -------
        DataFrame
            `COLUMNS`: labels of the star (K, dex), M_G and (BP-RP)_0 of the unresolved system, G,
            BP and RP as seen (mag), distance (pc), A_G, E(BP-RP), E(B-V) (mag), binary, light of
            the companion in G and its labels, radial velocity and the companion's (km/s).
        """
        labels = self.labels(n, rng)
        u = rng.random(n)
        low, high = (10 ** (COUNTS * limit) for limit in G_LIMITS)
        g = np.log10(low + u * (high - low)) / COUNTS
        system = self.system(labels, rng)
        patch, ebprp = rng.standard_normal(n), 0.0
        for _ in range(5):  # the dust depends on the distance, which depends on the dust
            distance = 10 ** (0.2 * (g - system["mg"] - photometry.PER_COLOUR * ebprp) + 1)
            ebprp = reddening(distance, patch)
        return self.seen(labels, system, distance=distance, ebprp=ebprp, rng=rng)

    def system(self, labels, rng):
        """Return M_G and (BP-RP)_0 of stars with their unresolved companions, and these.

        Parameters
        ----------
        labels : dict of str to ndarray of shape (n,)
            teff, logg, feh.
        rng : numpy.random.Generator

        Returns
        -------
        dict of str to ndarray of shape (n,)
            mg, bprp (mag), binary, share, second_teff, second_logg, second_feh.
        """
        n = len(labels["teff"])
        mg, bprp = self.relations.magnitudes(**labels)
        mg = mg + INTRINSIC * rng.standard_normal(n)
        fainter = -LUMINOSITY * np.log10(rng.uniform(RATIO, 1.0, n))
        dwarf = photometry.is_dwarf(teff=labels["teff"], logg=labels["logg"])
        binary = (rng.random(n) < BINARIES) & (fainter < FAINTEST) & dwarf
        second = self.relations.companions(magnitude=mg + fainter, feh=labels["feh"])
        other = np.where(binary, mg + fainter, np.nan)
        share = np.where(binary, 1 / (1 + 10 ** (0.4 * fainter)), 0.0)
        _, colour = self.relations.magnitudes(**second)
        parts = [self.relations.bp_rp_of(g=m, colour=c) for m, c in ((mg, bprp), (other, colour))]
        bp, rp = (photometry.combined(first=parts[0][k], second=parts[1][k]) for k in (0, 1))
        out = {"mg": photometry.combined(first=mg, second=other), "bprp": bp - rp}
        out |= {"binary": binary, "share": share}
        return out | {f"second_{name}": values for name, values in second.items()}

    def seen(self, labels, system, *, distance, ebprp, rng):
        """Return a table of `COLUMNS` of stars with their systems at distances behind dust."""
        n = len(distance)
        ag = photometry.PER_COLOUR * ebprp
        g = system["mg"] + 5 * np.log10(distance) - 5 + ag
        bp, rp = self.relations.bp_rp_of(g=g, colour=system["bprp"] + ebprp)
        table = {
            **labels, **system, "g": g, "bp": bp, "rp": rp, "distance": distance, "ag": ag,
            "ebprp": ebprp, "ebv": photometry.E_BV * ebprp,
            "kms": VELOCITY * rng.standard_normal(n).clip(-4, 4),
            "split_kms": SPLIT * rng.standard_normal(n).clip(-4, 4),
        }  # fmt: skip
        return pd.DataFrame(table)[list(COLUMNS)]
