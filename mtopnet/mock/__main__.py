"""``python -m mtopnet.mock``: see `mtopnet.mock.make`."""

from mtopnet.mock.make import main

if __name__ == "__main__":
    raise SystemExit(main())
