from __future__ import annotations

from importlib import import_module

import pytest
from npe2 import PluginManifest

MANIFEST = PluginManifest.from_distribution("napari-deepsmlm")
COMMANDS = {command.id: command for command in MANIFEST.contributions.commands}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there(command: str) -> None:
    module, _, name = str(COMMANDS[command].python_name).partition(":")
    assert callable(getattr(import_module(module), name))


def test_names_that_others_rely_on() -> None:
    widgets = [widget.display_name for widget in MANIFEST.contributions.widgets]
    assert {"Reconstruct", "Train", "Simulate", "Localizations"} <= set(widgets)
    assert MANIFEST.display_name == "Deep SMLM"
    (item,) = MANIFEST.contributions.menus["napari/layers/filter"]
    assert item.command == "napari-deepsmlm.reconstruct"
    (item,) = MANIFEST.contributions.menus["napari/file/new_layer"]
    assert item.command == "napari-deepsmlm.simulate"


def test_the_readers_take_files_only() -> None:
    readers = MANIFEST.contributions.readers
    assert not any(reader.accepts_directories for reader in readers)
    patterns = {pattern for reader in readers for pattern in reader.filename_patterns}
    assert {"*.tif", "*.tiff", "*.csv", "*.hdf5"} <= patterns
