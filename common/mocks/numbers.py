"""Numbers of mock objects, which carry the seed that made them: no mock passes for another's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEEDS = 1000  # after as many the numbers begin again


@dataclass(frozen=True)
class Numbers:
    """Numbers of the objects of a mock.

    Attributes
    ----------
    first : int
        Of a mock of the usual seed.
    room : int
        Numbers of each seed.
    usual : int
        The seed that trainings have.
    """

    first: int
    room: int
    usual: int = 1

    def of(self, index, seed):
        """Return the numbers of the objects at places `index` (ndarray of int) of a mock, int64."""
        start = self.first + (seed - self.usual) % SEEDS * self.room
        return start + np.asarray(index, dtype=np.int64)

    def made(self, names, seed):
        """Return which of the objects a mock of this seed may hold, ndarray of bool, shape (n,).

        Parameters
        ----------
        names : sequence of str
            Numbers; what is none may be anyone's, and counts.
        seed : int
        """
        start = self.first + (seed - self.usual) % SEEDS * self.room
        return np.array([not str(name).isdecimal() or start <= int(name) < start + self.room
                         for name in names], dtype=bool)  # fmt: skip
