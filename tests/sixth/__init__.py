"""A sixth paper, made up: one network for the redshift of one line. It shows what is needed."""
