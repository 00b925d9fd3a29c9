"""Gas-phase metallicity from LAMOST spectra (Feng, Wang & Li 2026, Acta Astron. Sin. 67, 2)."""
