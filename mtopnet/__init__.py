"""M-TOPnet: redshift, mass and star formation rate (Ginolfi et al. 2025, A&A 693, A73)."""

__all__ = ["measure"]


def __getattr__(name):
    if name != "measure":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mtopnet.inpython import measure

    return measure
