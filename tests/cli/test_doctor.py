"""`deepsmlm doctor`: what was tried has a name."""

from __future__ import annotations

import json

from qtpy.QtCore import qVersion
from tests.cli.conftest import call

from napari_deepsmlm.doctor import BROKEN_QT, qt_check


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
