"""Survey files, read once: sharded, compressed, checksummed, with a manifest; and added to."""

from common.ingest.run import Ingested, ingest

__all__ = ["Ingested", "ingest"]
