"""Distances and parameters of solar-like stars (Shen & Luo 2024, A&A, aa50164-24)."""

__all__ = ["measure"]


def __getattr__(name):
    if name != "measure":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from solarlike_distance.inpython import measure

    return measure
