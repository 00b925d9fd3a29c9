"""Hybrid network for Gaia RVS spectra (Guiglion 2025; Guiglion et al. 2024, A&A 682, A9).

The network is not in this release yet; README.md says what it will do.
"""
