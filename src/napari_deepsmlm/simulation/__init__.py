"""Simulation of blinking molecules: structures, brightness, background, camera."""

from napari_deepsmlm.simulation.blinking import (
    Blinking,
    Exponential,
    FourState,
    Independent,
    Survival,
)
from napari_deepsmlm.simulation.motion import Drift
from napari_deepsmlm.simulation.movement import Movement
from napari_deepsmlm.simulation.settings import Simulation
from napari_deepsmlm.simulation.simulator import Simulator
from napari_deepsmlm.simulation.structures import (
    Filaments,
    FromTable,
    Lines,
    Microtubules,
    Mixture,
    NuclearPores,
    Rings,
    SiemensStar,
    Structure,
    Uniform,
)

__all__ = [
    "Blinking",
    "Drift",
    "Exponential",
    "Filaments",
    "FourState",
    "FromTable",
    "Independent",
    "Lines",
    "Microtubules",
    "Mixture",
    "Movement",
    "NuclearPores",
    "Rings",
    "SiemensStar",
    "Simulation",
    "Simulator",
    "Structure",
    "Survival",
    "Uniform",
]
