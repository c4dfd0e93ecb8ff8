"""Memory: what was chosen and set, kept for the next time."""
