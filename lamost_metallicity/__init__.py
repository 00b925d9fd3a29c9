"""Gas-phase metallicity from LAMOST spectra (Feng, Wang & Li 2026, Acta Astron. Sin. 67, 2).

The network is not in this release yet; README.md says what it will do.
"""
