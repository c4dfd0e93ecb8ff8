"""Contrast: colours moved towards black or white until they are seen on a theme."""

from __future__ import annotations

from napari_deepsmlm._palette import GREEN, IN_WINDOW, ON_PAPER

LEAST = 4.5
"""Of text on its background, as WCAG 2.2 asks at level AA (success criterion 1.4.3)."""
LEAST_OF_GRAPHICS = 3.0
"""Of a curve or a mark on its background (success criterion 1.4.11)."""
TONES = {"praise": GREEN, "warning": "#d98a1f", "error": "#e5534b"}
"""Colours of what is said in words that praise, warn or fail."""
STEPS = 100


def luminance(color: str) -> float:
    """Return the relative luminance of a colour such as `#e5534b` or `#fff`, from 0 to 1.

    https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
    """
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, from 1 to 21.

    Examples
    --------
    >>> round(contrast("#000", "#ffffff"), 3)
    21.0
    """
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def readable_on(color: str, *backgrounds: str, least: float = LEAST) -> str:
    """Return the colour nearest to one that has the least contrast with all of the backgrounds.

    Examples
    --------
    >>> readable_on("#009e73", "#000000")
    '#009e73'
    """
    end = max(("#000000", "#ffffff"), key=lambda each: _least(each, backgrounds))
    for step in range(STEPS + 1):
        mixed = _mix(color, end, step / STEPS)
        if _least(mixed, backgrounds) >= least:
            return mixed
    return end  # backgrounds so different that nothing can be read on all of them


def visible_on(color: str, background: str) -> str:
    """Return what a curve of a colour is drawn in: on a light background, its dark fellow.

    Examples
    --------
    >>> visible_on("#56b4e9", "#000000"), visible_on("#56b4e9", "#ffffff")
    ('#56b4e9', '#0072b2')
    """
    if contrast(background, "#000000") > contrast(background, "#ffffff"):
        color = dict(zip(IN_WINDOW, ON_PAPER, strict=True)).get(color, color)
    return readable_on(color, background, least=LEAST_OF_GRAPHICS)


def tone_style(*backgrounds: str) -> str:
    """Return a style sheet for labels that have a property `tone`."""
    rules = [
        f'QLabel[tone="{tone}"] {{ color: {readable_on(color, *backgrounds)}; }}'
        for tone, color in TONES.items()
    ]
    return " ".join([*rules, 'QLabel[tone="praise"], QLabel[tone="error"] { font-weight: bold; }'])


def _channels(color: str) -> tuple[int, int, int]:
    digits = color.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _mix(color: str, end: str, share: float) -> str:
    pairs = zip(_channels(color), _channels(end), strict=True)
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def _least(color: str, backgrounds: tuple[str, ...]) -> float:
    return min((contrast(color, each) for each in backgrounds), default=21.0)
