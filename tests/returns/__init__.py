"""Tests of returns/."""
