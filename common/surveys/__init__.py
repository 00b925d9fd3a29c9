"""Readers of survey files: every format is told by its content and becomes `Spectra`."""

from common.surveys.find import find_files
from common.surveys.read import read
from common.surveys.stream import SpectraStream, read_many

__all__ = ["SpectraStream", "find_files", "read", "read_many"]
