"""Data that are fetched by name: one registry of what, whence and whose, one cache.

``python -m common.assets list | fetch NAME... | verify | where NAME | clean``
"""

from common.assets.fetching import fetch, is_cached
from common.assets.packages import unpack
from common.assets.pickles import load_pickle
from common.assets.registry import Asset, cache_dir, get, path, registry
from common.assets.seal import DONE

__all__ = [
    "DONE", "Asset", "cache_dir", "fetch", "get", "is_cached", "load_pickle", "path", "registry",
    "unpack",
]  # fmt: skip
