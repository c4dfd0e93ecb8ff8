"""Ahead: the next batch is made while the network learns from this one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import torch

    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.simulation.batch import Batch


class Batches(Protocol):
    """A source of training data: the same batch for the same number, photons."""

    def at(self, step: int) -> Batch:
        """Return the batch of one training step."""

    def validation(self, n_frames: int, shape: tuple[int, int] | None = None) -> Batch:
        """Return frames that are in no training batch, of (H, W) pixels if these are given."""

    def bounds(self, truth: Localizations) -> dict[str, float]:
        """Return the smallest RMSE possible, `bound_lateral_nm` and so on, as far as known."""


class Ahead:
    """Makes batch after batch in another thread, one ahead of the one that is asked for.

    On a GPU the batch is made there, in turn with the steps: a thread would only be in the way.

    Parameters
    ----------
    data : makes the batches.
    device : where.
    stride, offset : batch number `stride * step + offset` is that of a step, so that several
        processes never see the same.

    Examples
    --------
    >>> import torch
    >>> from napari_deepsmlm.experiment import Experiment
    >>> from napari_deepsmlm.training.data import SimulatedBatches
    >>> data = SimulatedBatches(Experiment().simulator(), batch_size=2, shape=(8, 8), seed=0)
    >>> with Ahead(data, torch.device("cpu")) as ahead:
    ...     torch.equal(ahead.at(3).frames, data.at(3).frames)
    True
    """

    def __init__(
        self, data: Batches, device: torch.device, *, stride: int = 1, offset: int = 0
    ) -> None:
        self._data = data
        self._stride, self._offset = stride, offset
        self._thread = ThreadPoolExecutor(1) if device.type == "cpu" else None
        self._coming: tuple[int, Future[Batch]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def at(self, step: int) -> Batch:
        """Return the batch of a step, and begin with that of the next."""
        if self._thread is None:
            return self._make(step)
        if self._coming is None or self._coming[0] != step:
            self._coming = (step, self._thread.submit(self._make, step))
        batch = self._coming[1].result()
        self._coming = (step + 1, self._thread.submit(self._make, step + 1))
        return batch

    def _make(self, step: int) -> Batch:
        return self._data.at(self._stride * step + self._offset)
