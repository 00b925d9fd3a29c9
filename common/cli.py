"""What every command line of the project shares: exit status, errors, progress."""

from __future__ import annotations

import argparse
import os
import sys
import traceback

from tqdm import tqdm

from common.errors import SuiteError, UsageError
from common.network import without


def parser(prog, description, **options):
    """Return an argument parser that shows defaults in its help."""
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        **options,
    )


def run(work, arguments, *, kept=None):
    """Run a command and turn its errors into one message and an exit status.

    Parameters
    ----------
    work : callable
        Takes the parsed arguments.
    arguments : argparse.Namespace
        What to work on. Where it has `offline`, and that is true, no network is used, whatever
        the work does.
    kept : str, optional
        What an interrupted run leaves behind and how to go on; printed on Ctrl-C.

    Returns
    -------
    int
        0: done; 1: the work failed; 2: bad arguments. argparse's own errors also exit with 2.
    """
    try:
        with without(getattr(arguments, "offline", False)):
            work(arguments)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted. {kept or 'Finished files are kept.'}", file=sys.stderr)
        return 1
    except (SuiteError, OSError, MemoryError) as error:
        print(f"error: {error or type(error).__name__}", file=sys.stderr)
        return 1
    except Exception:  # a defect of ours: show where it is, and keep the exit status's promise
        traceback.print_exc()
        print("error: this is a defect of the program; please report it.", file=sys.stderr)
        return 1
    return 0


def progress(iterable=None, *, shown=True, **options):
    """Return a tqdm bar on stderr; silent where stderr is no terminal, unless PROGRESS is set."""
    quiet = not shown or not (sys.stderr.isatty() or os.environ.get("PROGRESS"))
    return tqdm(iterable, file=sys.stderr, disable=quiet, dynamic_ncols=True, **options)


def say(text):
    """Print a line for the user on stdout, at once."""
    print(text, flush=True)
