"""M-TOPnet: redshift, mass and star formation rate (Ginolfi et al. 2025, A&A 693, A73).

The network is not in this release yet; README.md says what it will do.
"""
