"""FramePair: simulated frames to hold beside real ones, made in another thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator

    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.experiment import Experiment

    Array = np.ndarray[Any, Any]
    Frames = Callable[[int, int], Array]
    """(frames before and after, largest side) -> (T, C, H, W) ADU around the frame shown."""

SIDE_PX = 64
"""Largest side of the frames that are looked at."""
STEP_PX = 8
"""Networks that pool need sides that are multiples of this."""
N_BINS = 60
SEED = 1
N_DRAWN = 8
"""Frames that are simulated to find one like the real one: settings are ranges."""
LIMITS = (0.5, 99.8)
"""Percentiles of the contrast."""
BRIGHTNESS = (30, 99.8)
"""Percentiles that are background, and background with molecules."""
# Where settings are wrong: what a look at the two frames would tell as well.
MAX_RATIO = 1.3


@dataclass(frozen=True, slots=True)
class FramePair:
    """One frame of each kind, on one scale."""

    simulated: Array
    """(H, W) ADU."""
    real: Array | None
    limits: tuple[float, float]
    """Contrast for both, ADU."""
    edges: Array
    """(N_BINS + 1,) of the histograms, ADU."""

    def histogram(self, frame: Array) -> Array:
        """Return the share of pixels in each bin."""
        inside = frame.clip(self.edges[0], self.edges[-1])
        counts: Array = np.histogram(inside, self.edges)[0] / frame.size
        return counts


def look_at(
    experiment: Experiment, real: Frames | None, stopping: threading.Event
) -> Generator[FramePair, None, None]:
    """Yield a simulated frame of an experiment, of several the most alike, beside the real one."""
    shown = None if real is None else real(0, SIDE_PX)[0, 0].astype(np.float32)
    shape = (SIDE_PX, SIDE_PX) if shown is None else (shown.shape[0], shown.shape[1])
    drawn = _simulated(experiment, shape, 0, n=1 if shown is None else N_DRAWN)[:, 0]
    simulated = drawn[0] if shown is None else most_like(drawn, shown)
    both = [simulated] if shown is None else [simulated, shown]
    low, high = np.percentile(np.concatenate([frame.ravel() for frame in both]), LIMITS)
    high = max(high, low + 1)
    edges = np.linspace(low, high, N_BINS + 1)
    yield FramePair(simulated, shown, (float(low), float(high)), edges)


def most_like(drawn: Array, real: Array) -> Array:
    """Return the one of several frames whose range of brightness is nearest to a real one's.

    Parameters
    ----------
    drawn : (N, H, W) ADU.
    real : (H, W) ADU.
    """
    ranges = [np.ptp(np.percentile(frame, BRIGHTNESS)) for frame in (*drawn, real)]
    found: Array = drawn[int(np.abs(np.array(ranges[:-1]) - ranges[-1]).argmin())]
    return found


def frames_to_watch(experiment: Experiment, real: Frames | None) -> Array:
    """Return (B, C, H, W) of a simulated frame and, if it fits, of the real one.

    They come as the network reads them: photons, or those equivalent in noise.

    A network with temporal context gets the frames before and after as channels.
    """
    import torch

    model = experiment.build_model()
    context = model.context
    n_planes = experiment.psf.n_planes
    window = None if real is None else real(context, SIDE_PX).astype(np.float32)
    if window is not None and (window.shape[1] != n_planes or min(window.shape[2:]) < STEP_PX):
        window = None
    shape = (SIDE_PX, SIDE_PX) if window is None else (window.shape[2], window.shape[3])
    height, width = (side // STEP_PX * STEP_PX for side in shape)
    frames = [_simulated(experiment, (height, width), context)]
    if window is not None:  # (T, C, H, W) -> (1, T*C, H, W)
        frames.append(window[:, :, :height, :width].reshape(1, -1, height, width))
    adu = torch.from_numpy(np.concatenate(frames))
    camera = _without_maps(experiment.camera)
    watched: Array = model.frames_in(camera, camera.to_photons(adu)).numpy()
    return watched


def says(look: FramePair) -> str:
    """Return in words where the two frames differ, "" if they do not, or there is only one.

    Examples
    --------
    >>> frame = np.full((8, 8), 100.0)
    >>> says(FramePair(frame, frame, (0, 1), np.arange(2)))
    ''
    >>> says(FramePair(frame, 2 * frame, (0, 1), np.arange(2)))
    'The real background is 2 times as bright as the simulated one.'
    """
    if look.real is None:
        return ""
    simulated, real = (np.percentile(f, BRIGHTNESS) for f in (look.simulated, look.real))
    parts = []
    for what, ours, theirs in (
        ("background is", simulated[0], real[0]),
        ("molecules are", np.ptp(simulated), np.ptp(real)),
    ):
        ratio = theirs / max(ours, 1e-9)
        if not 1 / MAX_RATIO < ratio < MAX_RATIO and max(ours, theirs) > 0:
            ones = "one" if what.endswith("is") else "ones"
            parts.append(f"The real {what} {ratio:.2g} times as bright as the simulated {ones}.")
    return " ".join(parts)


def _simulated(experiment: Experiment, shape: tuple[int, int], context: int, n: int = 1) -> Array:
    """(n, (2 context + 1) C, H, W) ADU, the same molecules for the same settings."""
    import torch

    single = experiment.simulation.replace(sum_frames=(1, 1))
    simulator = experiment.replace(simulation=single).simulator()
    generator = torch.Generator().manual_seed(SEED)
    origin_px = experiment.camera.draw_origin_px(n, shape, generator)
    batch = simulator.batch(n, shape, generator, context=context, origin_px=origin_px)
    frames: Array = batch.frames.numpy()
    return frames


def _without_maps(camera: Camera) -> Camera:
    """A camera with maps knows where on the sensor a frame lies, which nobody knows here."""
    return camera if getattr(camera, "maps", None) is None else camera.replace(maps=None)
