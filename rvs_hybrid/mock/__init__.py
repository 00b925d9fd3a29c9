"""The forward model that makes stars in the files of Gaia and APOGEE."""
