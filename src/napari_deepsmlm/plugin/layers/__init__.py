"""Layers: where they lie in nm, what they hold, and which of them may serve for something."""
