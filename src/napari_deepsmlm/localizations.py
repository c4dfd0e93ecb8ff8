"""Localizations: a table of molecules with units in its column names, for truth and result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    import torch

    Rows = np.ndarray[Any, Any] | torch.Tensor

REQUIRED_COLUMNS = ("frame", "x_nm", "y_nm")
AXES = ("x_nm", "y_nm", "z_nm")
MAX_FRAMES = 10_000_000
"""Of a movie: more than a day at a hundred frames per second."""
MAX_POSITION_NM = 1e9
"""A molecule that is a metre away is a fit that failed."""

KNOWN_COLUMNS = {
    "frame": "camera frame, counted from 0 (files count from 1 where their format does)",
    "x_nm": "position along columns, nm from the outer edge of the first pixel",
    "y_nm": "position along rows, nm from the outer edge of the first pixel",
    "z_nm": "axial position, nm",
    "photons": "photons of the molecule in this frame",
    "background": "background photons per camera pixel",
    "background_std": "standard deviation of the background, photons per camera pixel",
    "sigma_nm": "standard deviation of the PSF, nm (along x if `sigma_y_nm` is there too)",
    "sigma_y_nm": "standard deviation of the PSF along y, nm",
    "uncertainty_x_nm": "standard error of x_nm",
    "uncertainty_y_nm": "standard error of y_nm",
    "uncertainty_z_nm": "standard error of z_nm",
    "probability": "probability that the molecule is real, 0 to 1",
    "p_value": "how often a true fit is worse than this one; near 0 where spots overlap",
    "detections": "number of frames merged into this row",
    "molecule": "identity of a simulated molecule, the same in all its frames",
    "drift_x_nm": "how far the sample has moved in this frame, already part of x_nm",
    "drift_y_nm": "how far the sample has moved in this frame, already part of y_nm",
    "drift_z_nm": "how far the sample has moved in this frame, already part of z_nm",
    "id": "number of the row in the file it was read from",
}


class Localizations:
    """Molecules as equal-length columns, all numpy arrays or all torch tensors.

    Parameters
    ----------
    frame : (N,) integers, counted from 0. In training batches: the index in the batch.
    x_nm, y_nm : (N,) nm from the outer corner of the top-left pixel.
    columns : any of `KNOWN_COLUMNS`, or further ones with the unit in the name.

    Raises
    ------
    ValueError
        If lengths differ, a column is not one-dimensional, or frames are not whole numbers.

    Examples
    --------
    >>> table = Localizations(frame=[1, 0], x_nm=[50.0, 75.0], y_nm=[50.0, 60.0])
    >>> table.sort("frame").x_nm
    array([75., 50.])
    >>> len(table[table.x_nm > 60])
    1
    """

    __slots__ = ("_columns", "_is_sorted")

    def __init__(self, *, frame: Any, x_nm: Any, y_nm: Any, **columns: Any) -> None:
        given = {"frame": frame, "x_nm": x_nm, "y_nm": y_nm, **columns}
        self._columns = {name: _as_column(name, values) for name, values in given.items()}
        self._is_sorted: bool | None = None
        lengths = {name: len(values) for name, values in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Columns of different lengths: {lengths}.")

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> Localizations:
        """Build a table from a mapping of column names to arrays."""
        missing = [name for name in REQUIRED_COLUMNS if name not in columns]
        if missing:
            raise ValueError(f"Missing columns: {', '.join(missing)}. Found: {', '.join(columns)}.")
        return cls(**dict(columns))

    @classmethod
    def empty(cls, *names: str) -> Localizations:
        """Return a table of no rows with the required columns and `names`."""
        none = np.zeros(0)
        return cls.from_columns(dict.fromkeys((*REQUIRED_COLUMNS, *names), none))

    @classmethod
    def concatenate(cls, tables: Iterable[Localizations]) -> Localizations:
        """Stack tables with the same columns, in the order given."""
        parts = list(tables)
        if len(parts) < 2:
            return parts[0] if parts else cls.empty()
        names = parts[0].names
        for part in parts[1:]:
            if set(part.names) != set(names):
                raise ValueError(f"Tables with different columns: {names} and {part.names}.")
        return cls.from_columns({name: _stack([part[name] for part in parts]) for name in names})

    # -- columns ---------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, the required three first."""
        return tuple(self._columns)

    @property
    def frame(self) -> Any:
        """(N,) frame numbers from 0."""
        return self._columns["frame"]

    @property
    def x_nm(self) -> Any:
        """(N,) positions along columns, nm."""
        return self._columns["x_nm"]

    @property
    def y_nm(self) -> Any:
        """(N,) positions along rows, nm."""
        return self._columns["y_nm"]

    @property
    def is_3d(self) -> bool:
        """Whether the table has axial positions."""
        return "z_nm" in self._columns

    @property
    def is_torch(self) -> bool:
        """Whether the columns are torch tensors."""
        return not isinstance(self.frame, np.ndarray)

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def __len__(self) -> int:
        return len(self.frame)

    @overload
    def __getitem__(self, key: str) -> Any: ...

    @overload
    def __getitem__(self, key: int | slice | list[int] | Rows) -> Localizations: ...

    def __getitem__(self, key: Any) -> Any:
        """A column by its name, or a table of the rows that a mask, index or slice picks."""
        if isinstance(key, str):
            if key not in self._columns:
                raise KeyError(f"No column '{key}'. Available: {', '.join(self.names)}.")
            return self._columns[key]
        if isinstance(key, int | np.integer):
            key = slice(key, key + 1 or None)
        return self._replaced({name: values[key] for name, values in self._columns.items()})

    def with_columns(self, **columns: Any) -> Localizations:
        """Return a table with columns added or replaced."""
        return Localizations.from_columns({**self._columns, **columns})

    def without(self, *names: str) -> Localizations:
        """Return a table without some columns."""
        kept = {name: values for name, values in self._columns.items() if name not in names}
        return Localizations.from_columns(kept)

    # -- rows ------------------------------------------------------------------------------

    def sort(self, by: str = "frame") -> Localizations:
        """Return the rows in ascending order of one column; equal rows keep their order."""
        if by == "frame" and self.is_sorted:
            return self
        values = self[by]
        if isinstance(values, np.ndarray):
            return self[np.argsort(values, kind="stable")]
        order: torch.Tensor = values.argsort(stable=True)
        return self[order]

    @property
    def is_sorted(self) -> bool:
        """Whether frames ascend, which per-frame access needs (looked at once)."""
        if self._is_sorted is None:
            frame = self.frame
            self._is_sorted = len(frame) < 2 or bool((frame[1:] >= frame[:-1]).all())
        return self._is_sorted

    def in_frames(self, start: int, stop: int) -> Localizations:
        """Return the rows of frames start <= frame < stop as a view, found by bisection."""
        self._require_sorted()
        frame = self.frame
        if isinstance(frame, np.ndarray):
            first, last = np.searchsorted(frame, [start, stop])
        else:
            import torch

            first, last = torch.searchsorted(frame, frame.new_tensor([start, stop])).tolist()
        return self[slice(int(first), int(last))]

    # -- conversions -----------------------------------------------------------------------

    def to_numpy(self) -> Localizations:
        """Return the table with numpy columns."""
        if not self.is_torch:
            return self
        return self._replaced({name: v.detach().cpu().numpy() for name, v in self._columns.items()})

    def to_torch(self, device: str | torch.device = "cpu") -> Localizations:
        """Return the table with float32 (integers: int64) tensors on `device`."""
        import torch

        def convert(values: Any) -> torch.Tensor:
            tensor = torch.as_tensor(values, device=device)
            return tensor.float() if tensor.is_floating_point() else tensor.long()

        return self._replaced({name: convert(values) for name, values in self._columns.items()})

    def to_dataframe(self) -> pd.DataFrame:
        """Return a pandas table with the same column names."""
        import pandas as pd

        return pd.DataFrame(self.to_numpy()._columns, copy=False)

    @classmethod
    def from_dataframe(cls, table: pd.DataFrame) -> Localizations:
        """Build from a pandas table whose columns carry our names."""
        return cls.from_columns({str(name): table[name].to_numpy() for name in table.columns})

    def __repr__(self) -> str:
        return f"Localizations({len(self)} rows: {', '.join(self.names)})"

    def _require_sorted(self) -> None:
        if not self.is_sorted:
            raise ValueError("Rows are not in frame order; use table.sort('frame') first.")

    def _replaced(self, columns: dict[str, Any]) -> Localizations:
        table = object.__new__(Localizations)
        table._columns = columns
        table._is_sorted = None
        return table


