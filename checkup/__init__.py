"""What receivers will find when they look us up: our records in the DNS, read as they read them, and what to set."""
