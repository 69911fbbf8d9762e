"""Tests of what there is to read."""
