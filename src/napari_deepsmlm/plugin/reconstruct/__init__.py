"""Reconstruct: the panel, its preview, and the layers of a result."""
