"""Stopping a catalogue that is plainly fed the wrong thing."""

from __future__ import annotations

import argparse
from collections import Counter

from common.errors import SuiteError, UsageError
from common.rejects import CODES, code_of

LEAST = 100  # default: so many spectra are looked at before a share is judged


def limit_of(text):
    """Return what --max-rejects says: a whole number, or a share where there is a point in it."""
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number nor a share such as 0.2"
        ) from None


def check_limit(most):
    """Raise `UsageError` where a limit is neither a number of rejects nor a share below 1."""
    good = most is None or (0 <= most < 1 if isinstance(most, float) else most >= 0)
    if not good:
        raise UsageError(
            f"--max-rejects must be a whole number, or a share from 0.0 to below 1. "
            f"Received {most}."
        )


class Limit:
    """Counts what could not be used, job by job.

    Parameters
    ----------
    most : int or float, optional
        A number, or a share of all spectra and unreadable files; None: no limit. A share is judged
        after `LEAST` of them, and at the end.
    """

    def __init__(self, most):
        self._most, self._lost, self._all = most, 0, 0

    def add(self, receipt):
        """Take in the `common.catalogue.spread.Receipt` of a job or a batch.

        Raises
        ------
        SuiteError
            If there are more rejects than allowed.
        """
        self._lost += receipt.lost + receipt.unread
        self._all += receipt.spectra + receipt.unread
        if isinstance(self._most, int) or self._all >= LEAST:
            self._judge(self._lost, self._all, "")

    def check(self, parts):
        """Judge all parts, those of earlier calls among them.

        Raises
        ------
        SuiteError
            If there are more rejects than allowed.
        """
        if self._most is None:
            return
        codes = Counter(row.get("code") or code_of(row["reason"]) for row in parts.rejects())
        lost = sum(codes.values())
        first = [name for name in parts.kinds().index if not name.startswith("_")][:1]
        rows = sum(len(table) for table in parts.tables(first)) if first else 0
        most = ", ".join(f"{n} x {code} ({CODES[code]})" for code, n in codes.most_common(3))
        self._judge(lost, rows + lost, f" Most of them: {most}.")

    def _judge(self, lost, every, why):
        if self._most is None or not every:
            return
        share = isinstance(self._most, float)
        if lost > (self._most * every if share else self._most):
            raise SuiteError(
                f"{lost} of {every} could not be used, more than --max-rejects {self._most:g}: "
                f"is this what was meant to be read?{why} Their reasons are in the table of "
                "rejects beside what is finished; go on with the same command and a higher limit."
            )
