"""One way of counting frames in the window: as the slider does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import napari_deepsmlm.plugin
from napari_deepsmlm.plugin.widgets.frame_numbers import (
    COUNTED,
    FIRST_SHOWN,
    frames_in_words,
    of_file,
    shown_of_file,
)


@pytest.mark.parametrize("number", [1, 2, 700])
def test_numbers_of_files_and_of_the_window_lead_back_to_each_other(number: int) -> None:
    assert of_file(shown_of_file(number)) == number


def test_the_first_frame_is_that_of_the_slider(make_napari_viewer_proxy) -> None:
    import numpy as np

    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((5, 8, 8)))
    assert viewer.dims.range[0].start == FIRST_SHOWN == shown_of_file(1)
    assert frames_in_words(0, 4) == f"frames {FIRST_SHOWN} to {FIRST_SHOWN + 4}"
    assert str(FIRST_SHOWN) in COUNTED


def test_no_panel_counts_frames_in_words_of_its_own() -> None:
    folder = Path(napari_deepsmlm.plugin.__file__).parent
    own = re.compile(r"[Ff]rames?\b[^\"\n]*(\(from [01]\)|count(ed)? from [01])")
    texts = {path: path.read_text("utf-8") for path in folder.rglob("*.py")}
    found = [
        path.relative_to(folder).as_posix()
        for path, text in texts.items()
        if path.name != "frame_numbers.py"
        and any(own.search(line) and ">>>" not in line for line in text.splitlines())
    ]
    # The example in a docstring, which a test runs.
    assert found == ["localizations/column_ranges.py"]
