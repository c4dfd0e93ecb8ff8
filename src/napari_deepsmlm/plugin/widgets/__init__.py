"""Widgets: the small parts that panels are made of; they know no layer and no model."""
