"""Drift curve: how far the sample has moved in each frame, with its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deepsmlm._words import counted

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations

    Array = np.ndarray[Any, Any]


class DriftCurve(NamedTuple):
    """How far the sample is from where it was in the first frame.

    Examples
    --------
    >>> from napari_deepsmlm.localizations import Localizations
    >>> curve = DriftCurve(np.array([[0.0, 0.0], [3.0, -1.0]]), np.array([0.5, 0.5]))
    >>> table = Localizations(frame=[0, 1], x_nm=[50.0, 53.0], y_nm=[20.0, 19.0])
    >>> still = curve.apply(table)
    >>> still.x_nm, still.y_nm
    (array([50., 50.]), array([20., 20.]))
    >>> curve.take_back(still).x_nm
    array([50., 53.])
    """

    xyz_nm: Array
    """(F, 2) or (F, 3) nm of frames 0 to F - 1."""
    error_nm: Array
    """(F,) standard error along x and along y, nm."""
    error_z_nm: Array | None = None
    """(F,) standard error along z, nm."""

    @property
    def n_frames(self) -> int:
        """Frames that it covers."""
        return len(self.xyz_nm)

    @property
    def is_3d(self) -> bool:
        """Whether it has a depth."""
        return bool(self.xyz_nm.shape[1] == 3)

    def apply(self, table: Localizations) -> Localizations:
        """Return the molecules where they would be had the sample stood still.

        Raises
        ------
        ValueError
            If the table has frames that the curve does not reach, or no depth though the curve has.
        """
        return self._moved(table, -1.0)

    def take_back(self, table: Localizations) -> Localizations:
        """Return the molecules of a corrected table where they were before."""
        return self._moved(table, 1.0)

    def _moved(self, table: Localizations, sign: float) -> Localizations:
        table = table.to_numpy()
        frame = np.asarray(table.frame)
        if len(frame) and (frame.min() < 0 or frame.max() >= self.n_frames):
            raise ValueError(
                f"The drift curve has {counted(self.n_frames, 'frame')} but the table reaches "
                f"frame {int(frame.max()) + 1}; is it the curve of this movie?"
            )
        if self.is_3d and not table.is_3d:
            raise ValueError("The drift curve has a depth but the table has none; give its table.")
        steps = sign * self.xyz_nm
        axes = zip(("x_nm", "y_nm", "z_nm"), steps.T, strict=False)
        return table.with_columns(
            **{name: np.asarray(table[name], float) + along[frame] for name, along in axes}
        )
