"""The post office: it carries mail to addresses and accounts for each, and has never heard of stories or readers."""
