"""Figures of the mock itself: the paper's Figs 1 and 2, and published relations beside it."""

from __future__ import annotations

import numpy as np

from common.colours import BLACK, BLUE, GREEN, ORANGE, RED
from common.figures import panels, save, styled
from mtopnet.kinds import other_kind
from mtopnet.mock import check as mock_check
from mtopnet.mock import lines as mock_lines

BRIGHTNESS = (-15.0, -16.5, -17.5)  # log F(Ha) of the three examples of Fig. 2
MARKED = {"[O II]": 3728.5, "Hβ": 4862.68, "[O III]": 5008.24, "Hα": 6564.61}
KINDS = {"star-forming": BLUE, "starburst": ORANGE, "quiescent": RED}


@styled
def distributions(labels):
    """Draw Fig. 1: redshift, mass, rate, m_H and F(Ha), and the M-SFR plane with its literature.

    Parameters
    ----------
    labels : DataFrame
        From `common.surveys.moons.read_labels`, of a mock; one row a spectrum.
    """
    galaxies = labels[~other_kind(labels)].drop_duplicates("galaxy")
    wanted = (("z", "redshift", (0.6, 3.1)), ("log_mass", "log M (M$_\\odot$)", (7.8, 12)),
              ("log_sfr", "log SFR (M$_\\odot$/yr)", (-3, 3.2)), ("m_h", "$m_H$", (18, 28)),
              ("f_ha", "log F(Hα) (erg/s/cm$^2$)", (-19.5, -14)))  # fmt: skip
    figure, axes = panels(6, title="Mock of MOONS galaxies")
    for axis, (name, label, span) in zip(axes, wanted, strict=False):
        values = galaxies[name].to_numpy(dtype=float)
        values = np.log10(values) if name == "f_ha" else values
        axis.hist(values, bins=60, range=span, color=BLUE)
        axis.set(xlabel=label, ylabel="galaxies", xlim=span)
        axis.set_title(f"median {np.median(values):.2f}, n = {len(values)}")
    axis = axes[-1]
    for kind, colour in KINDS.items():
        rows = galaxies["kind"] == kind
        axis.plot(galaxies["log_mass"][rows], galaxies["log_sfr"][rows], ".", ms=1.5, color=colour,
                  label=kind, rasterized=True)  # fmt: skip
    m = np.linspace(9.2, 11.2, 30)
    for z, style in ((0.75, ":"), (1.75, "--")):
        axis.plot(m, mock_check.whitaker(m, np.full(len(m), z)), style, color=BLACK, lw=1,
                  label=f"Whitaker et al. 2014, z = {z}")  # fmt: skip
    axis.plot(m, mock_check.speagle(m, np.ones(len(m))), "-", color=GREEN, lw=1,
              label="Speagle et al. 2014, z = 1")  # fmt: skip
    axis.set(xlabel=wanted[1][1], ylabel=wanted[2][1], xlim=(7.8, 12), ylim=(-3, 3.2))
    axis.legend(fontsize=6, markerscale=4, loc="upper left")
    return figure


def choose(labels, hours=2.0):
    """Return the ids of the three examples of Fig. 2: bright, average and quiescent, near z = 1.

    Where MOONS sees Ha: z up to 1.05, from 1.22 to 1.74.
    """
    z = labels["z"]
    near = labels[(labels["exposure"] == hours) & (z > 0.75) & (z < 1.5)]
    near = near[(near["z"] < 1.04) | (near["z"] > 1.23)]
    found = []
    for level, kinds in zip(BRIGHTNESS, (("star-forming", "starburst"),) * 2 + (("quiescent",),),
                            strict=True):  # fmt: skip
        rows = near[near["kind"].isin(kinds) & (near["f_ha"] > 0)]
        if len(rows):
            found.append(rows["id"].loc[(np.log10(rows["f_ha"]) - level).abs().idxmin()])
    return found


