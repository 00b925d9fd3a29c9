"""What a page of inspection shows: of all objects together, and of each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Curve:
    """Values along the observed wavelength.

    Attributes
    ----------
    wavelength : ndarray of shape (m,)
        Å, in the medium of the page's spectra.
    values : ndarray of shape (m,)
        NaN where there is none.
    """

    wavelength: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Solution:
    """One answer that an inspector may take.

    Attributes
    ----------
    label : str
        In words.
    kind : str
        Class, whose lines are drawn.
    z, p : float
        Redshift, and the height at which it is marked: its probability.
    """

    label: str
    kind: str
    z: float
    p: float


@dataclass(frozen=True)
class Place:
    """Where an object lies in a diagram: values and 68 % errors (NaN where unknown)."""

    x: float
    y: float
    dx: float = np.nan
    dy: float = np.nan


@dataclass(kw_only=True)
class Shown:
    """One object.

    Attributes
    ----------
    id, file : str
    wavelength, flux : ndarrays of shape (n,)
        Å, observed, increasing; flux NaN where there is none.
    error : ndarray of shape (n,), optional
        Not finite where a pixel carries no information.
    headline : str
        The network's answer in one sentence.
    flags : list of (str, str)
        Name and plain words of what the catalogue warns of.
    numbers : list of (str, str, str)
        Column, value with unit, what it is.
    kind : str
        The network's class, or "".
    z : float
        Redshift that the page begins with.
    solutions : list of Solution
    pdf : ndarray of shape (k,), optional
        On `Page.pdf_z`.
    overlay : Curve, optional
        In units of the flux.
    strips : dict of str to Curve
        What each pixel counts for, by name.
    places : dict of str to Place
        By name of the page's diagram.
    """

    id: str
    file: str
    wavelength: np.ndarray
    flux: np.ndarray
    error: np.ndarray | None = None
    headline: str = ""
    flags: list = field(default_factory=list)
    numbers: list = field(default_factory=list)
    kind: str = ""
    z: float = 0.0
    solutions: list = field(default_factory=list)
    pdf: np.ndarray | None = None
    overlay: Curve | None = None
    strips: dict = field(default_factory=dict)
    places: dict = field(default_factory=dict)


@dataclass(kw_only=True)
class Diagram:
    """A plane in which objects have places, with others behind them.

    Attributes
    ----------
    name, x_label, y_label : str
    x, y : ndarrays of shape (m,)
        The others.
    others : str
        What they are, in words.
    curves : list of (str, ndarray, ndarray)
        Lines of division: name, x, y.
    flip_x, flip_y : bool
        Whether the axis falls, as that of temperatures and magnitudes does.
    """

    name: str
    x_label: str
    y_label: str
    x: np.ndarray
    y: np.ndarray
    others: str
    curves: list = field(default_factory=list)
    flip_x: bool = False
    flip_y: bool = False


@dataclass(kw_only=True)
class Page:
    """All objects, and what they share.

    Attributes
    ----------
    title : str
    facts : list of str
        Sentences above the plots: network, catalogue, what is not shown and why.
    objects : list of Shown
    kinds : dict of str to dict of str to float
        Class that a verdict may name -> lines to mark: name -> wavelength at rest, Å. An object
        without class has the lines of the first.
    z_range : (float, float)
        Of the slider.
    pdf_z : ndarray of shape (k,), optional
    templates : dict of str to Curve
        Class -> pattern over the wavelength at rest, laid over the spectrum at the redshift shown.
    pdf_words, overlay_words : str
        Captions; the latter of the objects' overlays or of the templates.
    strip_words : dict of str to str
        Name of a strip -> caption.
    diagrams : list of Diagram
    medium : {"vacuum", "air"}
    asks_z, asks_kind : bool
        Whether a verdict has a redshift, a class.
    """

    title: str
    objects: list
    kinds: dict
    facts: list = field(default_factory=list)
    z_range: tuple = (-0.01, 7.0)
    pdf_z: np.ndarray | None = None
    templates: dict = field(default_factory=dict)
    pdf_words: str = ""
    overlay_words: str = ""
    strip_words: dict = field(default_factory=dict)
    diagrams: list = field(default_factory=list)
    medium: str = "vacuum"
    asks_z: bool = True
    asks_kind: bool = True
