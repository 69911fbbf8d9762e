"""What there is to read: feeds come in; stories and their articles are kept, found, set beside each other."""
