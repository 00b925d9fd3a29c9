"""Where the stars come from: Gaia's files, APOGEE's labels."""
