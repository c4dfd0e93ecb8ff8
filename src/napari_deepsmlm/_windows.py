"""Windows: which frames each image of a time-lapse is made of, one after the other or sliding."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of as many frames each, which begin one step after each other.

    All are full but the last, which ends with the frames: it is the first that reaches their end.

    Parameters
    ----------
    length : frames of a window.
    step : frames from the start of one to that of the next; `length` if they do not overlap.

    Examples
    --------
    >>> sliding = Windows(length=4, step=2)
    >>> [sliding.frames(k, 9) for k in range(sliding.count(9))]
    [range(0, 4), range(2, 6), range(4, 8), range(6, 9)]
    """

    length: int
    step: int

    def __post_init__(self) -> None:
        if not 1 <= self.step <= self.length:
            raise ValueError(f"A step must be 1 to {self.length} frames, got {self.step}.")

    @property
    def n_at_once(self) -> int:
        """How many windows a frame lies in at most."""
        return -(-self.length // self.step)

    @property
    def cut(self) -> int:
        """Frames after the start of a window at which an earlier one ends; 0: none does."""
        return self.length % self.step

    def count(self, n_frames: int) -> int:
        """Return how many windows so many frames have."""
        return 1 + max(0, -(-(n_frames - self.length) // self.step))

    def frames(self, window: int, n_frames: int) -> range:
        """Return the frames of a window, counted from the first that is used."""
        start = window * self.step
        return range(start, min(start + self.length, n_frames))

    def around(self, frame: int, n_frames: int) -> range:
        """Return the windows that a frame lies in."""
        first = max(0, (frame - self.length) // self.step + 1)
        return range(first, min(frame // self.step + 1, self.count(n_frames)))


def windows_of(length: int | None, step: int | None = None) -> Windows | None:
    """Return the windows of a time-lapse, None for one image of all frames.

    Raises
    ------
    ValueError
        If there is a step without a window, or one that leaves frames out.
    """
    if length is None:
        if step is not None:
            raise ValueError("A step belongs to a time-lapse: give the frames of a window too.")
        return None
    return Windows(length, length if step is None else step)
