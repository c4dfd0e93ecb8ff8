"""Drift of images: windows of a time-lapse, against a drift that is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.cli.conftest import call
from tests.drift.conftest import drifting, rms_nm

from napari_deepsmlm.drift import hold_still, measure_image_drift, sum_of
from napari_deepsmlm.io import ImageWriter, open_frames, read_report

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

PIXEL_NM, N_FRAMES, WINDOW = 12.5, 1000, 100


def lapse(steady_nm: tuple[float, float, float] = (300.0, -180.0, 0.0)) -> tuple[Any, Any, Array]:
    """Return images of molecules in windows of frames, the frames, and the planted drift."""
    table, path = drifting(40_000, N_FRAMES, steady_nm=steady_nm, walk_nm=0.0, field_nm=6000.0)
    frames = [(at, at + WINDOW) for at in range(0, N_FRAMES, WINDOW)]
    edges = np.arange(0, 6001, PIXEL_NM)
    images = []
    for first, after in frames:
        mine = (table.frame >= first) & (table.frame < after)
        image, *_ = np.histogram2d(table.y_nm[mine], table.x_nm[mine], bins=(edges, edges))
        images.append(image.astype(np.float32))
    return images, frames, path


def test_a_planted_drift_is_found_within_its_error() -> None:
    images, frames, path = lapse()
    found = measure_image_drift(images, frames, PIXEL_NM)
    error = rms_nm(found.curve.xyz_nm, path)
    assert max(error) < 4.0
    assert max(error) < 4 * np.sqrt(np.mean(found.curve.error_nm**2))
    assert found.curve.n_frames == N_FRAMES
    assert "300" in found.sentence() or abs(np.ptp(found.curve.xyz_nm[:, 0]) - 300) < 12


def test_light_in_one_corner_is_said_to_show_little() -> None:
    images, frames, _ = lapse()
    corner = [np.where(np.add.outer(np.arange(480), np.arange(480)) < 120, i, 0) for i in images]
    assert "few places" in measure_image_drift(corner, frames, PIXEL_NM).remarks[-1]
    assert not measure_image_drift(images, frames, PIXEL_NM).remarks


def test_no_drift_is_said_to_be_none() -> None:
    images, frames, _ = lapse((0.0, 0.0, 0.0))
    found = measure_image_drift(images, frames, PIXEL_NM)
    assert np.ptp(found.curve.xyz_nm, axis=0).max() < 12
    assert any("No drift" in remark for remark in found.remarks)


def test_images_held_still_lie_upon_each_other_and_keep_their_light() -> None:
    images, frames, _ = lapse()
    found = measure_image_drift(images, frames, PIXEL_NM)
    still = list(hold_still(images, frames, found.curve, PIXEL_NM))

    def likeness(pair: list[Array]) -> float:
        blurred = [image.reshape(120, 4, 120, 4).sum(axis=(1, 3)).ravel() for image in pair]
        return float(np.corrcoef(*blurred)[0, 1])

    assert likeness([still[0], still[-1]]) > 3 * likeness([images[0], images[-1]])
    inside = still[-1].sum() / images[-1].sum()
    assert 0.9 < inside <= 1.001  # what left the field is lost
    total = sum_of(iter(still), frames)
    np.testing.assert_allclose(total, np.sum(still, axis=0), rtol=1e-5)
    back = list(hold_still(still, frames, found.curve, PIXEL_NM, take_back=True))
    assert likeness([back[-1], images[-1]]) > 0.9


def test_overlapping_windows_count_each_frame_once() -> None:
    images = [np.full((2, 2), float(k)) for k in range(4)]
    frames = [(0, 20), (10, 30), (20, 40), (30, 50)]
    assert sum_of(iter(images), frames)[0, 0] == 2.0  # images 0 and 2


def test_a_time_lapse_is_held_still_on_the_command_line(tmp_path: Path) -> None:
    images, frames, path = lapse()
    source, still, image = (tmp_path / name for name in ("lapse.tif", "still.tif", "image.tif"))
    report = {"sr_pixel_nm": PIXEL_NM, "time_lapse": [list(pair) for pair in frames]}
    with ImageWriter(source, pixel_size_nm=PIXEL_NM, report=report) as writer:
        for each in images:
            writer.append(each)
    curve = tmp_path / "drift.csv"
    outputs = ("--out", still, "--image", image, "--curve", curve)
    result = call("drift", source, *outputs, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert abs(told["range_nm"][0] - np.ptp(path[:, 0])) < 15
    assert open_frames(still).shape[0] == len(frames)
    assert read_report(still)["drift"]["method"] == "correlation"
    total = open_frames(image).read(0, 1)[0, 0]
    sharp, smeared = (float((each**2).sum()) for each in (total, np.sum(images, axis=0)))
    assert sharp > 1.2 * smeared
    back = tmp_path / "back.tif"
    result = call("drift", still, "--out", back, "--take-back", curve)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--method", "entropy"), "for tables"),
        (("--pixel-size", "100"), "for tables"),
        (("--image", "x.png"), "written as .tif"),
        (("--image", "still.tif"), "named twice"),
    ],
)
def test_what_a_time_lapse_cannot_be_given_is_refused(
    options: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ImageWriter(tmp_path / "lapse.tif", pixel_size_nm=10) as writer:
        writer.append(np.ones((3, 16, 16), np.float32))
    result = call("drift", "lapse.tif", "--out", "still.tif", *options)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    result = call("drift", "lapse.tif", "--out", "still.tif")
    assert "no time-lapse of ours" in " ".join(result.output.split())


def test_too_few_or_empty_images_show_no_drift() -> None:
    empty = [np.zeros((64, 64), np.float32)] * 3
    frames = [(0, 1), (1, 2), (2, 3)]
    with pytest.raises(ValueError, match="empty"):
        measure_image_drift(empty, frames, 10.0)
    with pytest.raises(ValueError, match="3 are needed"):
        measure_image_drift(empty[:2], frames[:2], 10.0)
    with pytest.raises(ValueError, match="2 ranges"):
        measure_image_drift(empty, frames[:2], 10.0)
