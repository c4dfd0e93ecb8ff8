"""Model files: one safetensors file whose header says what the model is. No code is stored."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from napari_deepsmlm._boundary import reading
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.models.blocks import weights_to_come
from napari_deepsmlm.models.card import ModelCard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_deepsmlm.models.base import SMLMModel

HEADER_KEY = "napari-deepsmlm"
MAX_HEADER_BYTES = 4_000_000
MAX_TENSORS = 10_000
MAX_ELEMENTS = 500_000_000


def save_model(
    path: str | Path, model: SMLMModel, card: ModelCard | Mapping[str, Any] | None = None
) -> None:
    """Write a model with everything needed to use and judge it.

    Parameters
    ----------
    path : the `.safetensors` file, replaced atomically.
    model : weights and buffers are stored as they are (half precision where they are half).
    card : what its card says besides: fields of a `ModelCard`, such as experiment, training record
        and metrics. What the model itself knows is taken from it.
    """
    path = Path(path)
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    own = {
        "network": model.name,
        "config": model.config.model_dump(mode="json"),
        "n_planes": model.n_planes,
    }
    more = card.to_header() if isinstance(card, ModelCard) else dict(card or {})
    header = {**own, "version": version("napari-deepsmlm"), **more, **own}
    header["sha256"] = _digest(tensors)
    ModelCard.from_header(header, path)  # what could not be read is not written
    with atomic_write(path) as file:
        file.write(save(tensors, metadata={HEADER_KEY: json.dumps(header)}))


def load_model(path: str | Path) -> tuple[SMLMModel, ModelCard]:
    """Read a model file.

    Returns
    -------
    model : on the CPU, in single precision and evaluation mode.
    card : what its header says.

    Raises
    ------
    ValueError
        One sentence, if the file is not a model of this package, is damaged, or holds values
        that are not finite.
    """
    with reading(path, "copy it again"):
        return _load(Path(path))


def _load(path: Path) -> tuple[SMLMModel, ModelCard]:
    from napari_deepsmlm.models import build_model

    header, tensors = read_tensors(path)
    card = ModelCard.from_header(header, path)
    if card.sha256 is None:
        raise ValueError(f"{path.name}: the model's header has no 'sha256'.")
    if _digest(tensors) != card.sha256:
        raise ValueError(f"{path.name}: the weights do not match their checksum; copy it again.")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path.name}: weights '{name}' are not finite.")
    with weights_to_come():
        model = build_model(card.network, card.config, source=path.name)
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if expected != found:
        raise ValueError(f"{path.name}: the weights do not fit a '{card.network}' network.")
    model.load_state_dict({name: _single(tensor) for name, tensor in tensors.items()})
    return model.eval(), card


def take_over(model: SMLMModel, trained: SMLMModel) -> None:
    """Give a network the weights of a trained one, as a start for further training.

    Where it reads a second channel that the other did not, that channel has no weight at first.

    Raises
    ------
    ValueError
        If the layers are others.
    """
    own, found = model.state_dict(), trained.state_dict()
    if own.keys() != found.keys():
        raise ValueError("the layers are others")
    for name, weight in found.items():
        wider = own[name]
        is_widened = (
            weight.ndim == 4 and len(weight) == len(wider) and not model.is_read_as(trained)
        )
        if is_widened and weight.shape[1] < wider.shape[1]:
            wider.zero_()
            wider[:, : weight.shape[1]] = weight
        elif weight.shape == wider.shape:
            wider.copy_(weight)
        else:
            raise ValueError(f"weights '{name}' have another shape")


def read_card(path: str | Path) -> ModelCard:
    """Return the card of a model file without reading its weights.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        One sentence, if it is not a model of this package or is damaged.
    """
    path = Path(path)
    with reading(path, "copy it again"):
        return ModelCard.from_header(_header(path), path)


def read_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return header and tensors of a file, sizes checked before anything is allocated."""
    path = Path(path)
    with reading(path, "copy it again"):
        header = _header(path)
    try:
        with safe_open(path, framework="pt") as file:
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name}: not a readable model file ({error}).") from None


def _header(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"No model file at {path}.")
    _check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name}: not a readable model file ({error}).") from None
    try:
        header = json.loads(metadata[HEADER_KEY])
    except KeyError:
        raise ValueError(f"{path.name}: not a napari-deepsmlm model.") from None
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(f"{path.name}: the model's header is damaged.") from None
    if not isinstance(header, dict):
        raise ValueError(f"{path.name}: the model's header is damaged.")
    return header


def _check_header(path: Path) -> None:
    """Refuse headers of absurd size, tensor count or shapes before the library reads them."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER_BYTES, path.stat().st_size):
            raise ValueError(f"{path.name}: not a safetensors file, or its header is damaged.")
        try:
            header = json.loads(file.read(length))
            shapes = [tensor["shape"] for key, tensor in header.items() if key != "__metadata__"]
            elements = sum(math.prod(int(side) for side in shape) for shape in shapes)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ValueError(f"{path.name}: the safetensors header is damaged.") from None
    if len(shapes) > MAX_TENSORS or not 0 <= elements <= MAX_ELEMENTS:
        raise ValueError(f"{path.name}: too many or too large tensors for a model file.")


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of names."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        sha.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        sha.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def _single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
