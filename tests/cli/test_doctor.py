"""`deepsmlm doctor`: what was tried has a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qtpy.QtCore import qVersion
from tests.cli.conftest import call

from napari_deepsmlm import __version__
from napari_deepsmlm.doctor import BROKEN_QT, qt_check

if TYPE_CHECKING:
    import pytest

LONG_ERROR = "qtpy.QtBindingsNotFoundError: No Qt bindings could be found"


def test_doctor_names_what_it_tried() -> None:
    checks = json.loads(call("doctor", "--json").stdout)
    assert checks["torch"]["is_ok"]
    assert {"device", "memory", "built-in models", "Qt", "OpenGL"} <= set(checks)
    assert checks["Qt"]["found"].endswith(f" {qVersion()}")


def test_a_qt_that_is_broken_or_missing_comes_with_advice() -> None:
    for version in BROKEN_QT:
        assert not qt_check(True, f"PyQt6 {version}").is_ok
    assert qt_check(True, "PyQt6 6.11.2").is_ok
    assert "pip install" in qt_check(False, "No module named 'PyQt6'").advice


def test_an_extra_in_brackets_is_told_as_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_deepsmlm.doctor.examine", lambda: [qt_check(False, LONG_ERROR)])
    told = call("doctor").stdout.replace("│", " ").split()
    assert "'napari-deepsmlm[all]'" in told
    assert "…" not in "".join(told)


def test_the_version_is_told() -> None:
    assert call("--version").stdout == f"napari-deepsmlm {__version__}\n"
