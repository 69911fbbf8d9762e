"""What there is to read: feeds come in, stories and their articles are kept, found and set beside each other."""
