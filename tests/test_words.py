"""Errors in words: ours as they are, those of libraries as a sentence about the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_deepsmlm._words import sentence_of
from napari_deepsmlm.localizations import Localizations

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARIES = "This cannot be computed from what was given; look for values that are huge"


def caught(work: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as found:  # noqa: PT011 - any, to be put into words
        work()
    return found.value


@pytest.mark.parametrize(
    "work",
    [
        lambda: cKDTree(np.full((3, 2), np.nan)),  # compiled, with a frame of its own
        lambda: np.zeros(-1),  # compiled, without one
        lambda: np.zeros(0).max(),
        lambda: np.percentile([1.0], 200),  # Python below us
        lambda: int("twelve"),
        lambda: 1 / 0,
    ],
)
def test_the_words_of_a_library_become_a_sentence_on_the_input(work: Callable[[], object]) -> None:
    error = caught(work)
    text = sentence_of(error)
    assert text.startswith(LIBRARIES)
    assert str(error)[:20] in text


def test_our_words_are_left_as_they_are() -> None:
    error = caught(lambda: Localizations(frame=[0.5], x_nm=[1.0], y_nm=[1.0]))
    assert sentence_of(error) == str(error) == "Frame numbers must be whole numbers."

    def raised_again() -> None:
        try:
            raise ValueError("Ours.")
        except ValueError as first:
            raise ValueError("Ours too.") from first

    assert sentence_of(caught(raised_again)) == "Ours too."
    assert sentence_of(ValueError("Not raised at all.")) == "Not raised at all."
