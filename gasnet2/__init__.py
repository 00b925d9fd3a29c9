"""GaSNet-II: classes and redshifts of survey spectra (Zhong et al. 2024, MNRAS 532, 643)."""

__all__ = ["classify"]


def __getattr__(name):
    if name != "classify":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gasnet2.inpython import classify

    return classify
