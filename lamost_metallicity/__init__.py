"""Gas-phase metallicity from LAMOST spectra (Feng, Wang & Li 2026, Acta Astron. Sin. 67, 2)."""

__all__ = ["measure"]


def __getattr__(name):
    if name != "measure":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lamost_metallicity.inpython import measure

    return measure
