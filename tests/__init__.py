"""The tests: the same tree as the code, and journeys through all of it."""
