"""A peer of the network: template fitting with the mock's own lines and stars."""
