"""Hybrid network for Gaia RVS spectra (Guiglion 2025; Guiglion et al. 2024, A&A 682, A9)."""
