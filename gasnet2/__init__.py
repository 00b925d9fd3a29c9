"""GaSNet-II: classes and redshifts of survey spectra (Zhong et al. 2024, MNRAS 532, 643)."""
