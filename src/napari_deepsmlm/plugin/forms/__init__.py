"""Forms: editors of configurations, and the choosers that panels share."""
