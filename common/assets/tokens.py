"""Tokens of archives that want to know who asks: from the environment, and shown nowhere."""

from __future__ import annotations

import os


class Token:
    """A secret and the environment variable that it comes from.

    Parameters
    ----------
    variable : str
        Name of the environment variable.
    where : str
        Where a user gets one, in words.
    """

    def __init__(self, variable, where):
        self.variable, self.where = variable, where

    def __repr__(self):
        return f"Token({self.variable!r})"

    @property
    def value(self):
        """The secret, "" where the variable is not set. Never print or store it."""
        return os.environ.get(self.variable, "").strip()

    def asked_for(self):
        """Return the sentence that asks for it."""
        return (
            f"Set the environment variable {self.variable} to your own token ({self.where}) and "
            "run the same command again; it is sent to that server alone and written nowhere."
        )

    def maybe(self, who):
        """Return the sentence that says of it before anyone has asked."""
        return (
            f"Where {who} wants to know who asks, set {self.variable} to your own token "
            f"({self.where})."
        )
