"""The forward model that makes spectra and labels in the survey's own files."""
