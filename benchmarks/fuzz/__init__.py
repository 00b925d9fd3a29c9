"""Damaged files of every kind through all readers; see `benchmarks.fuzz.__main__`."""
