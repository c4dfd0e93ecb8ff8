"""Models of others taken into the user's models folder, from files and packages of ours."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path

from napari_deepsmlm._boundary import reading
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.export.bioimage import attached_models
from napari_deepsmlm.models import (
    built_in_models,
    imported_models,
    load_model,
    models_folder_to_write,
)

SUFFIX = ".safetensors"
MAX_BYTES = 2_000_000_000
NAME = re.compile(r"[a-z0-9-]+:[a-z0-9.-]+")


def import_model(path: Path, name: str | None = None, *, overwrite: bool = False) -> str:
    """Check a model and keep it under a name that all commands know; return that name.

    Parameters
    ----------
    path : a `.safetensors` file, or a `.zip` that `models export --format bioimageio` wrote.
    name : such as `deep-storm:mine`; by default that of the network and the file.

    Raises
    ------
    ValueError
        One sentence, if the file is no model of this package, or the name is taken.
    """
    path = Path(path)
    with reading(path, "copy it again"):
        content, stem = _content(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"{stem}{SUFFIX}"
        copy.write_bytes(content)
        _, card = load_model(copy)  # weights, header and checksum are right
    network = card.network
    name = name or _own_name(stem, network)
    if not NAME.fullmatch(name) or name.split(":")[0] != network:
        raise ValueError(
            f"A name such as {network}:mine is needed, small letters, digits and hyphens; "
            f"got '{name}'."
        )
    if name in built_in_models() or (name in imported_models() and not overwrite):
        raise ValueError(f"There is a model '{name}' already: choose another --name, or --force.")
    target = models_folder_to_write() / (name.replace(":", "_", 1) + SUFFIX)
    with atomic_write(target) as file:
        file.write(content)
    return name


def _own_name(stem: str, network: str) -> str:
    """Return network:rest, of file names as `deep-storm_2d-100nm` and of any other."""
    rest = stem.split("_", 1)[1] if stem.startswith(f"{network}_") else stem
    return f"{network}:{re.sub(r'[^a-z0-9.-]+', '-', rest.lower()).strip('-') or 'imported'}"


def _content(path: Path) -> tuple[bytes, str]:
    """Return a model file's bytes and its name without ending; nothing else is read."""
    if path.suffix == SUFFIX:
        _require_size(path.name, path.stat().st_size)
        return path.read_bytes(), path.stem
    if path.suffix != ".zip":
        raise ValueError(
            f"{path.name}: neither a .safetensors model nor a .zip package; other programs' models "
            "cannot be imported."
        )
    try:
        with zipfile.ZipFile(path) as package:
            found = attached_models(package)
            if len(found) != 1:
                raise ValueError(
                    f"{path.name}: has {len(found)} models of this package in it, not one; only "
                    "packages that `deepsmlm models export` wrote can be imported."
                )
            _require_size(path.name, found[0].file_size)
            with package.open(found[0]) as file:
                content = file.read(found[0].file_size + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path.name}: not a readable package ({error}).") from None
    _require_size(path.name, len(content))
    return content, Path(found[0].filename.replace("\\", "/")).stem


def _require_size(name: str, n_bytes: int) -> None:
    if n_bytes > MAX_BYTES:
        raise ValueError(f"{name}: {n_bytes / 1e9:.1f} GB is too large for a model.")
