"""Tests of sharing/."""
