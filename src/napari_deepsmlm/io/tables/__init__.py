"""Localization tables: those of every program, read and written."""
