"""``python -m common.assets``: what can be fetched, whether it is here, and whether it is whole."""

from __future__ import annotations

from common.assets.cleaning import clean
from common.assets.fetching import fetch, is_cached
from common.assets.registry import get, path, registry, said_size
from common.assets.seal import faults, sealed
from common.cli import parser, run, say
from common.errors import SuiteError


def _list(args):
    for asset in registry().values():
        state = "cached" if is_cached(asset.name) else "not fetched"
        if asset.kind == "archive":
            state = f"by {asset.command}"
        say(f"{asset.name} {asset.version}  {asset.size}  {asset.kind}  {asset.licence}  {state}\n"
            f"    {asset.content}\n    for: {asset.purpose}")  # fmt: skip


def _fetch(args):
    for name in args.names:
        say(fetch(name, offline=args.offline, progress=True))


def _verify(args):
    """Compare every file with its hash; fails where one differs."""
    wrong = []
    here = [name for name in registry() if is_cached(name)]
    for name in args.names or here:
        place = path(get(name).name)
        if not is_cached(name):
            wrong.append(f"{name}: not here, or not whole")
            continue
        n, found = len(sealed(place)), faults(place)
        wrong += found
        say(f"{name}: {len(found)} of {n} files differ" if found else
            f"{name}: {n} files as they were fetched" if n else
            f"{name}: fetched before hashes were kept; fetch it again to have them")  # fmt: skip
    if wrong:
        raise SuiteError(
            "\n".join(wrong) + "\nRun `python -m common.assets clean NAME`, then fetch it again."
        )


def _where(args):
    for name in args.names:
        say(path(name))


def _clean(args):
    places, freed = clean(args.names)
    for place in places:
        say(f"removed {place}")
    say(f"{said_size(freed)} freed")


def main(argv=None):
    """Run the command line; return the exit status."""
    p = parser("python -m common.assets", "Data of all papers: list, fetch, verify, find, clean.")
    verbs = p.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="name everything, its size and licence, and whether it is here")
    for verb, work, count, about in (
        ("fetch", _fetch, "+", "fetch into the cache; an interrupted one goes on"),
        ("verify", _verify, "*", "compare files with their hashes (default: all that are here)"),
        ("where", _where, "+", "print the folder of an asset's files"),
        ("path", _where, "+", "the same as where"),
        ("clean", _clean, "*", "remove the named assets (default: leftovers and old versions)"),
    ):
        verb_parser = verbs.add_parser(verb, help=about)
        verb_parser.add_argument("names", nargs=count, metavar="NAME")
        verb_parser.set_defaults(work=work)
        if verb == "fetch":
            verb_parser.add_argument("--offline", action="store_true", help="use no network")
    args = p.parse_args(argv)
    return run(getattr(args, "work", _list), args, kept="What came is kept; run it again to go on.")


if __name__ == "__main__":
    raise SystemExit(main())
