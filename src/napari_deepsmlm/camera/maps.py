"""Sensor maps: gain, offset and variance of every pixel, kept in files beside the experiment."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._files import atomic_write

if TYPE_CHECKING:
    from torch import Tensor

    Array = np.ndarray[Any, Any]

_MAX_PIXELS = 200_000_000
_SUFFIXES = (".npy", ".tif", ".tiff")


class Pixels(NamedTuple):
    """What differs between pixels, ready for arithmetic with (..., H, W) frames."""

    e_per_adu: float | Tensor
    baseline: float | Tensor
    """ADU."""
    read_noise_e: float | Tensor
    step_adu: float = 1.0

    def summed(self, n_frames: float | Tensor) -> Pixels:
        """Return what sums of n_frames, (B, 1, 1, 1), show when they are rounded down once.

        Rounding each of them takes half a step and adds 1/12 step squared where read noise
        spreads the signal over several steps; without read noise it is left as it is.
        """
        if isinstance(n_frames, float):
            return self
        more = n_frames - 1
        noise = torch.as_tensor(self.read_noise_e, device=n_frames.device)
        rounded = more * (noise > 0) * self.step_adu  # times a step
        rounding_e2 = rounded * self.step_adu * self.e_per_adu**2 / 12
        return Pixels(
            self.e_per_adu,
            n_frames * self.baseline - rounded / 2,
            (n_frames * noise.square() + rounding_e2).sqrt(),
            self.step_adu,
        )


class SensorMaps(FrozenModel):
    """Per-pixel calibration of a sensor, in the units of Huang et al. 2013, doi:10.1038/nmeth.2488.

    A configuration names files and stays small; arrays become files by :meth:`from_arrays`. A map
    takes the place of the camera's one number: gain that of `e_per_adu` (as its inverse), offset
    that of `baseline`, variance that of `read_noise_e`. Files are read when first used, so that an
    experiment can be read where its maps are not; paths that are not absolute start at the
    folder of the file that names them, else at the working folder.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     maps = SensorMaps.from_arrays(folder, offset=np.full((64, 64), 99.0))
    >>> maps.offset.name
    'offset.npy'
    """

    gain: Path | None = Field(None, description="File with ADU per electron of each pixel.")
    offset: Path | None = Field(None, description="File with the ADU of each pixel in the dark.")
    variance: Path | None = Field(None, description="File with the read variance, ADU squared.")
    top_left_px: tuple[int, int] = Field(
        (0, 0), description="Row and column of the maps where the first pixel of the frames is."
    )

    @field_validator("gain", "offset", "variance")
    @classmethod
    def _beside_their_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        if path is None or folder is None or path.is_absolute():
            return path
        beside = Path(folder) / path
        return beside if beside.is_file() or not path.is_file() else path

    @model_validator(mode="after")
    def _files_are_maps(self) -> SensorMaps:
        given = [path for path in (self.gain, self.offset, self.variance) if path is not None]
        if not given:
            raise ValueError("at least one of gain, offset and variance is needed")
        for path in given:
            if path.suffix.lower() not in _SUFFIXES:
                raise ValueError(f"'{path.name}' is no .npy or .tif file")
        if min(self.top_left_px) < 0:
            raise ValueError("top_left_px: must be two numbers >= 0")
        return self

    @classmethod
    def from_arrays(
        cls,
        folder: str | Path,
        *,
        gain: Array | None = None,
        offset: Array | None = None,
        variance: Array | None = None,
        top_left_px: tuple[int, int] = (0, 0),
    ) -> SensorMaps:
        """Write (H, W) arrays as .npy files into `folder` and return the maps that name them."""
        arrays = {"gain": gain, "offset": offset, "variance": variance}
        paths = {}
        for name, values in arrays.items():
            if values is not None:
                paths[name] = Path(folder) / f"{name}.npy"
                checked = _check(np.asarray(values), name, "the array")
                with atomic_write(paths[name]) as file:
                    np.save(file, checked)
        return cls(**paths, top_left_px=top_left_px)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) pixels that all maps share.

        Raises
        ------
        ValueError
            If they differ, or a file is no map.
        """
        shapes = {name: values.shape for name, values in self._arrays().items()}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"Camera maps of different sizes: {shapes}.")
        height, width = next(iter(shapes.values()))
        return height, width

    def draw_origin_px(self, n: int, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Return (n, 2) rows and columns where patches of (H, W) fit, uniform over the sensor."""
        free = [
            side - first - patch
            for side, first, patch in zip(self.shape, self.top_left_px, shape, strict=True)
        ]
        if min(free) < 0:
            raise ValueError(self._does_not_fit(shape))
        device = generator.device
        rows, columns = (
            torch.randint(0, room + 1, (n,), generator=generator, device=device) for room in free
        )
        return torch.stack([rows, columns], dim=-1)

    def crop(
        self, shape: tuple[int, int], device: torch.device, origin_px: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the maps under frames of (H, W) pixels.

        Parameters
        ----------
        origin_px : (B, 2) rows and columns of (B, C, H, W) patches, counted from `top_left_px`;
            without it, frames start at `top_left_px`.

        Returns
        -------
        name -> (H, W), or (B, 1, H, W) where `origin_px` is given.
        """
        top, left = self.top_left_px
        if any(s + f > m for s, f, m in zip(shape, self.top_left_px, self.shape, strict=True)):
            raise ValueError(self._does_not_fit(shape))
        maps = {name: torch.from_numpy(v).to(device) for name, v in self._arrays().items()}
        if origin_px is None:
            return {n: m[top : top + shape[0], left : left + shape[1]] for n, m in maps.items()}
        rows = top + origin_px[:, :1] + torch.arange(shape[0], device=device)
        columns = left + origin_px[:, 1:] + torch.arange(shape[1], device=device)
        return {n: m[rows[:, None, :, None], columns[:, None, None, :]] for n, m in maps.items()}

    def _arrays(self) -> dict[str, Array]:
        paths = {"gain": self.gain, "offset": self.offset, "variance": self.variance}
        return {n: _load(n, p, _modified(p)) for n, p in paths.items() if p is not None}

    def _does_not_fit(self, shape: tuple[int, int]) -> str:
        sensor = "{} x {}".format(*self.shape)
        frames = "{} x {}".format(*shape)
        needed = [side + first for side, first in zip(shape, self.top_left_px, strict=True)]
        fits = all(n <= m for n, m in zip(needed, reversed(self.shape), strict=True))
        hint = (
            " They would fit with rows and columns exchanged: transpose the maps." if fits else ""
        )
        return (
            f"Frames of {frames} pixels at {self.top_left_px} do not fit camera maps of {sensor}."
            f"{hint}"
        )


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        raise FileNotFoundError(f"Camera map '{path}' is not there; correct its path.") from None


@lru_cache(maxsize=8)
def _load(name: str, path: Path, modified: float) -> Array:
    """Return a checked float32 map; `modified` makes a changed file a new entry of the cache."""
    try:
        values = _npy(path) if path.suffix.lower() == ".npy" else _tiff(path)
        return _check(values, name, f"'{path.name}'")
    except Exception as error:
        text = " ".join(str(error).split())
        if isinstance(error, ValueError) and text.startswith("Camera"):
            raise
        reason = text[:200] or type(error).__name__
        raise ValueError(f"Camera map '{path.name}' cannot be read ({reason}).") from error


def _npy(path: Path) -> Array:
    with path.open("rb") as file:  # a ZIP of arrays has the same reader
        if file.read(6) != b"\x93NUMPY":
            raise ValueError("it is no .npy file")
    # Mapped: what a header promises is compared with the file before anything is allocated.
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    _check_size(values.size)
    return np.array(values)


def _tiff(path: Path) -> Array:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if len(tiff.pages) > 1:
            raise ValueError(f"it has {len(tiff.pages)} pages, a map has one")
        _check_size(page.size)
        return np.asarray(page.asarray())


def _check_size(n_pixels: int) -> None:
    if n_pixels > _MAX_PIXELS:
        raise ValueError(f"it has {n_pixels:,} pixels, more than any sensor")


def _check(values: Array, name: str, source: str) -> Array:
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "fiu":
        raise ValueError(
            f"Camera {name} map: expected (H, W) numbers, {source} has {values.shape}."
        )
    values = np.ascontiguousarray(values, dtype=np.float32)
    limit = "above 0" if name == "gain" else ">= 0"
    is_bad = ~np.isfinite(values) | (values <= 0 if name == "gain" else values < 0)
    if is_bad.any():
        row, column = (int(i) for i in np.argwhere(is_bad)[0])
        n_bad = int(is_bad.sum())
        more = f" and {n_bad - 1} more such pixels" if n_bad > 1 else ""
        raise ValueError(
            f"Camera {name} map: must be {limit}, {source} has {values[row, column]:g} in row "
            f"{row}, column {column}{more}; fill dead pixels with what their neighbours have."
        )
    return values
