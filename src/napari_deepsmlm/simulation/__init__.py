"""Simulation of blinking molecules: structures, brightness, background, camera."""

from napari_deepsmlm.simulation.simulator import Simulation, Simulator
from napari_deepsmlm.simulation.structures import Filaments, Mixture, Structure, Uniform

__all__ = ["Filaments", "Mixture", "Simulation", "Simulator", "Structure", "Uniform"]
