"""`deepsmlm doctor`: what was tried has a name."""

from __future__ import annotations

import json

from tests.cli.conftest import call


def test_doctor_names_what_it_tried() -> None:
    checks = json.loads(call("doctor", "--json").stdout)
    assert checks["torch"]["is_ok"]
    assert {"device", "memory", "built-in models", "Qt", "OpenGL"} <= set(checks)
