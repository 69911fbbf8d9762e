"""Send a story to a friend."""
