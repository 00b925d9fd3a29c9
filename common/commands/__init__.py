"""The commands that every paper has; each package hands in what is its own."""
