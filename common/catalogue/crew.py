"""Processes that take tasks: on this machine, each for itself, and one that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait
from typing import NamedTuple

from tqdm import tqdm

from common.errors import SuiteError

TRIES = 3  # default: so often a task is given out before it is left alone
PAUSE = 1  # s, default: before what the system refused is tried again
GRACE = 5  # s, default: that an idle process has to end
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
           "TF_NUM_INTEROP_THREADS")  # fmt: skip


class Done(NamedTuple):
    """A task that came back: what the function returned, or what was wrong (text, else None).

    `defect` is the traceback of an error that is not one of the project's, "" of one that is.
    """

    task: tuple
    result: object
    error: str | None
    defect: str = ""


def completed(crew, function, tasks):
    """Give tasks to a crew and yield `Done` as they come back.

    Parameters
    ----------
    crew : object
        `window`, how many tasks are given out at once; `submit(function, *task)`, which returns
        a ticket; and `wait(tickets)`, which returns {ticket: `Done` without its task} of at least
        one of them. Such as `Processes` and `common.catalogue.cluster.Cluster`.
    function : callable of a module
    tasks : iterable of tuple
        The arguments; taken only when they can be given out, so that few are held.
    """
    tasks, out = iter(tasks), {}
    while True:
        for task in islice(tasks, max(0, crew.window - len(out))):
            out[crew.submit(function, *task)] = task
        if not out:
            return
        for ticket, done in crew.wait(out).items():
            yield done._replace(task=out.pop(ticket))


class Processes:
    """Processes of this machine. Use as a context manager.

    Each shares the cores with the others: its libraries take cores // n threads, unless the
    environment says otherwise. One that dies is replaced, and its task given out again, up to
    `TRIES` times in all; one whose parent dies ends itself.

    Parameters
    ----------
    n : int
    """

    def __init__(self, n):
        self.window, self._workers, self._tickets = n, [], 0

    def __enter__(self):
        threads = str(max(1, len(os.sched_getaffinity(0)) // self.window))
        with _environment({name: threads for name in THREADS}):
            self._workers = [_Worker() for _ in range(self.window)]
        self._threads = threads
        return self

    def __exit__(self, *_):
        for worker in self._workers:
            worker.end()

    def submit(self, function, *args):
        """Give a task to a free process; return its ticket."""
        worker = next(w for w in self._workers if w.ticket is None)
        self._tickets += 1
        worker.give(self._tickets, (function, args))
        return self._tickets

    def wait(self, tickets):
        """Return what came back: at least one task, dict of ticket to `Done`."""
        came = {}
        while not came:
            busy = [w for w in self._workers if w.ticket in tickets]
            ready = wait([end for w in busy for end in (w.pipe, w.process.sentinel)])
            for worker in busy:
                if worker.pipe not in ready and worker.process.sentinel not in ready:
                    continue
                ticket = worker.ticket
                done = worker.take()
                if done is None:
                    done = self._replaced(worker)
                if done is not None:
                    came[ticket] = done
        return came

    def _replaced(self, worker):
        """Put a new process in place of a dead one, with its task; `Done` where it had enough."""
        code = worker.process.exitcode
        with _environment({name: self._threads for name in THREADS}):
            new = _Worker()
        self._workers[self._workers.index(worker)] = new
        worker.end()
        if worker.tries >= TRIES:
            return Done((), None, f"{worker.tries} workers died at it (exit status {code})")
        new.tries = worker.tries
        new.give(worker.ticket, worker.work)
        return None


class _Worker:
    """A process and the task that it has."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()  # so that a dead process is an end of the pipe
        self.ticket, self.work, self.tries = None, None, 0

    def give(self, ticket, work):
        self.ticket, self.work = ticket, work
        self.tries += 1
        try:
            self.pipe.send(work)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has died: `take` finds that

    def take(self):
        """Return `Done`, after which it is free; None if the process is dead."""
        try:
            done = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            done = None
        if done is not None:
            self.ticket, self.work, self.tries = None, None, 0
        else:
            self.process.join(1)
        return done

    def end(self):
        self.pipe.close()  # which an idle process takes for the end of its work
        if self.ticket is None:
            self.process.join(GRACE)
        self.process.kill()
        self.process.join()


def _serve(pipe):
    """Work on tasks until the pipe ends: the life of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # a semaphore of the system would outlive a kill
    while True:
        try:
            function, args = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(function, args))


def attempt(function, args):
    """Call a function; return `Done`, whatever happens. What the system refuses is tried again."""
    for left in reversed(range(TRIES)):
        try:
            return Done((), function(*args), None)
        except OSError as error:  # of a shared file system, which may be well in a moment
            if not left:
                return Done((), None, str(error))
            time.sleep(PAUSE)
        except (SuiteError, MemoryError) as error:
            return Done((), None, str(error) or type(error).__name__)
        except Exception as error:
            return Done((), None, f"{type(error).__name__}: {error}", traceback.format_exc())


def _end_with_parent():
    """End this process when its parent has ended, however that came."""
    multiprocessing.parent_process().join()
    os._exit(1)


@contextmanager
def _environment(values):
    """Set variables of the environment that are not set, for processes that begin meanwhile."""
    new = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]
