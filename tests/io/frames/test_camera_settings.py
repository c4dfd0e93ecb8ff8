"""Offset and gain as far as files state them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from napari_deepsmlm.io.frames import _ifd
from napari_deepsmlm.io.frames.metadata import micro_manager_camera_settings

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "HamamatsuHam_DCAM"


def tags_of(**values: Any) -> Any:
    return {_ifd.MICRO_MANAGER: (json.dumps(values).encode(),)}


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"PropVal": v}], ids=["1.4", "2"])
def test_micro_manager_files_of_hamamatsu_cameras_state_both(wrap: Callable[[str], Any]) -> None:
    stated = {
        f"{NAME}-CONVERSION FACTOR COEFF": wrap("0.46"),
        f"{NAME}-CONVERSION FACTOR OFFSET": wrap("100"),
    }
    assert micro_manager_camera_settings(tags_of(**stated), {}) == {
        "Sensitivity": 0.46,
        "Baseline": 100.0,
    }


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {f"{NAME}-CONVERSION FACTOR COEFF": "0.46"},
        {
            f"{NAME}-CONVERSION FACTOR COEFF": "-1",
            f"{NAME}-CONVERSION FACTOR OFFSET": "100",
        },
        {
            f"{NAME}-CONVERSION FACTOR COEFF": "high",
            f"{NAME}-CONVERSION FACTOR OFFSET": "100",
        },
    ],
)
def test_what_is_missing_or_no_number_states_nothing(stated: dict[str, str]) -> None:
    assert micro_manager_camera_settings(tags_of(**stated), {}) == {}
