"""Library: which models, devices and cameras there are, found without holding up the window."""
