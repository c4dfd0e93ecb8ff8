"""Live measuring: lines across images in another thread, each measured again when it changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_deepsmlm.plugin.profile.images import SeenImage
    from napari_deepsmlm.plugin.profile.lines import DrawnLine
    from napari_deepsmlm.profiles import Model
    from napari_deepsmlm.profiles.export import MeasuredLine


@dataclass(frozen=True)
class Choices:
    """How lines are measured.

    Attributes
    ----------
    model : that is fitted.
    width : averaged across the line, in pixels of each image, or in nm.
    is_width_nm : which of the two.
    """

    model: Model = "gauss"
    width: float = 1.0
    is_width_nm: bool = False


@dataclass(frozen=True)
class Request:
    """What is to be measured: every line in every image."""

    lines: tuple[DrawnLine, ...]
    images: tuple[SeenImage, ...]
    choices: Choices


@dataclass(frozen=True)
class Measured:
    """Measurements in the order of the lines, and of the images within each."""

    request: Request
    measurements: tuple[MeasuredLine, ...]


@dataclass(frozen=True)
class ProfileKit:
    """What the panel needs of the library, loaded."""

    models: dict[Model, str]
    """What each is a profile of, by its name."""
    sizes: dict[Model, str]
    """What the size of each is called, "" if it has none."""


def load_profiles(stopping: threading.Event) -> Generator[ProfileKit, None, None]:
    """Import what measures and what draws: it takes a second."""
    import importlib

    for name in ("pandas", "pyqtgraph", "scipy.optimize", "scipy.stats"):
        importlib.import_module(name)
    from napari_deepsmlm.profiles import MODELS, export  # noqa: F401 - loaded for later

    words = {name: curve.words for name, curve in MODELS.items()}
    yield ProfileKit(words, {name: curve.size for name, curve in MODELS.items()})


class Measurer:
    """Measures lines, and keeps what did not change: only the line being dragged costs time."""

    def __init__(self) -> None:
        self._known: dict[Any, MeasuredLine] = {}

    def forget(self) -> None:
        """Measure all again next time: images have changed."""
        self._known = {}

    def measure(
        self, request: Request, stopping: threading.Event
    ) -> Generator[Measured, None, None]:
        """Yield all measurements, once."""
        known, found = self._known, {}
        for line in request.lines:
            for image in request.images:
                if stopping.is_set():
                    return
                key = (line.ends.tobytes(), image.layer_id, request.choices)
                one = known.get(key)
                if one is None:
                    one = _measure(line, image, request.choices)
                one = replace(one, line=line.name, image=image.name)  # they may be called anew
                found[line.name, image.layer_id] = key, one
        if self._known is known:  # nothing was forgotten meanwhile
            self._known = dict(found.values())
        yield Measured(request, tuple(one for _, one in found.values()))


def _measure(line: DrawnLine, image: SeenImage, choices: Choices) -> MeasuredLine:
    from napari_deepsmlm.profiles import fit_profile, line_profile
    from napari_deepsmlm.profiles.export import MeasuredLine

    profile = None
    width = "width_nm" if choices.is_width_nm else "width_px"
    try:
        profile = line_profile(
            image.plane,
            line.ends * image.nm_per_world,
            grid=image.grid,
            **{width: choices.width},
        )
        fit = fit_profile(profile, choices.model)
    except (ValueError, OSError) as error:
        problem = " ".join(str(error).split())
        return MeasuredLine(image.name, line.name, profile, None, problem, image.unit)
    return MeasuredLine(image.name, line.name, profile, fit, "", image.unit)


def save_results(
    path: Path, measurements: Sequence[MeasuredLine], stopping: threading.Event
) -> Generator[str, None, None]:
    """Write the table, and beside it the values along the lines; yield what was done."""
    from napari_deepsmlm.profiles.export import curves_table, results_table, save_table

    curves = path.with_name(f"{path.stem}_curves.csv")
    save_table(path, results_table(measurements))
    save_table(curves, curves_table(measurements))
    yield f"Saved {path.name} and {curves.name} in {path.parent}."


def save_figure(
    path: Path,
    measurements: Sequence[MeasuredLine],
    is_normalised: bool,
    stopping: threading.Event,
) -> Generator[str, None, None]:
    """Write a figure, as its name says, and yield what was done."""
    from napari_deepsmlm.profiles.export import save_profile_figure

    save_profile_figure(path, measurements, is_normalised=is_normalised)
    yield f"Saved {path.name} in {path.parent}."
