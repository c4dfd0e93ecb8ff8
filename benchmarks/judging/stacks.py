"""Stacks: a condition and a seed to frames in ADU and their truth, kept in a folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from judging import cameras, grid, optics, sample
from judging.sample import Rows, background, molecules

if TYPE_CHECKING:
    from collections.abc import Callable

    from judging.grid import Condition

    Array = np.ndarray[Any, Any]

SALT = 20_270_913
"""Keeps these random numbers apart from those of any other simulation."""
BEAD_PHOTONS, BEAD_CLEAR_NM = 200_000.0, 1000.0
SATURATED_TIMES = 9.0
DRIFT_NM = (480.0, -360.0)
HAZE_DEPTHS_NM = (500.0, 600.0, 750.0, 900.0, 1000.0)


@dataclass(frozen=True)
class Stack:
    """What a microscope gives, and what was there."""

    frames: Array
    """(T, H, W) uint16 ADU."""
    truth: Rows
    haze: Rows
    """Molecules out of focus: no one has to find them, and finding them is no fault."""
    odd_xy_nm: tuple[float, float] | None
    """Where the hot pixel or the bead is."""


def default_cache() -> Path:
    """Return the folder that keeps stacks and references, outside of the repository."""
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base or tempfile.gettempdir()) / "deepsmlm-conditions"


def make(condition: Condition, seed: int) -> Stack:
    """Return the stack of a condition; a trap has the sample of the condition it is laid in."""
    key = [SALT, seed, zlib.crc32(condition.scene.encode())]
    rng, noise_rng = np.random.default_rng([*key, 1]), np.random.default_rng([*key, 2])
    side, trap = condition.side_px, condition.trap
    truth = _molecules(condition, rng)
    haze = _molecules(condition, rng) if trap == "haze" else _none(truth)
    even = background(condition.unevenness, condition.background, (side, side), rng)
    if condition.is_empty:
        truth = _none(truth)
    if trap == "drift":
        truth = _moved(truth, condition.n_frames)
    sensor = condition.sensor
    if trap == "saturated":
        sensor = cameras.SENSORS["scmos12bit"]
        truth = truth._replace(photons=truth.photons * SATURATED_TIMES)
    light = np.zeros((condition.n_frames, side, side)) + even
    optics.add_light(light, condition.optics, truth[:4], condition.pixel_nm)
    for index, depth_nm in enumerate(HAZE_DEPTHS_NM):
        some = Rows(*(column[haze.molecule % len(HAZE_DEPTHS_NM) == index] for column in haze))
        optics.add_light(light, condition.optics, some[:4], condition.pixel_nm, depth_nm)
    odd_nm = None
    if trap in ("bead", "hot pixel"):
        odd_nm = (0.3 * condition.size_nm, 0.6 * condition.size_nm)
    if trap == "bead":
        assert odd_nm is not None
        n = condition.n_frames
        bead = np.arange(n), np.full(n, odd_nm[0]), np.full(n, odd_nm[1]), np.full(n, BEAD_PHOTONS)
        optics.add_light(light, condition.optics, bead, condition.pixel_nm)
    frames = sensor.expose(light, noise_rng)
    if trap == "hot pixel":
        assert odd_nm is not None
        column, row = (int(value // condition.pixel_nm) for value in odd_nm)
        frames[:, row, column] = 65_535
    return Stack(frames, truth, haze, odd_nm)


def _molecules(condition: Condition, rng: np.random.Generator) -> Rows:
    return molecules(
        condition.structure,
        (condition.size_nm, condition.size_nm),
        condition.n_frames,
        rng,
        density_per_um2=condition.density_per_um2,
        photons=condition.photons,
        spread=condition.spread,
        on_frames=condition.on_frames,
    )


def _none(rows: Rows) -> Rows:
    return Rows(*(column[:0] for column in rows))


def _moved(rows: Rows, n_frames: int) -> Rows:
    share = rows.frame / max(1, n_frames - 1)
    return rows._replace(x_nm=rows.x_nm + DRIFT_NM[0] * share, y_nm=rows.y_nm + DRIFT_NM[1] * share)


def load(condition: Condition, seed: int, cache: Path) -> Stack:
    """Return the stack, from the folder if it is there."""
    columns = kept(cache, "stack", (condition, seed, _CODE), lambda: _packed(condition, seed))
    rows = {
        name: Rows(*(columns[f"{name}_{field}"] for field in Rows._fields))
        for name in ("truth", "haze")
    }
    odd = columns["odd_xy_nm"]
    where = (float(odd[0]), float(odd[1])) if len(odd) else None
    return Stack(columns["frames"], rows["truth"], rows["haze"], where)


def _packed(condition: Condition, seed: int) -> dict[str, Array]:
    stack = make(condition, seed)
    columns = {
        f"{name}_{field}": column
        for name, rows in (("truth", stack.truth), ("haze", stack.haze))
        for field, column in zip(Rows._fields, rows, strict=True)
    }
    odd = np.array([] if stack.odd_xy_nm is None else stack.odd_xy_nm)
    return {"frames": stack.frames, "odd_xy_nm": odd, **columns}


def kept(
    cache: Path, kind: str, key: object, compute: Callable[[], dict[str, Array]]
) -> dict[str, Array]:
    """Return arrays from a file of the folder, computed if the key has none yet."""
    digest = hashlib.sha256(repr(key).encode()).hexdigest()
    file = cache / f"{kind}_{digest[:24]}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as found:
            return dict(found)
    columns = compute()
    cache.mkdir(parents=True, exist_ok=True)
    # Written aside and renamed: another process may look for the same file.
    with tempfile.NamedTemporaryFile(dir=cache, suffix=".part", delete=False) as part:
        np.savez_compressed(part, **columns)
    Path(part.name).replace(file)
    return columns


def digest_of(*paths: Path) -> str:
    """Return what tells one version of some files from another."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


_CODE = digest_of(
    *(Path(str(module.__file__)) for module in (cameras, grid, optics, sample)), Path(__file__)
)
