"""Counts: an image that a network predicts, and the table of its peaks, may hold other numbers."""

from __future__ import annotations

from napari_deepsmlm.mismatch.table import rounded

# Beyond this factor the two numbers are said to differ; fewer molecules than this say nothing.
MAX_APART = 1.5
FEWEST = 20
WAY_OUT = (
    "Count with a model that localizes, such as dilated-loc; deepsmlm render, or Render in the "
    "Localizations panel, draws an image of the table."
)


def counts_sentence(n_in_image: float, n_in_table: int, threshold: float) -> str:
    """Return how the image and the table differ, "" if they agree.

    An image network spreads a molecule over pixels; only what rises above the threshold is a peak.

    Parameters
    ----------
    n_in_image : sum over the image's pixels.
    n_in_table : peaks.
    threshold : least value of a peak.

    Examples
    --------
    >>> counts_sentence(2600, 2528, 0.3)
    ''
    >>> counts_sentence(8423, 2528, 0.3).split(" peaks")[0]
    'The image holds light of about 8,400 molecules, the table 2,528'
    """
    if max(n_in_image, n_in_table) < FEWEST:
        return ""
    if n_in_image > MAX_APART * n_in_table:
        why = "molecules that overlap share a peak, and faint ones stay below the threshold"
    elif n_in_table > MAX_APART * n_in_image:
        why = "one molecule may have several peaks, which a higher threshold leaves out"
    else:
        return ""
    about = f"{float(rounded(n_in_image)):,.0f}"
    return (
        f"The image holds light of about {about} molecules, the table {n_in_table:,} peaks above "
        f"the threshold of {threshold:g}: {why}. {WAY_OUT}"
    )
