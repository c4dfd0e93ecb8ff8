"""Events: what a reconstruction tells while it runs, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import folder_lock, refuse_to_replace
from napari_deepsmlm.io.result_files import IMAGE_NAME
from napari_deepsmlm.reconstruction.keeping import write_results

if TYPE_CHECKING:
    import numpy as np

    from napari_deepsmlm.estimation import KnownCamera
    from napari_deepsmlm.inference.sinks import MemorySink
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.reconstruction.report import Report


@dataclass(frozen=True, slots=True)
class Prepared:
    """The model is loaded and the first frame about to be read."""

    n_frames: int
    model: str
    device: str
    precision: str
    reason: str
    sr_shape: tuple[int, int]
    sr_pixel_nm: float
    origin_px: tuple[int, int]
    """Row and column of the frames where the image begins."""
    warnings: tuple[str, ...]
    camera: KnownCamera
    """What turns the file's numbers into photons, and where it is known from."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A batch is done."""

    frames_done: int
    n_frames: int
    seconds: float
    n_localizations: int

    @property
    def frames_per_second(self) -> float:
        """Mean speed so far."""
        return self.frames_done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """At the mean speed so far."""
        return (self.n_frames - self.frames_done) * self.seconds / max(1, self.frames_done)


@dataclass(frozen=True, slots=True)
class Finished:
    """All frames are done, or the job was stopped and holds what was done until then."""

    result: Reconstruction


Event = Prepared | Progress | Finished


@dataclass(frozen=True)
class Reconstruction:
    """What came out. Image and molecules of a job that wrote files are read when asked for.

    Attributes
    ----------
    report : what was done to which frames, how fast, and what to beware of.
    sr_pixel_nm : pixel of the image, nm.
    origin_nm : (y, x) nm from the outer corner of the frames to that of the image, which is not
        zero if a region was reconstructed.
    """

    sink: MemorySink
    report: Report
    sr_pixel_nm: float
    origin_nm: tuple[float, float] = (0.0, 0.0)

    @cached_property
    def image(self) -> np.ndarray[Any, Any]:
        """(rows, columns) float32 molecules per pixel; of a time-lapse (windows, rows, columns)."""
        return self.sink.image

    @cached_property
    def localizations(self) -> Localizations:
        """Molecules in nm from the outer corner of the frames, also if a region was chosen."""
        return self.sink.localizations

    def save(self, folder: str | Path) -> None:
        """Write the files that the command line writes, each whole or not at all.

        They are `reconstruction.tif`, `localizations.csv` and `report.json`; earlier ones are
        replaced.

        Raises
        ------
        FileExistsError
            If a run is going on in the folder, or the frames themselves lie there by that name.
        OSError
            If they cannot be written.
        """
        folder, path = Path(folder), self.report.inputs.path
        refuse_to_replace(folder / IMAGE_NAME, [], inputs=[] if path is None else [Path(path)])
        with folder_lock(folder):
            write_results(self, folder)
