"""Forward models of survey spectra: templates, lines, instruments, noise."""
