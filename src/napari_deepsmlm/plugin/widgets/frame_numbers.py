"""Frame numbers: in the window frames count as napari's slider does, from 0; in files from 1.

Whatever shows a frame number to a person takes the words from here.
"""

from __future__ import annotations

FIRST_SHOWN = 0
"""The number of the first frame in the window: that of napari's slider."""
FIRST_IN_FILES = 1
"""The number of the first frame in ThunderSTORM's tables, and so in filters."""
COUNTED = f"counted from {FIRST_SHOWN} as on the slider"
IN_FILTERS = (
    f"In a filter frames count from {FIRST_IN_FILES}, as in the files: frame {FIRST_IN_FILES} is "
    f"{FIRST_SHOWN} on the slider."
)


def shown(frame: int) -> int:
    """Return the number that the window shows for the index of a frame."""
    return frame + FIRST_SHOWN


def shown_of_file(number: float) -> float:
    """Return the number that the window shows for one that files and filters count."""
    return number - FIRST_IN_FILES + FIRST_SHOWN


def of_file(number: float) -> float:
    """Return the number of files and filters for one that the window shows."""
    return number - FIRST_SHOWN + FIRST_IN_FILES


def frames_in_words(first: int, last: int | None) -> str:
    """Return frames, by the indices of their first and last, in words; None: to the end.

    Examples
    --------
    >>> frames_in_words(3, 3), frames_in_words(3, 9), frames_in_words(3, None)
    ('frame 3', 'frames 3 to 9', 'frames 3 to the last')
    """
    if first == last:
        return f"frame {shown(first)}"
    end = "the last" if last is None else f"{shown(last):,}"
    return f"frames {shown(first):,} to {end}"
