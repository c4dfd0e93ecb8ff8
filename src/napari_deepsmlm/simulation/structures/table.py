"""FromTable: the sites of a measured or designed structure, read from a file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.simulation.structures._base import StructureBase, slots, uniform

if TYPE_CHECKING:
    from torch import Tensor

    from napari_deepsmlm.simulation.structures._base import Geometry

    Points = np.ndarray[Any, Any]

_SUFFIXES = (".npy", ".csv")
_SPELLINGS = {"x": ("x_nm", "x [nm]"), "y": ("y_nm", "y [nm]"), "z": ("z_nm", "z [nm]")}


class FromTable(StructureBase):
    """Molecules on sites that a table lists: the super-resolved image of a real sample, say.

    The file is a CSV with `x_nm, y_nm` (and `z_nm`) or ThunderSTORM's `x [nm], y [nm]`, or a .npy
    of (N, 2) or (N, 3) nm; other columns do not matter. It is read when first used; a path that
    is not absolute starts at the working folder.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     structure = FromTable.from_points(folder + "/sites.npy", np.zeros((5, 2)))
    >>> structure.path.name
    'sites.npy'
    """

    kind: Literal["table"] = "table"
    path: Path = Field(description="CSV or .npy file with the sites.")
    crop: Literal["middle", "random"] = Field(
        "middle",
        description="Which part of a table larger than the field of view is shown; random ones "
        "have the density on average, and more where there are more sites.",
    )

    @field_validator("path")
    @classmethod
    def _is_known_kind(cls, value: Path) -> Path:
        if value.suffix.lower() not in _SUFFIXES:
            raise ValueError(f"'{value.name}' is no .csv or .npy file")
        return value

    @classmethod
    def from_points(
        cls, path: str | Path, xyz_nm: Points, crop: Literal["middle", "random"] = "middle"
    ) -> FromTable:
        """Write (N, 2) or (N, 3) nm as a .npy file and return the structure that names it."""
        points = _check(np.asarray(xyz_nm), "the array")
        with atomic_write(path) as file:
            np.save(file, points)
        return cls(path=Path(path), crop=crop)

    def points_nm(self) -> Points:
        """Return (N, 3) float32 nm.

        Raises
        ------
        FileNotFoundError, ValueError
            If the file is not there or has no positions; one sentence.
        """
        try:
            modified = self.path.stat().st_mtime
        except OSError:
            message = f"Table '{self.path}' is not there; correct its path."
            raise FileNotFoundError(message) from None
        return _load(self.path, modified)

    def realise(
        self, n: int, extent_nm: tuple[float, float], generator: torch.Generator
    ) -> Geometry:
        """Choose the part of the table that is seen, and list the sites in it."""
        points = torch.from_numpy(self.points_nm()).to(generator.device)
        order = torch.randperm(len(points), generator=generator, device=generator.device)
        points = points[order]  # `place` takes them from all over
        extent = points.new_tensor([extent_nm[1], extent_nm[0]])
        low, high = points[:, :2].amin(0), points[:, :2].amax(0)
        corner = ((low + high - extent) / 2).expand(n, -1)
        if self.crop == "random":
            spare = (high - low - extent).clamp(min=0)
            corner = corner + (uniform((n, 2), 0, 1, generator) - 0.5) * spare
        shown = [_inside(points, each, extent) for each in corner]
        sites = torch.nn.utils.rnn.pad_sequence(shown, batch_first=True)
        # Sites that a part of this size has on average.
        area = extent.prod() / torch.maximum(high - low, extent).prod()
        expected = len(points) * area if self.crop == "random" else None
        return {
            "expected": expected,
            "points": points,
            "corner": corner,
            "sites": sites,
            "n_sites": torch.tensor([len(each) for each in shown], device=points.device),
        }

    def place(
        self,
        geometry: Geometry,
        counts: Tensor,
        generator: torch.Generator,
        *,
        n_frames: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Draw sites, each as likely as another; where none is seen no molecule is placed.

        Of the molecules of a frame no two have one site, as far as the sites reach.
        """
        n_sites = geometry["n_sites"].expand(len(counts))
        if geometry["expected"] is not None:
            share = counts * n_sites / geometry["expected"]
            counts = (share + uniform(tuple(share.shape), 0, 1, generator)).long()
        is_there = slots(counts * (n_sites > 0))
        size = tuple(is_there.shape)
        if size[1] == 0:
            return torch.zeros(*size, 3, device=counts.device), is_there
        # As many groups of sites as molecules in a frame, and one of each.
        n_groups = (counts / n_frames).ceil().clamp(min=1).long()[:, None]
        group = torch.arange(size[1], device=counts.device) % n_groups
        first, end = (k * n_sites[:, None] // n_groups for k in (group, group + 1))
        which = first + (uniform(size, 0, 1, generator) * (end - first)).long()
        which = which.minimum((n_sites[:, None] - 1).clamp(min=0))
        sites = geometry["sites"].expand(len(counts), -1).gather(1, which)
        xyz_nm: Tensor = geometry["points"][sites].clone()
        xyz_nm[..., :2] -= geometry["corner"].expand(len(counts), -1)[:, None]
        return xyz_nm, is_there


def _inside(points: Tensor, corner: Tensor, extent: Tensor) -> Tensor:
    within = points[:, :2] - corner
    return ((within >= 0) & (within < extent)).all(1).nonzero()[:, 0]


@lru_cache(maxsize=4)
def _load(path: Path, modified: float) -> Points:
    """Return checked sites; `modified` makes a changed file a new entry of the cache."""
    try:
        if path.suffix.lower() == ".npy":
            return _check(np.load(path, allow_pickle=False), f"'{path.name}'")
        import pandas as pd

        table = pd.read_csv(path)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"Table '{path.name}' cannot be read ({error}).") from None
    columns = []
    for axis, spellings in _SPELLINGS.items():
        name = next((name for name in spellings if name in table.columns), None)
        if name is not None:
            columns.append(pd.to_numeric(table[name], errors="coerce").to_numpy())
        elif axis != "z":
            found = ", ".join(map(str, table.columns))
            raise ValueError(f"Table '{path.name}' has no column '{spellings[0]}': {found[:200]}.")
    return _check(np.stack(columns, axis=1), f"'{path.name}'")


def _check(points: Points, source: str) -> Points:
    if points.ndim != 2 or points.shape[1] not in (2, 3) or len(points) == 0:
        raise ValueError(f"Sites: expected (N, 2) or (N, 3) nm, {source} has {points.shape}.")
    if points.dtype.kind not in "fiu" or not np.isfinite(points).all():
        raise ValueError(f"Sites: {source} has positions that are not finite numbers.")
    flat = np.zeros((len(points), 3), np.float32)
    flat[:, : points.shape[1]] = points
    return flat
