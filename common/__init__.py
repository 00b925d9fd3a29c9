"""The shared floor: knows spectra and training, knows no paper."""
