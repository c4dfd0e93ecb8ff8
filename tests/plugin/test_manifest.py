from __future__ import annotations

from importlib import import_module
from importlib.resources import as_file, files

import pytest
from npe2 import PluginManifest
from PIL import Image

from napari_deepsmlm.io.recognition import RAW_ENDINGS, TIFF_ENDINGS

MANIFEST = PluginManifest.from_distribution("napari-deepsmlm")
COMMANDS = {command.id: command for command in MANIFEST.contributions.commands}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there(command: str) -> None:
    module, _, name = str(COMMANDS[command].python_name).partition(":")
    assert callable(getattr(import_module(module), name))


def test_names_that_others_rely_on() -> None:
    widgets = [widget.display_name for widget in MANIFEST.contributions.widgets]
    assert set(widgets) == {
        "Reconstruct",
        "Train",
        "Simulate",
        "Line profile",
        "Localizations",
        "Quality",
        "Calibrate PSF",
    }
    assert MANIFEST.display_name == "Deep SMLM"
    (item,) = MANIFEST.contributions.menus["napari/layers/filter"]
    assert item.command == "napari-deepsmlm.reconstruct"
    measures = [item.command for item in MANIFEST.contributions.menus["napari/layers/measure"]]
    names = ("line_profile", "quality", "calibrate")
    assert measures == [f"napari-deepsmlm.{name}" for name in names]
    (item,) = MANIFEST.contributions.menus["napari/file/new_layer"]
    assert item.command == "napari-deepsmlm.simulate"


def test_the_hub_finds_categories_and_an_icon_that_ships() -> None:
    assert "Image Processing" in [str(category) for category in MANIFEST.categories]
    package, _, name = str(MANIFEST.icon).partition(":")
    with as_file(files(package) / name) as path, Image.open(path) as icon:
        assert icon.format == "PNG"
        assert icon.width == icon.height >= 128


def test_the_table_reader_takes_files_only() -> None:
    (reader,) = [
        r for r in MANIFEST.contributions.readers if r.command == "napari-deepsmlm.get_table_reader"
    ]
    assert not reader.accepts_directories
    assert {"*.csv", "*.hdf5", "*.h5"} <= set(reader.filename_patterns)


def test_the_reader_takes_every_format() -> None:
    (reader,) = [
        r for r in MANIFEST.contributions.readers if r.command == "napari-deepsmlm.get_reader"
    ]
    assert reader.accepts_directories, "zarr, and folders of images"
    endings = {*TIFF_ENDINGS, *RAW_ENDINGS, ".npy"}
    assert {f"*{ending}" for ending in endings} <= set(reader.filename_patterns)
