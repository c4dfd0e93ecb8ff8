"""Trust in the panel: a page on the last run, written in another thread and opened."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator
    from pathlib import Path

    from napari_deepsmlm.reconstruction import Reconstruction


@dataclass(frozen=True, slots=True)
class TrustSummary:
    """What a trust report says, and where its page lies."""

    sentence: str
    has_doubts: bool
    page: Path


def judge_result(
    result: Reconstruction, frames: Any, stopping: threading.Event
) -> Generator[TrustSummary, None, None]:
    """Write the trust report of a run, and yield it.

    Raises
    ------
    ValueError, OSError
        One sentence: nothing to judge, frames that are gone.
    """
    from napari_deepsmlm.trust import judge, write_trust

    report = result.report.to_json()
    title = f"{report['inputs']['name']} by {report['model']['name']}"
    pixel_nm = report["pixel_size_nm"]
    found = judge(result.localizations, frames, report, title=title, pixel_size_nm=pixel_nm)
    if stopping.is_set():
        return
    folder = tempfile.mkdtemp(prefix="deepsmlm-trust-")
    page, _ = write_trust(folder, found)
    yield TrustSummary(found.sentence(), bool(found.doubts), page)


def open_page(page: Path) -> None:
    """Show a page in the browser."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))
