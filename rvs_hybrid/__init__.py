"""Hybrid network for Gaia RVS spectra (Guiglion 2025; Guiglion et al. 2024, A&A 682, A9)."""

__all__ = ["measure"]


def __getattr__(name):
    if name != "measure":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rvs_hybrid.inpython import measure

    return measure
