"""Workers of a dask scheduler that the user runs, as `common.catalogue.crew` takes a crew."""

from __future__ import annotations

from common.catalogue.crew import TRIES, Done, attempt
from common.cli import say
from common.errors import UsageError

AHEAD = 2  # default: tasks given out for each thread of the workers, so that none waits
PATIENCE = 30  # s, default: until a scheduler that does not answer is given up


class Cluster:
    """The workers of a scheduler. Use as a context manager.

    Parameters
    ----------
    address : str
        Such as "tcp://host:8786", or the path of a scheduler file (.json).

    Raises
    ------
    UsageError
        If dask.distributed is not installed, or no scheduler answers.
    """

    def __init__(self, address):
        try:
            from distributed import Client
        except ImportError:
            raise UsageError(
                "--dask needs dask.distributed, which is not installed. Install the extra: "
                'pip install "spectra-reproductions[dask]"; --workers N needs no extra.'
            ) from None
        where = {"scheduler_file" if address.endswith(".json") else "address": address}
        try:
            self._client = Client(**where, timeout=PATIENCE)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            raise UsageError(
                f"--dask: no scheduler answers at {address} ({error or type(error).__name__}). "
                'Allowed: the address that `dask scheduler` prints, such as "tcp://host:8786", or '
                "its --scheduler-file."
            ) from error

    def __enter__(self):
        if not self._threads():
            say("the scheduler has no workers yet: tasks wait for them")
        return self

    def __exit__(self, *_):
        self._client.close()

    def _threads(self):
        return sum(self._client.nthreads().values())

    @property
    def window(self):
        """How many tasks are given out at once; workers may come and go."""
        return AHEAD * max(2, self._threads())

    def submit(self, function, *args):
        """Give out a task; return its future. A worker that dies costs it a try."""
        # Not pure: parts may have been deleted since the same was asked for.
        return self._client.submit(attempt, function, args, retries=TRIES - 1, pure=False)

    def wait(self, tickets):
        """Return what came back: at least one task, dict of future to `Done`."""
        from distributed import wait

        came = {}
        for future in wait(list(tickets), return_when="FIRST_COMPLETED").done:
            error = future.exception()
            came[future] = future.result() if error is None else Done((), None, _words(error))
            future.release()
        return came


def _words(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
