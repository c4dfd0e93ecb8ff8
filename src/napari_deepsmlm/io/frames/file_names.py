"""What the names of files say: their order, and what each of many images is of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MIN_REPEATED = 3
"""So many numbers that occur with other words too are no chance: they are other movies."""

_WORDS = {
    "channel": r"(?:channel|chan|ch|wavelength)",
    "position": r"(?:position|pos|stage|site|xy)",
    "depth": r"(?:slice|depth)",
}
# One letter says something only beside a time: p12.tif is the twelfth picture.
_LETTERS = {"channel": "[cw]", "position": "[sp]", "depth": "z"}
_WAVELENGTH = re.compile(r"(?<!\d)(\d{3})nm(?![a-z])")
_COUNTER = re.compile(r"\d+(?=\D*$)")
_TIME = re.compile(r"(?<![a-z])(?:time|t)[_-]?\d+(?!\d)")
_MICRO_MANAGER = re.compile(r"img_\d{9}_(?P<channel>.+)_(?P<depth>\d{3})")


class Place(NamedTuple):
    """What an image is of besides its time, "" where the name does not say."""

    channel: str = ""
    position: str = ""
    depth: str = ""
    series: str = ""
    """What stands before the number, where files of other words have the same numbers."""

    def describe(self) -> str:
        """Return it in words: channel 1, position 0."""
        return ", ".join(f"{name} {value}" for name, value in self._asdict().items() if value)


def place_of(path: Path) -> Place:
    """Return what the name of a file says of colour, stage position and depth.

    Examples
    --------
    >>> from pathlib import Path
    >>> place_of(Path("img_channel001_position002_time000000007_z000.tif"))
    Place(channel='1', position='2', depth='0', series='')
    >>> place_of(Path("cell_t0001_c2.tif")).channel, place_of(Path("c2.tif")).channel
    ('2', '')
    """
    stem = path.name.partition(".")[0].casefold()
    written = _MICRO_MANAGER.fullmatch(stem)
    if written:
        return Place(written["channel"], "", written["depth"].lstrip("0") or "0")
    has_time = bool(_TIME.search(stem))
    found = {}
    for name, words in _WORDS.items():
        kinds = rf"(?:{words}|{_LETTERS[name]})" if has_time else words
        match = re.search(rf"(?<![a-z]){kinds}[_-]?(\d{{1,6}})(?!\d)", stem)
        found[name] = "" if match is None else str(int(match[1]))
    wavelength = _WAVELENGTH.search(stem)
    if wavelength and not found["channel"]:
        found["channel"] = f"{wavelength[1]}nm"
    return Place(**found)


def by_place(paths: Iterable[Path]) -> dict[Place, list[Path]]:
    """Return files by what they are of, each in the order given.

    Examples
    --------
    >>> from pathlib import Path
    >>> found = by_place(Path(f"{word}_{n}.tif") for word in ("red", "green") for n in range(3))
    >>> [place.describe() for place in found]
    ["series 'red'", "series 'green'"]
    """
    groups: dict[Place, list[Path]] = {}
    for path in paths:
        groups.setdefault(place_of(path), []).append(path)
    found: dict[Place, list[Path]] = {}
    for place, group in groups.items():
        series = _by_series(group)
        found |= {place._replace(series=words): files for words, files in series.items()}
    return found


def _by_series(paths: list[Path]) -> dict[str, list[Path]]:
    """Return files by the words of their names, if several words count the same numbers.

    red_1, red_2, green_1 and green_2 are two movies; what goes on counting is one, and so is what
    stands alone, as a first part without a number.
    """
    series: dict[str, list[Path]] = {}
    numbers: dict[str, set[str]] = {}
    for path in paths:
        stem = _without_endings(path.name)[0]
        counter = _COUNTER.search(stem)
        words = "" if counter is None else re.sub(r"\d+", "#", stem)
        series.setdefault(words, []).append(path)
        numbers.setdefault(words, set()).add("" if counter is None else counter[0].lstrip("0"))
    repeated = sum(map(len, numbers.values())) - len(set().union(*numbers.values()))
    if repeated < MIN_REPEATED:
        return {"": paths}
    return {_words_before(files[0]): files for files in series.values()}


def _words_before(path: Path) -> str:
    """Return the name of a file up to its counter."""
    stem = _without_endings(path.name)[0]
    counter = _COUNTER.search(stem)
    return repr(stem if counter is None else stem[: counter.start()].rstrip("_-. ") or stem)


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Return paths with their numbers in order: frame2 before frame10, and movie before movie_1."""
    return sorted(paths, key=_natural_key)


def _natural_key(path: Path) -> list[list[tuple[int, int, str]]]:
    """Sort digits as numbers, and the endings last: the first part of a movie has no number."""
    name, ending = _without_endings(path.name)
    parts = (*path.parts[:-1], name, ending)
    return [[_sortable(part) for part in re.split(r"(\d+)", text)] for text in parts]


def _without_endings(name: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+?)((?:\.ome)?\.[A-Za-z][A-Za-z0-9]{1,4})", name, re.IGNORECASE)
    return (match[1], match[2]) if match else (name, "")


def _sortable(part: str) -> tuple[int, int, str]:
    return (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold())
