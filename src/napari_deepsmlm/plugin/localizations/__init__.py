"""Localizations: filter, draw and save a table."""