def known_places(
    table: Localizations, axes: Iterable[str] = AXES
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return (N,) whether a row is somewhere: its positions are numbers, and no metre away.

    Parameters
    ----------
    axes : those of them that the table has.
    """
    table = table.to_numpy()
    known = np.ones(len(table), bool)
    for name in axes:
        if name in table:
            known &= np.abs(np.nan_to_num(np.asarray(table[name], float), nan=np.inf)) < (
                MAX_POSITION_NM
            )
    return known


def at_known_places(
    table: Localizations, axes: Iterable[str] = AXES
) -> tuple[Localizations, list[str]]:
    """Return the rows that are somewhere along some axes, and a sentence about the others."""
    known = known_places(table, axes)
    n_lost = int((~known).sum())
    if not n_lost:
        return table, []
    who = "1 row" if n_lost == 1 else f"{n_lost:,} rows"
    return table[known], [f"{who} without a position that is possible left out."]


def require_molecules(table: Localizations, purpose: str, name: str = "The table") -> None:
    """Refuse a table without rows where they are needed.

    Such a table is a legal one: what can be done with it is done, and gives one without rows.

    Parameters
    ----------
    purpose : what cannot be done without, as "measure".

    Raises
    ------
    ValueError
        One sentence.

    Examples
    --------
    >>> require_molecules(Localizations.empty(), "measure", "found.csv")
    Traceback (most recent call last):
    ValueError: found.csv holds no molecules: there is nothing to measure.
    """
    if not len(table):
        raise ValueError(f"{name} holds no molecules: there is nothing to {purpose}.")


def count_frames(table: Localizations) -> int:
    """Return the frames from the first of the movie to the last that has a molecule.

    Raises
    ------
    ValueError
        If no movie is that long, as where a number was damaged.
    """
    if not len(table):
        return 0
    last = int(table.to_numpy().frame.max())
    if last >= MAX_FRAMES:
        raise ValueError(
            f"The table has a molecule in frame {last + 1:,}, and no movie has more than "
            f"{MAX_FRAMES:,}: take it out (deepsmlm filter TABLE --where 'frame <= "
            f"{MAX_FRAMES}' --out F)."
        )
    return last + 1


def _as_column(name: str, values: Any) -> Any:
    is_tensor = hasattr(values, "detach")
    column: Any = values if is_tensor else np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"Column '{name}' must be one-dimensional, got shape {column.shape}.")
    if is_tensor:
        return column.long() if name == "frame" else column
    if name == "frame":
        return _whole_numbers(column)
    return column if column.dtype.kind in "fiub" else column.astype(np.float64)


def _whole_numbers(frame: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if frame.dtype.kind in "iu":
        return frame.astype(np.int64, copy=False)
    whole = frame.astype(np.int64) if np.isfinite(frame).all() else None
    if whole is None or (whole != frame).any():
        raise ValueError("Frame numbers must be whole numbers.")
    return whole


def _stack(columns: list[Any]) -> Any:
    if isinstance(columns[0], np.ndarray):
        return np.concatenate(columns)
    import torch

    return torch.cat(columns)
