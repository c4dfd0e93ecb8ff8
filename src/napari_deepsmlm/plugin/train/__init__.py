"""Train: the panel, simulated frames beside real ones, and the run as it goes on."""
