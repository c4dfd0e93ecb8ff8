"""Doctor: what works on this machine, found out by trying it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

PACKAGES = ("napari-deepsmlm", "torch", "numpy", "tifffile", "napari", "safetensors", "zarr")

# Only trying shows whether Qt and OpenGL work, and in a child process: without a display Qt
# aborts the whole process.
QT_PROBE = """
import qtpy
from qtpy.QtCore import qVersion  # of the library that runs, not of the one PyQt was built with
print(qtpy.API_NAME, qVersion())
"""
BROKEN_QT = ("6.11.0", "6.11.1")
"""Versions of Qt with which napari's window does not work."""
OPENGL_PROBE = """
from qtpy.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext
app = QGuiApplication([])
context = QOpenGLContext()
assert context.create(), "no OpenGL context"
surface = QOffscreenSurface()
surface.create()
assert context.makeCurrent(surface), "the OpenGL context cannot be used"
print("OpenGL %d.%d" % (context.format().majorVersion(), context.format().minorVersion()))
"""


class Check(NamedTuple):
    """One thing that was tried."""

    name: str
    is_ok: bool
    found: str
    advice: str = ""


def examine() -> list[Check]:
    """Return the results of all checks."""
    return [
        Check("python", sys.version_info >= (3, 11), platform.python_version(), "needs 3.11"),
        *(_package(name) for name in PACKAGES),
        _compute(),
        _memory(),
        _models(),
        _qt(),
        _opengl(),
    ]


def _package(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed", f"pip install {name}")


def _compute() -> Check:
    from napari_deepsmlm._devices import available_devices, choose_compute

    chosen = choose_compute()
    found = f"{', '.join(available_devices())}; auto takes {chosen.device}, {chosen.precision}"
    return Check("device", True, f"{found} ({chosen.reason})")


def _memory() -> Check:
    import psutil

    free_gb = psutil.virtual_memory().available / 2**30
    advice = "close other programs; frames need about 1 GB"
    return Check(
        "memory", free_gb > 1.5, f"{free_gb:.1f} GB free", advice if free_gb <= 1.5 else ""
    )


def _models() -> Check:
    from napari_deepsmlm.models import built_in_models, load_model

    names = built_in_models()
    try:
        for path in names.values():
            load_model(path)
    except (ValueError, OSError) as error:
        return Check("built-in models", False, str(error), "install the package again")
    found = f"{len(names)}, which all load: deepsmlm models list" if names else "none"
    return Check(
        "built-in models", bool(names), found, "" if names else "install the package again"
    )


def _qt() -> Check:
    return qt_check(*_try(QT_PROBE))


def qt_check(has_qt: bool, found: str) -> Check:
    """Return what to say of a Qt.

    Examples
    --------
    >>> qt_check(True, "PyQt6 6.11.1").advice
    'broken for napari: install another version of Qt'
    """
    if not has_qt:
        advice = "only the window needs it: pip install 'napari-deepsmlm[all]'"
        return Check("Qt", False, found, advice)
    is_broken = found.split()[-1] in BROKEN_QT
    advice = "broken for napari: install another version of Qt" if is_broken else ""
    return Check("Qt", not is_broken, found, advice)


def _opengl() -> Check:
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if platform.system() == "Linux" and not has_display:
        advice = "only the window needs it; on a server use xvfb-run"
        return Check("OpenGL", False, "no display", advice)
    is_ok, found = _try(OPENGL_PROBE)
    advice = "" if is_ok else "install graphics drivers (Debian: libgl1 libegl1)"
    return Check("OpenGL", is_ok, found, advice)


def _try(script: str) -> tuple[bool, str]:
    """Run a script in a child process: whether it worked, and its last line."""
    done = subprocess.run(  # noqa: S603 - our own fixed words
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else "the probe crashed"
