"""Images and stacks as OME-TIFF that ImageJ reads too, written as they come.

Pixel size and report are inside. The first description is OME's, the second ImageJ's, as in files
of Micro-Manager: each program finds axes and pixel size in the one that it knows.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from napari_deepsmlm._boundary import reading
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.io.frames._ome import ome_report
from napari_deepsmlm.io.frames._pages import PageTable
from napari_deepsmlm.io.images._descriptions import (
    NM_PER_CM,
    OME_TYPES,
    handle,
    imagej_header,
    ome_xml,
    set_descriptions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Array = npt.NDArray[Any]

_CLASSIC_LIMIT = 2**32 - 2**26  # 4 GB less room for pages and description
_PAGE_BYTES = 256  # a page entry takes less than this


class StackWriter:
    """An OME-TIFF stack that takes frames as they arrive.

    The file appears when the `with` block ends without an error; until then an older file of that
    name stays as it is.

    Parameters
    ----------
    path : the file to write.
    pixel_size_nm : nm.
    n_frames : how many frames will come, if known: BigTIFF is used only where they need it.
        Unknown: BigTIFF always.
    report : kept as JSON in the description; may also be set (`writer.report = ...`) until the end.
    z_step_nm : what comes are the planes of a volume, so far apart, and not frames.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "stack.tif"
    >>> with StackWriter(path, pixel_size_nm=100, n_frames=4) as writer:
    ...     for block in np.zeros((2, 2, 1, 8, 8), np.uint16):
    ...         writer.append(block)
    >>> read_report(path) is None
    True
    """

    def __init__(
        self,
        path: str | Path,
        *,
        pixel_size_nm: float,
        n_frames: int | None = None,
        report: dict[str, Any] | None = None,
        z_step_nm: float | None = None,
    ) -> None:
        if not (math.isfinite(pixel_size_nm) and pixel_size_nm > 0):
            raise ValueError(f"The pixel size must be above 0 nm, got {pixel_size_nm}.")
        self.path = Path(path)
        self.pixel_size_nm = float(pixel_size_nm)
        self.report = report
        self.z_step_nm = z_step_nm
        self.n_written = 0
        self._n_expected = n_frames
        self._stack = ExitStack()
        self._file: BinaryIO | None = None
        self._tiff: Any = None
        self._form: tuple[tuple[int, ...], np.dtype[Any]] | None = None

    def __enter__(self) -> Self:
        self._file = self._stack.enter_context(atomic_write(self.path))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        try:
            if self._tiff is not None:
                self._tiff.close()
            if kind is None:
                self._finish()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        self._file = self._tiff = None
        self._stack.__exit__(kind, *rest)

    def append(self, frames: Array) -> None:
        """Add frames (n, C, H, W), (n, H, W) or one (H, W), all of one size and type.

        Raises
        ------
        ValueError
            If size or type differ from the first frames, or the file would outgrow its format.
        """
        if self._file is None:
            raise ValueError(f"{self.path.name}: open the writer in a `with` block first.")
        frames = _as_4d(self.path.name, np.asarray(frames))
        self._make_room(frames)
        for plane in frames.reshape(-1, *frames.shape[2:]):  # (n, C, H, W) -> (n * C, H, W)
            self._write_plane(plane)
        self.n_written += len(frames)

    def append_bands(self, bands: Iterable[Array], shape: tuple[int, int]) -> None:
        """Add one frame (H, W) of float32 whose rows come in bands, so that it is never held whole.

        Raises
        ------
        ValueError
            As of :meth:`append`; or if the bands have more rows or fewer.
        """
        if self._file is None:
            raise ValueError(f"{self.path.name}: open the writer in a `with` block first.")
        self._make_room(np.broadcast_to(np.float32(0), (1, 1, *shape)))
        offset, _ = self._write_plane(None, shape=shape, dtype=np.float32, returnoffset=True)
        end = self._file.tell()
        self._file.seek(offset)
        for band in bands:
            self._file.write(np.ascontiguousarray(band, np.float32).data)
        if self._file.tell() != end:
            raise ValueError(f"{self.path.name}: the bands do not make an image of {shape} pixels.")
        self.n_written += 1

    def _make_room(self, frames: Array) -> None:
        self._check_form(frames)
        if self._tiff is None:
            self._tiff = self._open_tiff(frames)

    def _open_tiff(self, frames: Array) -> Any:
        import tifffile

        per_frame = frames[:1].nbytes + _PAGE_BYTES * frames.shape[1]
        is_big = self._n_expected is None or self._n_expected * per_frame > _CLASSIC_LIMIT
        self._n_limit = None if is_big else max(1, _CLASSIC_LIMIT // per_frame)
        return tifffile.TiffWriter(handle(self._file, self.path.name), bigtiff=is_big)

    def _write_plane(self, plane: Array | None, **of_an_empty_one: Any) -> Any:
        per_cm = NM_PER_CM / self.pixel_size_nm
        return self._tiff.write(
            plane,
            **of_an_empty_one,
            photometric="minisblack",
            contiguous=True,
            metadata=None,
            # both replaced when the number of frames and the report are known
            description=b"OME",
            extratags=[("ImageDescription", 2, None, b"ImageJ=1.11a", True)],
            resolution=(per_cm, per_cm),
            resolutionunit="CENTIMETER",
            software="napari-deepsmlm",
        )

    def _check_form(self, frames: Array) -> None:
        form = frames.shape[1:], frames.dtype
        if self._form is None:
            self._form = form
        if form != self._form:
            raise ValueError(
                f"{self.path.name}: frames of {form[0]} {form[1]} (C, H, W) do not fit those "
                f"before, {self._form[0]} {self._form[1]}."
            )
        n_frames = self.n_written + len(frames)
        if self._tiff is not None and self._n_limit and n_frames > self._n_limit:
            raise ValueError(
                f"{self.path.name}: {n_frames} frames do not fit a 4 GB TIFF that was opened for "
                f"{self._n_expected}; give the right n_frames."
            )

    def _finish(self) -> None:
        if self._form is None or self._file is None:
            raise ValueError(f"{self.path.name}: no frame was written; append at least one.")
        (c, h, w), dtype = self._form
        xml = ome_xml(
            (self.n_written, c, h, w),
            dtype,
            self.path.name,
            self.pixel_size_nm,
            self.report,
            self.z_step_nm,
        )
        imagej = imagej_header((self.n_written, c), self.pixel_size_nm, self.z_step_nm)
        set_descriptions(self._file, self.path.name, xml, imagej)


class ImageWriter:
    """A super-resolved time-lapse that takes one float32 image per window.

    Parameters
    ----------
    path : the file to write.
    pixel_size_nm : of the super-resolved pixel.
    report : kept as JSON in the description; may also be set until the `with` block ends.
    n_images : how many will come, if known (see :class:`StackWriter`).
    """

    def __init__(
        self,
        path: str | Path,
        *,
        pixel_size_nm: float,
        report: dict[str, Any] | None = None,
        n_images: int | None = None,
    ) -> None:
        self._writer = StackWriter(
            path, pixel_size_nm=pixel_size_nm, n_frames=n_images, report=report
        )

    @property
    def report(self) -> dict[str, Any] | None:
        """The run's report, written at the end."""
        return self._writer.report

    @report.setter
    def report(self, report: dict[str, Any] | None) -> None:
        self._writer.report = report

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def append(self, image: Array) -> None:
        """Add one image (H, W), or several (n, H, W); values are stored as float32."""
        self._writer.append(np.asarray(image, np.float32))

    def append_bands(self, bands: Iterable[Array], shape: tuple[int, int]) -> None:
        """Add one image (H, W) whose rows come in bands, so that it is never held whole."""
        self._writer.append_bands(bands, shape)


