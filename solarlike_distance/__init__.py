"""Distances and parameters of solar-like stars (Shen & Luo 2024, A&A, aa50164-24).

The network is not in this release yet; README.md says what it will do.
"""
