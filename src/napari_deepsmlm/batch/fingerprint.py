"""Fingerprints: what a result depends on, so that what is done and unchanged is skipped."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.models import adapted_models, built_in_models, read_card

if TYPE_CHECKING:
    from napari_deepsmlm.batch.recipe import Recipe
    from napari_deepsmlm.batch.stacks import Stack

SAMPLE_BYTES = 1 << 16
MAX_SAMPLED = 16
"""Files of one stack; of more, some spread over them are sampled."""
WHERE = ("device", "workers", "scheduler", "force")
"""Options that change where it is computed, or whether it is, but not what comes out."""


class Fingerprint(FrozenModel):
    """What a reconstruction was made of and by, as digests.

    Attributes
    ----------
    input : the files: sizes, times of their last change, and a sample of what is in them.
    recipe : the choices.
    version : of this package.
    """

    input: str
    recipe: str
    version: str


def fingerprint_of(stack: Stack, recipe: Recipe) -> Fingerprint:
    """Return what a reconstruction would be made of now.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    options = recipe.reconstruct.model_dump(mode="json")
    chosen = {name: value for name, value in options.items() if name not in WHERE}
    chosen["adapt_minutes"] = recipe.adapt_minutes
    if recipe.reconstruct.registration is not None:
        chosen["planes file"] = _digest_of_file(Path(recipe.reconstruct.registration))
    return Fingerprint(
        input=input_digest(stack), recipe=digest(chosen), version=version("napari-deepsmlm")
    )


def input_digest(stack: Stack) -> str:
    """Return a digest of the files of a stack.

    Raises
    ------
    OSError
        If one cannot be read.
    """
    files = stack.files()
    every = max(1, -(-len(files) // MAX_SAMPLED))
    told: list[Any] = [stack.are_planes]
    for number, path in enumerate(files):
        status = path.stat()
        is_sampled = number % every == 0 or number == len(files) - 1
        sample = _sample(path, status.st_size) if is_sampled else ""
        told.append([path.name, status.st_size, status.st_mtime_ns, sample])
    return digest(told)


def model_digest(name: str, model: str) -> str | None:
    """Return the digest of a model's weights as they are now, None if there are none.

    Parameters
    ----------
    name : of the model that was used, as the report has it.
    model : what was asked for: a network, the name of a model, or a file.
    """
    paths = {**built_in_models(), **adapted_models()}
    path = Path(model) if model.endswith(".safetensors") else paths.get(name)
    if path is None:
        return None
    try:
        return read_card(path).sha256
    except (ValueError, OSError):
        return None


def digest(values: Any) -> str:
    """Return a digest of plain values.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(values, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _sample(path: Path, size: int) -> str:
    """Return a digest of the first, middle and last bytes of a file."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        for start in sorted({0, max(0, size // 2), max(0, size - SAMPLE_BYTES)}):
            file.seek(start)
            sha.update(file.read(SAMPLE_BYTES))
    return sha.hexdigest()[:32]


def _digest_of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
