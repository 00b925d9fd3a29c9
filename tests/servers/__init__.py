"""Servers of our own on loopback, which speak the archives' protocols and can be made to fail."""

from tests.servers.loopback import Answer, Loopback, Request

__all__ = ["Answer", "Loopback", "Request"]
