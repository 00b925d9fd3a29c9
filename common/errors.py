"""Errors of the project: each says what was received, what is allowed, and what to do."""

LONGEST = 400  # characters of what was found: a message shows no whole array


def short(text, longest=LONGEST):
    """Return a text on one line, cut where it is longer."""
    text = " ".join(str(text).split())
    return text if len(text) <= longest else text[: longest - 4] + " ..."


class SuiteError(Exception):
    """Base of every error that a user can cause and mend (exit status 1)."""


class UsageError(SuiteError):
    """An argument that cannot be used (exit status 2)."""


class ReadError(SuiteError):
    """A file that cannot be read as what it should be.

    Parameters
    ----------
    path : str or path-like
        The file.
    found : str
        What was found in it.
    allowed : str
        What would have been accepted.
    remedy : str, optional
        What the user can do.
    """

    def __init__(self, path, found, allowed, remedy=""):
        self.path, self.found, self.allowed, self.remedy = str(path), short(found), allowed, remedy
        text = f"{path}: {self.found}; allowed: {allowed}."
        super().__init__(text + (f" {remedy}" if remedy else ""))


class MissingDataError(SuiteError):
    """Data that is neither here nor can be fetched now."""
