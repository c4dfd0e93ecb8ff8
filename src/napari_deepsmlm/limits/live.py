"""Live: which window of frames suits a structure that moves, by a model on simulated frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._devices import choose_compute
from napari_deepsmlm.inference import Pipeline
from napari_deepsmlm.io import open_frames
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.metrics.image import count_image, least_squares_scale, nmse_percent
from napari_deepsmlm.models import ImageModel
from napari_deepsmlm.render import rendering_of
from napari_deepsmlm.simulation import Movement
from napari_deepsmlm.training.data import mixed_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.limits.measure import Tried

    Image = np.ndarray[Any, Any]

FWHM = 2 * math.sqrt(2 * math.log(2))
TUBE_NM, WAVE_NM, WAVELENGTH_NM = 25.0, 150.0, 3000.0
MAX_TRIALS = 6
MAX_BLOCKS = 400
AS_GOOD_PERCENT = 1.0
"""Errors of windows that differ by less are equal."""
DENSE_PER_NM = 4

Several = Annotated[tuple[float, ...], Field(min_length=1, max_length=12)]


class LiveOptions(FrozenModel):
    """A microtubule that moves to and fro, and windows of frames that are tried on it."""

    speeds_nm: Several = Field((0.0, 5.0, 20.0, 50.0), description="Speeds, nm per frame.")
    windows: tuple[int, ...] = Field(
        (10, 20, 50, 100, 200), min_length=1, max_length=12, description="Frames per image."
    )
    per_um: float = Field(
        1.0, gt=0, le=20, description="Emitting molecules per frame and micrometre of it."
    )
    photons: float = Field(1500.0, gt=0, le=1e6, description="Photons of a molecule in a frame.")
    background: float = Field(20.0, gt=0, le=1e5, description="Background photons per pixel.")
    turn_nm: float = Field(
        1000.0, gt=0, le=20_000, description="It turns back each time after so many nm."
    )
    resolution_nm: float = Field(
        50.0, ge=1, le=1000, description="FWHM of the blur with which image and truth are compared."
    )
    side_px: int = Field(48, ge=16, le=256, description="Side of the simulated frames.")
    seed: int = Field(0, ge=0, lt=2**31 - 1, description="Of the simulated frames.")

    @field_validator("speeds_nm")
    @classmethod
    def _no_way_back(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 <= speed <= 1000 for speed in value):
            raise ValueError("must be numbers from 0 to 1000 nm per frame")
        return tuple(sorted(set(value)))

    @field_validator("windows")
    @classmethod
    def _can_be_added_up(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not all(1 <= frames <= 5000 for frames in value):
            raise ValueError("must be 1 to 5000 frames")
        if max(value) > MAX_BLOCKS * math.gcd(*value):
            raise ValueError(
                f"must have a common divisor of {math.ceil(max(value) / MAX_BLOCKS)} frames or "
                "more, as 20,50,200 have 10: images are added up from such pieces"
            )
        return tuple(sorted(set(value)))

    def movement(self, speed_nm: float) -> Movement:
        """Return the movement along x at a speed."""
        if not speed_nm:
            return Movement()
        return Movement(per_frame_nm=(speed_nm, 0, 0), turn_frames=self.turn_nm / speed_nm)


class Shown(NamedTuple):
    """The image of the best window at a speed, and the truth at its middle."""

    speed_nm: float
    window: int
    image: Image
    truth: Image
    sr_pixel_nm: float


class LiveLimits(NamedTuple):
    """What came out."""

    tried: Tried
    options: LiveOptions
    table: pd.DataFrame
    """One row for each speed and window: mean over windows of one movie."""
    shown: tuple[Shown, ...]

    def best(self) -> pd.DataFrame:
        """Return the row with the least error of each speed."""
        return self.table[self.table["is_best"]]


def measure_live(
    tried: Tried, options: LiveOptions | None = None
) -> Iterator[tuple[int, int, LiveLimits | None]]:
    """Yield speeds done, their number, and at the end what came out.

    A wavy microtubule moves across its length; its molecules blink independently from frame to
    frame. The image of each window is compared with where the structure is at the window's middle:
    a short window has few molecules, a long one smears them.

    Examples
    --------
    >>> LiveOptions().movement(20.0).turn_frames
    50.0
    """
    import pandas as pd

    options = options or LiveOptions()
    compute = choose_compute()
    rows: list[dict[str, Any]] = []
    shown: list[Shown] = []
    n = len(options.speeds_nm)
    for number, speed in enumerate(options.speeds_nm):
        tries = _Tries(tried, options, compute, speed, number)
        mine = [tries.score(window) for window in options.windows]
        best = _best(mine)
        rows += [{**row, "is_best": k == best} for k, row in enumerate(mine)]
        shown.append(tries.picture(options.windows[best]))
        yield number + 1, n, None
    yield n, n, LiveLimits(tried, options, pd.DataFrame(rows), tuple(shown))


def _best(rows: list[dict[str, Any]]) -> int:
    """Return which window has the least error; of those as good, the nearest to the structure.

    The error ends at 100 %, near which a smear is as good as a few molecules that are right.
    """
    errors = np.array([row["nmse_percent"] for row in rows])
    apart = np.array([row["distance_nm"] or math.inf for row in rows])
    return int(np.argmin(np.where(errors <= errors.min() + AS_GOOD_PERCENT, apart, math.inf)))


class _Tries:
    """The images of one movie, in pieces that all windows are made of."""

    def __init__(
        self, tried: Tried, options: LiveOptions, compute: Compute, speed_nm: float, number: int
    ) -> None:
        self.options, self.speed_nm = options, speed_nm
        experiment = tried.experiment
        self._pixel_nm = experiment.psf.pixel_size_nm
        self._side_nm = options.side_px * self._pixel_nm
        self._middle_nm = self._side_nm / 2, self._side_nm / 2
        self._movement = options.movement(speed_nm)
        self._chance = np.random.default_rng(mixed_seed(options.seed, number))
        self._piece = math.gcd(*options.windows)
        n_frames = max(options.windows)
        simulation = experiment.simulation.replace(
            background=(options.background, options.background)
        )
        side = options.side_px
        own = experiment.replace(simulation=simulation, image_px=(side, side), variety=None)
        stack, _ = own.simulate(
            n_frames, mixed_seed(options.seed, number), activations=self._molecules(n_frames)
        )
        model = tried.load()
        model.pixel_size_nm = self._pixel_nm
        pipeline = Pipeline(model, compute, camera=experiment.camera)
        r = pipeline.upsampling
        self.sr_pixel_nm = self._pixel_nm / r
        self._shape = (side * r, side * r)
        self._images: Image | None = None
        if isinstance(model, ImageModel):
            self._images = np.zeros((n_frames // self._piece, *self._shape), np.float32)
        found = []
        # What is drawn of molecules can be drawn of any window later.
        piece = None if self._images is None else self._piece
        for predicted in pipeline.run(open_frames(stack), window=piece):
            if self._images is not None:
                self._images[predicted.first_frame // self._piece] += predicted.image
            found.append(predicted.localizations)
        self._found = Localizations.concatenate(found)

    def score(self, window: int) -> dict[str, Any]:
        """Return the errors of a window, as means over several."""
        starts = self._starts(window)
        errors, distances, molecules = [], [], []
        for start in starts:
            image, truth = self._pair(start, window)
            errors.append(nmse_percent(image, truth, blur_sigma_px=self._blur_px))
            distances.append(self._distance_nm(start, window))
            molecules.append(float(image.sum()))
        return {
            "speed_nm": self.speed_nm,
            "window_frames": window,
            "nmse_percent": float(np.mean(errors)),
            "nmse_sd": float(np.std(errors, ddof=1)) if len(errors) > 1 else math.nan,
            "distance_nm": float(np.nanmean(distances)) if np.isfinite(distances).any() else None,
            "molecules": float(np.mean(molecules)),
            "n_windows": len(starts),
        }

    def picture(self, window: int) -> Shown:
        """Return the image of the first window, and the truth at its middle, blurred alike."""
        from scipy.ndimage import gaussian_filter

        image, truth = (gaussian_filter(one, self._blur_px) for one in self._pair(0, window))
        scaled = least_squares_scale(image, truth) * image
        return Shown(self.speed_nm, window, scaled, truth, self.sr_pixel_nm)

    @property
    def _blur_px(self) -> float:
        return self.options.resolution_nm / FWHM / self.sr_pixel_nm

    def _starts(self, window: int) -> list[int]:
        """Return first frames of windows that do not overlap, evenly over the movie."""
        last = max(self.options.windows) - window
        n = min(MAX_TRIALS, last // window + 1)
        each = np.linspace(0, last, n) if n > 1 else [0]
        return [int(start) // self._piece * self._piece for start in each]

    def _pair(self, start: int, window: int) -> tuple[Image, Image]:
        image = self._image(start, window)
        middle = start + (window - 1) / 2
        dense = self._line(np.arange(0, self._side_nm, 1 / DENSE_PER_NM))
        truth = self._at(dense, np.full(len(dense), middle))
        return image, count_image(truth, image.shape, self.sr_pixel_nm)

    def _image(self, start: int, window: int) -> Image:
        if self._images is None:
            part = self._found.in_frames(start, start + window)
            drawn = rendering_of(part.names).draw(part, self._shape, self.sr_pixel_nm)
            return drawn.double().numpy()
        first = start // self._piece
        summed: Image = self._images[first : first + window // self._piece].sum(0, dtype=float)
        return summed

    def _distance_nm(self, start: int, window: int) -> float:
        """Return the median distance of what was found from the structure at the middle."""
        found = self._found.in_frames(start, start + window)
        if not len(found):
            return math.nan
        then = np.full(len(found), start + (window - 1) / 2)
        on_line = self._at(_center(np.asarray(found.y_nm), self._side_nm), then)
        slope = 2 * np.pi * WAVE_NM / WAVELENGTH_NM * np.cos(_phase(found.y_nm))
        across = np.abs(found.x_nm - on_line.x_nm) / np.sqrt(1 + slope**2)
        return float(np.median(across))

    def _molecules(self, n_frames: int) -> Localizations:
        """Return who emits in which frame."""
        options = self.options
        counts = self._chance.poisson(options.per_um * self._side_nm / 1e3, n_frames)
        counts[0] = max(counts[0], 1)
        frame = np.repeat(np.arange(n_frames), counts)
        rest = self._line(self._chance.uniform(0, self._side_nm, len(frame)))
        table = self._at(rest, frame, is_placed=True)
        return table.with_columns(photons=np.full(len(frame), options.photons))

    def _line(self, along_nm: Image) -> Image:
        """(N, 3) places on the surface of the tube at rest."""
        places = _center(along_nm, self._side_nm)
        around = self._chance.uniform(0, 2 * np.pi, len(places))
        places[:, 0] += TUBE_NM / 2 * np.cos(around)
        places[:, 2] = TUBE_NM / 2 * np.sin(around)
        return places

    def _at(self, rest: Image, frame: Image, *, is_placed: bool = False) -> Localizations:
        """Return places at frames; the way to and fro is centred on the frame's middle."""
        centred = rest - [self.options.turn_nm / 2 if self.speed_nm else 0.0, 0, 0]
        moved = self._movement.moved(
            torch.from_numpy(centred), torch.as_tensor(frame, dtype=torch.float64), self._middle_nm
        ).numpy()
        columns = {"x_nm": moved[:, 0], "y_nm": moved[:, 1]}
        if is_placed:
            columns["z_nm"] = moved[:, 2]
        numbers = np.asarray(frame, np.int64) if is_placed else np.zeros(len(moved), np.int64)
        return Localizations(frame=numbers, **columns)


def _phase(y_nm: Any) -> Image:
    return np.asarray(2 * np.pi * np.asarray(y_nm, float) / WAVELENGTH_NM)


def _center(y_nm: Image, side_nm: float) -> Image:
    """(N, 3) places on the centre line, which waves along y."""
    x = side_nm / 2 + WAVE_NM * np.sin(_phase(y_nm))
    return np.stack([x, np.asarray(y_nm, float), np.zeros(len(x))], axis=1)
