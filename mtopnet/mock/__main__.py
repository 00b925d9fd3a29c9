"""``python -m mtopnet.mock``: see `mtopnet.mock.make`."""

import sys

from mtopnet.mock.make import main

if __name__ == "__main__":
    sys.exit(main())
