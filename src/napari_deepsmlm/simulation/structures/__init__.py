"""Structures: where molecules sit, drawn for a whole batch at once."""

from napari_deepsmlm.simulation.structures._base import StructureBase
from napari_deepsmlm.simulation.structures.filaments import Filaments
from napari_deepsmlm.simulation.structures.microtubules import Microtubules
from napari_deepsmlm.simulation.structures.mixture import Mixture, Structure
from napari_deepsmlm.simulation.structures.patterns import Lines, SiemensStar
from napari_deepsmlm.simulation.structures.rings import NuclearPores, Rings
from napari_deepsmlm.simulation.structures.table import FromTable
from napari_deepsmlm.simulation.structures.uniform import Uniform

__all__ = [
    "Filaments",
    "FromTable",
    "Lines",
    "Microtubules",
    "Mixture",
    "NuclearPores",
    "Rings",
    "SiemensStar",
    "Structure",
    "StructureBase",
    "Uniform",
]
