"""Pages of the documentation as they are shipped: found, and made ready for a window of Qt."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SHIPPED = Path(__file__).parents[2] / "help"  # of a wheel; pyproject.toml puts docs/*.md there
IN_CHECKOUT = Path(__file__).parents[4] / "docs"
NOT_THERE = (
    "# {name}\n\nThe page {name}.md is not part of this installation; "
    "it is in the folder docs of the source"
)


def page_path(name: str) -> Path | None:
    """Return the file of a page, such as `train`; None if it was not shipped."""
    for folder in (SHIPPED, IN_CHECKOUT):
        if (folder / f"{name}.md").is_file():
            return folder / f"{name}.md"
    return None


def page_text(name: str) -> str:
    """Return a page as Markdown that Qt can show."""
    path = page_path(name)
    if path is not None:
        return for_qt(path.read_text("utf-8"))
    elsewhere = ", and *Open online* shows it." if online_address(name) else "."
    return NOT_THERE.format(name=name) + elsewhere


def for_qt(markdown: str) -> str:
    """Return a page without what only a browser can show: pictures become their captions.

    Examples
    --------
    >>> for_qt("See ![The panel](images/panel.png)."), for_qt("::: napari_deepsmlm.io")
    ('See *[Picture: The panel]*.', '`napari_deepsmlm.io`')
    """
    with_captions = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"*[Picture: \1]*", markdown)
    return re.sub(r"(?m)^::: (\S+)$", r"`\1`", with_captions)


def anchor_of(heading: str) -> str:
    """Return what links call a heading.

    Examples
    --------
    >>> anchor_of("Photons, precision and your camera")
    'photons-precision-and-your-camera'
    """
    kept = re.sub(r"[^\w\s-]", "", heading.strip().lower())
    return re.sub(r"[-\s]+", "-", kept)


def online_address(name: str) -> str:
    """Return where a page is in the internet, "" if the package states no address."""
    try:
        urls = metadata("napari-deepsmlm").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    return address_among(urls, name)


def address_among(urls: Sequence[str], name: str) -> str:
    """Return the address of a page by the entry *Documentation* of a package's addresses.

    Examples
    --------
    >>> address_among(["Source, https://a.org/x", "Documentation, https://b.org/docs/"], "train")
    'https://b.org/docs/train/'
    >>> address_among([], "train")
    ''
    """
    for url in urls:
        label, _, address = url.partition(",")
        if label.strip().lower() == "documentation":
            return f"{address.strip().rstrip('/')}/{name}/"
    return ""
