"""What comes back: bounces, complaints, replies and providers' webhooks, received once, read and verified."""
