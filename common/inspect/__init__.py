"""A page to look at spectra by eye: one HTML file, and the verdicts that it gives."""
