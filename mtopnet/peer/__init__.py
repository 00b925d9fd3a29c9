"""A peer of the network: template fitting of the same spectra with the mock's own lines and stars."""
