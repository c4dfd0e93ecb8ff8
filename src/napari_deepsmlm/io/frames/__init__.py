"""Camera frames of any size and format, read a few at a time."""
