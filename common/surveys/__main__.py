"""Say what files are and what is in them: ``python -m common.surveys FILE_OR_FOLDER...``."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from common.cli import parser, run, say
from common.errors import SuiteError, UsageError, short
from common.surveys.describe import describe, lines_of
from common.surveys.find import ENDINGS, find_files
from common.surveys.tablefile import ENDINGS as TABLES

FOUND = (*ENDINGS, *(ending + gz for ending in (*TABLES, ".votable") for gz in ("", ".gz")))


def main(argv=None):
    """Run the command line; return the exit status: 1 where a file cannot be read."""
    p = parser("python -m common.surveys", "Say what files are and what is in them.")
    p.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER",
                   help="files of spectra or tables; folders are searched for them")  # fmt: skip
    p.add_argument("--json", action="store_true", help="one JSON object a line, errors among them")
    return run(_work, p.parse_args(argv))


def _work(args):
    files = find_files(args.paths, endings=FOUND, labels=True)
    wrong = 0
    for number, file in enumerate(files):
        try:
            with warnings.catch_warnings(record=True) as caught:
                about = describe(file)
            about["warnings"] = [short(w.message) for w in caught]
            text = "\n".join(lines_of(about) + [f"  warning     {w}" for w in about["warnings"]])
        except UsageError:
            raise
        except (SuiteError, MemoryError) as error:
            wrong += 1
            reason = str(error).removeprefix(f"{file}: ") or type(error).__name__
            about, text = {"file": str(file), "error": reason}, f"{file}\n  NOT READ    {reason}"
        say(json.dumps(about) if args.json else ("\n" if number else "") + text)
    if wrong:
        raise SuiteError(f"{wrong} of {len(files)} files cannot be read; the reasons are above.")


if __name__ == "__main__":
    sys.exit(main())
