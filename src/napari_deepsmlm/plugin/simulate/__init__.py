"""Simulate: the panel and its work."""
