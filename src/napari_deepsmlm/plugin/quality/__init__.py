"""Quality: resolution, error map and comparison with the truth."""