def write_image(
    path: str | Path,
    image: Array,
    *,
    pixel_size_nm: float,
    report: dict[str, Any] | None = None,
) -> None:
    """Write an image (Y, X) or time-lapse (T, Y, X) as float32 OME-TIFF.

    Parameters
    ----------
    pixel_size_nm : of this image, nm.
    report : the run's report; :func:`read_report` gives it back.

    Raises
    ------
    ValueError
        If the image is empty or has other axes.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3):
        raise ValueError(f"An image has axes (Y, X) or (T, Y, X), got shape {image.shape}.")
    n_images = 1 if image.ndim == 2 else len(image)
    with ImageWriter(path, pixel_size_nm=pixel_size_nm, report=report, n_images=n_images) as writer:
        for plane in image.reshape(-1, *image.shape[-2:]):
            writer.append(plane)


def write_stack(
    path: str | Path,
    frames: Array | Iterable[Array],
    *,
    pixel_size_nm: float,
    n_frames: int | None = None,
    report: dict[str, Any] | None = None,
) -> None:
    """Write camera frames as OME-TIFF in their own type (simulated ADU: uint16).

    Parameters
    ----------
    frames : (T, C, H, W) or (T, H, W), or an iterable of such blocks as they are made.
    pixel_size_nm : camera pixel, nm.
    n_frames : total number, for an iterable that knows it.
    report : kept in the description.
    """
    if isinstance(frames, np.ndarray):
        frames, n_frames = [frames], len(frames)
    with StackWriter(path, pixel_size_nm=pixel_size_nm, n_frames=n_frames, report=report) as writer:
        for block in frames:
            writer.append(block)


def write_volume(
    path: str | Path,
    volume: Array,
    *,
    pixel_size_nm: float,
    z_step_nm: float,
    report: dict[str, Any] | None = None,
) -> None:
    """Write a volume (Z, Y, X) as float32 OME-TIFF.

    Parameters
    ----------
    pixel_size_nm, z_step_nm : sides of a voxel, nm.
    report : kept in the description.

    Raises
    ------
    ValueError
        If the volume has other axes.
    """
    volume = np.asarray(volume, np.float32)
    if volume.ndim != 3:
        raise ValueError(f"A volume has axes (Z, Y, X), got shape {volume.shape}.")
    how: dict[str, Any] = {"pixel_size_nm": pixel_size_nm, "z_step_nm": z_step_nm}
    with StackWriter(path, n_frames=len(volume), report=report, **how) as writer:
        for plane in volume:
            writer.append(plane)


def read_report(path: str | Path) -> dict[str, Any] | None:
    """Return the report that was written with an image, None if it has none.

    Raises
    ------
    ValueError
        If the file is no readable TIFF.
    """
    with reading(path):
        table = PageTable(Path(path), max_pages=1)
        try:
            return ome_report(table.chain.remarks(table.pages[0]))
        finally:
            table.file.close()


def _as_4d(name: str, frames: Array) -> Array:
    if frames.ndim == 2:
        frames = frames[None]
    if frames.ndim == 3:
        frames = frames[:, None]  # (T, Y, X) -> (T, 1, Y, X)
    if frames.ndim != 4 or 0 in frames.shape:
        raise ValueError(f"{name}: cannot write shape {frames.shape}; give (T, C, Y, X) pixels.")
    if frames.dtype.name not in OME_TYPES:
        raise ValueError(
            f"{name}: OME-TIFF has no {frames.dtype.name} pixels; convert to uint16 or float32."
        )
    return np.ascontiguousarray(frames)
