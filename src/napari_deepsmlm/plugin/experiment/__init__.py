"""The form of an experiment, which Train and Simulate share."""
