"""Pictures of adapting: the question of the brake, and a stack of uneven light by one click."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from _window import PLUGIN, SIZE, click, has_looked, take, wait_until

from napari_deepsmlm.camera import IdealCamera
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.plugin.forms.camera_box import BY_NUMBERS

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from judging import stacks
from judging.grid import ALL
from judging.measures import hold, measure

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from judging.grid import Condition
    from judging.stacks import Stack

    from napari_deepsmlm.plugin.reconstruct.widget import ReconstructWidget

MAX_WAIT_S = 3000


def adapt(choices: argparse.Namespace) -> None:
    """Take the pictures, and print what the panel says and what the truth does."""
    brake(choices)
    uneven_light(choices)


def brake(choices: argparse.Namespace) -> None:
    """A model far from the data is stopped, and the panel asks."""
    viewer, panel = opened(*far_from_training())
    form = panel.form
    form.model_box.choose(
        next(c for c in form.model_box.choices if c.key == "dilated-loc:2d-100nm")
    )
    form.camera_box.value = BY_NUMBERS
    form.camera_box.photons_per_adu.value = 0.5
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    take(choices.out / "adapt_brake.png")
    viewer.close()


def uneven_light(choices: argparse.Namespace) -> None:
    """A stack with light like cells, by the model and the camera that the panel chooses."""
    condition = ALL["cells, background 300"]
    made = stacks.make(condition, 1)
    viewer, panel = opened(made.frames, condition.pixel_nm, "cells")
    click(panel.run_button)
    wait_until(lambda: not panel.is_busy)
    tell_truth("as it is", panel, condition, made)
    panel.adapting.minutes_box.value = 5
    started = time.monotonic()
    click(panel.adapting.button)
    wait_until(
        lambda: panel.bar.value() > 0.4 * panel.bar.maximum() or not panel.is_busy, MAX_WAIT_S
    )
    take(choices.out / "adapt_running.png")
    wait_until(lambda: not panel.is_busy and panel.save_button.isEnabled(), MAX_WAIT_S)
    print(f"adapted and reconstructed in {time.monotonic() - started:.0f} s")
    tell_truth("adapted", panel, condition, made)
    take(choices.out / "adapt_done.png")
    print(panel.adapting.note.text())
    viewer.close()


def tell_truth(when: str, panel: ReconstructWidget, condition: Condition, made: Stack) -> None:
    """Print how right the panel's result is."""
    assert panel._result is not None
    held = hold(panel._result.localizations, condition, made)
    scores = measure(held, condition, made)
    print(when, {key: round(scores[key], 3) for key in ("jaccard", "rmse_nm", "efficiency")})


def opened(
    stack: np.ndarray, pixel_nm: float, name: str
) -> tuple[napari.Viewer, ReconstructWidget]:
    """Return a viewer with a stack, and the Reconstruct panel beside it."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    show_stack(viewer, stack, pixel_nm, name)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    wait_until(lambda: panel.is_ready)
    has_looked(panel)
    return viewer, panel


def show_stack(viewer: napari.Viewer, stack: np.ndarray, pixel_nm: float, name: str) -> None:
    """Add a stack at its place in nm, at its 21st frame."""
    viewer.add_image(
        stack,
        name=name,
        scale=(1, pixel_nm, pixel_nm),
        units=("pixel", "nm", "nm"),
        axis_labels=("t", "y", "x"),
    )
    viewer.dims.set_current_step(0, 20)


def far_from_training() -> tuple[np.ndarray, float, str]:
    """Frames of wide pixels on a bright background, as no built-in model was trained on."""
    pixel_nm = 160.0
    experiment = Experiment.from_dict(
        {
            "psf": {"kind": "gaussian", "pixel_size_nm": pixel_nm, "sigma_nm": [126.0, 130.0]},
            "camera": IdealCamera(baseline=100, gain=2).model_dump(mode="json"),
            "image_px": [48, 48],
            "simulation": {
                "density_per_um2": [0.5, 0.7],
                "photons": [4000.0, 6000.0],
                "background": [900.0, 900.0],
            },
        }
    )
    return experiment.simulate(250, seed=3).stack[:, 0], pixel_nm, "bright"
