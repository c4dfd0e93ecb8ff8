"""The exported figure shows the data that went in."""

from __future__ import annotations

import numpy as np

from napari_deepsmlm.calibration.calibrate import calibrate
from napari_deepsmlm.calibration.plot import fitted_images, plot_calibration
from napari_deepsmlm.psf import AstigmaticPSF, PupilPSF


def test_the_figure_has_curves_and_images_and_the_fit_is_near_the_data(beads, tmp_path):
    stack = beads(AstigmaticPSF(), n_depths=21, z_step_nm=60, side_px=60,
                  places_nm=((2930.0, 3070.0, 0.0),))  # fmt: skip
    result = calibrate(stack, z_step_nm=60, pixel_size_nm=100)
    residual = fitted_images(result) - result.measured[0]
    assert np.sqrt((residual**2).mean()) < 0.1 * result.measured[0].max(axis=(1, 2)).mean()
    figure = plot_calibration(result)
    figure.savefig(tmp_path / "calibration.png", dpi=40)
    assert (tmp_path / "calibration.png").stat().st_size > 5000
    assert len(figure.get_axes()) == 1 + 3 * 7


def test_splines_through_the_data_leave_less_than_a_fit_of_another_shape(beads):
    donut = PupilPSF.preset("tetrapod-3um")
    stack = beads(donut, n_depths=21, z_step_nm=100, side_px=80,
                  places_nm=((4030.0, 4070.0, 0.0),))  # fmt: skip
    result = calibrate(stack, z_step_nm=100, pixel_size_nm=100, window_px=41)
    data = result.measured[0]
    rest = {
        is_measured: np.linalg.norm(fitted_images(result, is_measured=is_measured) - data)
        for is_measured in (True, False)
    }
    assert rest[True] < 0.05 * np.linalg.norm(data) < 0.15 * np.linalg.norm(data) < rest[False]