@styled
def examples(spectra, labels):
    """Draw Fig. 2: whole spectra on the left, the surroundings of Ha on the right.

    Parameters
    ----------
    spectra : Spectra
        The chosen ones, see `choose`.
    labels : DataFrame
        One row for each, in any order.
    """
    import matplotlib.pyplot as plt

    labels = labels.set_index("id").loc[spectra.ids]
    mock = "mock" in spectra.meta and bool(spectra.meta["mock"].all())
    figure, axes = plt.subplots(
        len(spectra), 2, figsize=(10.5, 2.3 * len(spectra)), squeeze=False, layout="constrained",
        gridspec_kw={"width_ratios": [3, 1]},
    )  # fmt: skip
    for k, ((left, right), (name, row)) in enumerate(zip(axes, labels.iterrows(), strict=True)):
        wave, flux = spectra.wavelength_of(k), spectra.flux[k]
        step = np.diff(wave)
        for part in np.split(np.arange(len(wave)), np.flatnonzero(step > 5 * np.median(step)) + 1):
            left.plot(wave[part] / 1e4, flux[part], lw=0.3, color="0.35")
        left.set_ylim(*np.nanpercentile(flux, (0.5, 99.7)) * [1.0, 1.6])
        left.set_title(
            f"{name}: z = {row['z']:.3f}, log M = {row['log_mass']:.1f}, log SFR = "
            f"{row['log_sfr']:.1f}, m$_H$ = {row['m_h']:.1f}, log F(Hα) = "
            f"{np.log10(row['f_ha']):.1f}, {row['kind']}{' (mock)' if mock else ''}", fontsize=8,
        )  # fmt: skip
        for line, rest in MARKED.items():
            at = rest * (1 + row["z"])
            left.axvline(at / 1e4, color=RED, lw=0.5)
            left.annotate(line, (at / 1e4, 0.97), xycoords=("data", "axes fraction"), fontsize=7,
                          color=RED, rotation=90, va="top", ha="right")  # fmt: skip
        middle = MARKED["Hα"] * (1 + row["z"])
        near = np.abs(wave - middle) < 120
        right.plot(wave[near] / 1e4, flux[near], lw=0.6, color="0.2", drawstyle="steps-mid")
        right.axvline(middle / 1e4, color=RED, lw=0.5)
        left.set_ylabel(r"10$^{-17}$ erg/s/cm$^2$/Å", fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("wavelength in vacuum (µm)")
    return figure


@styled
def relations(galaxies, *, offline=False):
    """Draw the mock over published relations, and its noise over what is worked out by hand.

    Parameters
    ----------
    galaxies : dict of str to ndarray of shape (n,)
        z, log_mass, log_sfr, kind: from `mock.Universe.draw`, or columns of labels.
    offline : bool
        Never touch the network.
    """
    figure, axes = panels(6, title="Mock and published relations")
    rng = np.random.default_rng(0)
    lines = mock_lines.intrinsic_ratios(galaxies, rng)
    z, mass = np.asarray(galaxies["z"]), np.asarray(galaxies["log_mass"])
    sfr, active = np.asarray(galaxies["log_sfr"]), np.asarray(galaxies["kind"]) == "star-forming"
    dots = dict(ls="", marker=".", ms=1.5, color="0.6", rasterized=True)
    m = np.linspace(8.5, 11.3, 60)
    for axis, middle in zip(axes[:2], (1.0, 2.0), strict=True):
        rows, at = np.abs(z - middle) < 0.2, np.full(len(m), middle)
        axis.plot(mass[rows], sfr[rows], label="mock", **dots)
        axis.plot(m, mock_check.mock_population.main_sequence(m, at), color=BLACK, lw=1,
                  label="Schreiber et al. 2015")  # fmt: skip
        axis.plot(m, mock_check.speagle(m, at), "--", color=BLUE, label="Speagle et al. 2014")
        axis.plot(m[m > 9.2], mock_check.whitaker(m, at)[m > 9.2], ":", color=RED,
                  label="Whitaker et al. 2014")  # fmt: skip
        axis.set(xlabel="log M", ylabel="log SFR", title=f"z = {middle:.1f}", ylim=(-2.5, 3))
    rows = active & (np.abs(z - 2.3) < 0.3) & (mass > 9)
    pairs = zip(mock_check.pettini_pagel(lines), mock_check.steidel(m), ("N2", "O3N2"), strict=True)
    for axis, (value, curve, name) in zip(axes[2:4], pairs, strict=True):
        axis.plot(mass[rows], value[rows], label="mock, z = 2.3", **dots)
        axis.plot(m, curve, color=RED, label="Steidel et al. 2014")
        axis.set(xlabel="log M", ylabel=f"12 + log(O/H), PP04 {name}", ylim=(7.6, 9.0))
    n2 = np.linspace(-1.8, -0.15, 80)
    ratio = (np.log10(lines[a] / lines[b])[active] for a, b in (("NII", "Ha"), ("OIII", "Hb")))
    axes[4].plot(*ratio, label="mock, all z", **dots)
    axes[4].plot(
        n2, mock_check.ridge(n2, z=0), "--", color=BLACK, label="Kewley et al. 2013, z = 0"
    )
    axes[4].plot(n2, mock_check.ridge(n2, z=2.3), color=RED, label="Shapley et al. 2015, z = 2.3")
    axes[4].set(xlabel="log [N II]/Hα", ylabel="log [O III]/Hβ", ylim=(-1.2, 1.2), xlim=(-2, 0))
    _noise(axes[5], offline)
    for axis in axes:
        axis.legend(fontsize=6, markerscale=4)
    return figure


def _noise(axis, offline):
    magnitudes = np.linspace(20, 25, 11)
    for wavelength, colour in ((8200.0, BLUE), (12250.0, GREEN), (16240.0, RED)):
        for hours, style in ((2, ":"), (8, "-")):
            options = dict(wavelength=wavelength, hours=hours, share=0.6, offline=offline)
            ours = [mock_check.continuum_snr(magnitude=x, **options) for x in magnitudes]
            hand = [mock_check.continuum_snr_by_hand(magnitude=x, **options) for x in magnitudes]
            label = f"{wavelength / 1e4:.3g} µm, {hours} h"
            axis.semilogy(magnitudes, ours, style, color=colour, lw=1, label=label)
            axis.semilogy(magnitudes[::2], hand[::2], "x", color=colour, ms=4)
    axis.set(xlabel="AB magnitude", ylabel="S/N per pixel (x: by hand)")


def draw_all(folder, *, offline=False):
    """Draw every figure of a mock's folder into its figures/; return their files.

    Parameters
    ----------
    folder : Path
        As `mock.make_mock` filled it.
    offline : bool
        Never touch the network.
    """
    from common.surveys import read
    from common.surveys.moons import read_labels

    labels, out = read_labels(folder), folder / "figures"
    files = [
        save(distributions(labels), out / "F1_distributions"),
        save(relations(labels.drop_duplicates("galaxy"), offline=offline), out / "relations"),
    ]
    spectra = read(min((folder / "spectra").glob("*.fits")))
    hours = float(labels["exposure"].min())
    chosen = choose(labels[labels["id"].isin(spectra.ids)], hours)
    if chosen:
        rows = [int(np.flatnonzero(spectra.ids == name)[0]) for name in chosen]
        files.append(save(examples(spectra[rows], labels), out / "F2_spectra"))
    return files
