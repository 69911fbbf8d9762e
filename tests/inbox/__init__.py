"""The local inbox."""
