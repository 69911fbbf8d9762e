"""Tests of web/ and templates/."""
