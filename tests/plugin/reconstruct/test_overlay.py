"""A bead must lie at one place in the world: in the raw frame, the SR image, and the points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from napari.components import ViewerModel

from napari_deepsmlm import models
from napari_deepsmlm.localizations import Localizations
from napari_deepsmlm.models import ImageModel, ModelConfig, save_model
from napari_deepsmlm.plugin.reconstruct import overlay
from napari_deepsmlm.plugin.reconstruct.work import ImageSoFar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

PIXEL_NM = 160.0
R = 8


class Repeat(ImageModel):
    """Repeats every pixel, and finds one molecule: the centre of mass."""

    name = "repeat"
    title = "Repeat"
    Config = ModelConfig
    upsampling = R
    halo_px = 0

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.weight = torch.nn.Parameter(torch.ones(1))

    def prepare(self, frames: Tensor) -> Tensor:
        return frames

    def predict(self, prepared: Tensor) -> Tensor:
        return prepared[:, 0].repeat_interleave(R, 1).repeat_interleave(R, 2) * self.weight

    def to_image(self, prediction: Tensor) -> Tensor:
        return prediction

    def loss(self, prediction: Tensor, truth: Localizations) -> Tensor:
        return prediction.sum()

    def find_in_image(self, image: Tensor, threshold: float | None = None) -> Localizations:
        B, H, W = image.shape
        places = (torch.arange(max(H, W)) + 0.5) * self.pixel_size_nm / R
        mass = image.sum((1, 2))
        y = (image.sum(2) * places[:H]).sum(1) / mass
        x = (image.sum(1) * places[:W]).sum(1) / mass
        return Localizations(frame=torch.arange(B), x_nm=x, y_nm=y, probability=mass)


@pytest.fixture
def repeat_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    known = models.available_models()
    monkeypatch.setattr(models, "available_models", lambda: {**known, "repeat": Repeat})
    path = tmp_path / "repeat.safetensors"
    save_model(path, Repeat(ModelConfig(pixel_size_nm=PIXEL_NM)))
    return path


@pytest.mark.parametrize("translate_nm", [(0.0, 0.0), (1000.0, -333.3)])
def test_a_bead_is_at_one_place_in_raw_image_sr_image_and_points(
    panel: ReconstructWidget,
    viewer: Any,
    run: Callable[[], None],
    repeat_file: Path,
    translate_nm: tuple[float, float],
) -> None:
    place = 6.3, 10.8  # (y, x), pixels between the centres of pixels
    y, x = np.mgrid[:16, :24]
    bead = 900 * np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / 3)
    frames = np.stack([np.zeros_like(bead), bead, bead])
    translate_px = np.array((0.0, *translate_nm)) / (1, PIXEL_NM, PIXEL_NM)
    raw = viewer.add_image(frames, name="bead", translate=translate_px)
    panel.form.model_box.load_file(repeat_file)
    panel.form.fill_in(pixel_size_nm=PIXEL_NM)
    panel.form.first_frame.value = 1
    run()
    name = "bead · repeat, frames 1 to the last"
    sr, points = viewer.layers[name], viewer.layers[f"{name} molecules"]
    expected = np.array(translate_nm) + np.array(place) * PIXEL_NM
    sr_pixel_nm = PIXEL_NM / R
    for centre in (
        raw.data_to_world((1, *centre_of_mass(bead)))[1:],
        sr.data_to_world(centre_of_mass(sr.data)),
        points.data_to_world(points.data[0])[1:],
    ):
        np.testing.assert_allclose(centre, expected, atol=0.1 * sr_pixel_nm)
    assert points.data[:, 0].tolist() == [1, 2], "points follow the slider of the stack"
    outer_corner = sr.extent.world[0] - sr_pixel_nm / 2  # the extent is that of pixel centres
    np.testing.assert_allclose(outer_corner, np.array(translate_nm) - PIXEL_NM / 2)


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(image.shape)
    return float((image * y).sum() / image.sum()), float((image * x).sum() / image.sum())


def test_a_large_image_that_takes_long_to_show_is_shown_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(overlay.time, "monotonic", lambda: now[0])
    viewer = ViewerModel()
    raw = viewer.add_image(np.zeros((3, 8, 8)))
    slow = overlay.Overlay(viewer, raw, 100.0, "SR")

    def show(value: float, *, is_last: bool = False) -> float:
        image = np.full((8, 8), value, np.float32)
        slow.show(ImageSoFar(image, (0.0, 9.0), 100.0, (0, 0), is_last))
        assert slow.layer is not None
        return float(slow.layer.data[0, 0])

    assert show(1) == 1
    slow.layer.events.data.connect(lambda: now.__setitem__(0, now[0] + 2))
    now[0] += 1
    assert show(2) == 2  # takes two seconds
    now[0] += 10
    assert show(3) == 2
    assert show(4, is_last=True) == 4
    now[0] += 21
    assert show(5) == 5
