"""The network beside the paper's: templates learned at rest, read at every redshift."""
