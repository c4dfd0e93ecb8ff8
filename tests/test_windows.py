"""Windows that follow each other or slide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepsmlm._windows import Windows, windows_of
from napari_deepsmlm.inference.inputs import Groups

LENGTHS = st.integers(1, 12)


@given(LENGTHS, st.integers(1, 12), st.integers(1, 60))
def test_a_frame_lies_in_the_windows_that_hold_it(length: int, step: int, n_frames: int) -> None:
    windows = Windows(length, min(step, length))
    each = [windows.frames(k, n_frames) for k in range(windows.count(n_frames))]
    assert each[0].start == 0
    assert each[-1].stop == n_frames
    assert all(len(frames) == min(length, n_frames) for frames in each[:-1])
    for frame in range(n_frames):
        holding = [k for k, frames in enumerate(each) if frame in frames]
        assert list(windows.around(frame, n_frames)) == holding
        assert 1 <= len(holding) <= windows.n_at_once


@given(LENGTHS, st.integers(1, 12), st.integers(1, 60), st.integers(1, 3), st.integers(1, 7))
def test_no_batch_reaches_over_the_start_or_end_of_a_window(
    length: int, step: int, n_frames: int, sum_frames: int, per_batch: int
) -> None:
    windows = Windows(length * sum_frames, min(step, length) * sum_frames)
    groups = Groups(n_frames, sum_frames=sum_frames, window=windows.length, step=windows.step)
    edges = [(groups.start(first), groups.start(last)) for first, last in groups.batches(per_batch)]
    assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
    assert edges[-1][1] == n_frames
    for start, stop in edges:
        assert windows.around(start, n_frames) == windows.around(stop - 1, n_frames)


def test_windows_without_a_step_follow_each_other() -> None:
    assert windows_of(5) == Windows(5, 5)
    assert windows_of(None) is None


def test_a_step_that_leaves_frames_out_or_has_no_window_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 5 frames, got 6"):
        windows_of(5, 6)
    with pytest.raises(ValueError, match="frames of a window too"):
        windows_of(None, 2)
