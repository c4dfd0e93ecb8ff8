"""The models at hand: trained ones in the package, and files of the user's."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari_deepsmlm._boundary import reading
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.known_cameras import data_folder
from napari_deepsmlm.models._checkpoint import load_model, read_card
from napari_deepsmlm.models.card import ModelCard

if TYPE_CHECKING:
    from napari_deepsmlm.models.base import SMLMModel

SUFFIX = ".safetensors"
CHOSEN_FOLDER = "models_folder.txt"
"""Where the user's choice of a models folder is kept."""


class FoundModel(NamedTuple):
    """A model, where it came from, and why it was chosen."""

    name: str
    path: Path | None
    """None for what has no weights, and so no file."""
    card: ModelCard
    reason: str

    def load(self) -> SMLMModel:
        """Read its weights."""
        if self.path is not None:
            return load_model(self.path)[0]
        from napari_deepsmlm.models import build_model

        return build_model(self.card.network, self.card.config).eval()


def built_in_models() -> dict[str, Path]:
    """Return the files of the trained models in the package, by names like deep-storm:2d-100nm."""
    folder = Path(str(files("napari_deepsmlm") / "pretrained"))
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    return {path.name.removesuffix(SUFFIX).replace("_", ":", 1): path for path in paths}


def adapted_folder() -> Path:
    """Return where the user's adapted models are kept; their training runs lie in it in `runs`."""
    return data_folder() / "adapted"


def adapted_models() -> dict[str, Path]:
    """Return the files of the models that were adapted to the user's data, the latest first."""
    paths = sorted(
        adapted_folder().glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    return {path.name.removesuffix(SUFFIX).replace("_", ":", 1): path for path in paths}


def models_folder() -> Path:
    """Return the folder of models that were imported: the user's own, or one that was chosen."""
    try:
        chosen = (data_folder() / CHOSEN_FOLDER).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):  # none was chosen
        chosen = ""
    return Path(chosen) if chosen else own_models_folder()


def choose_models_folder(folder: Path | None) -> Path:
    """Import into a folder from now on, such as one on a share, and find what others put there.

    Parameters
    ----------
    folder : an existing one; None is the user's own again.

    Raises
    ------
    NotADirectoryError
        If there is no such folder.
    """
    if folder is None:
        (data_folder() / CHOSEN_FOLDER).unlink(missing_ok=True)
        return own_models_folder()
    whole = folder.expanduser().absolute()
    if not whole.is_dir():
        raise NotADirectoryError(f"{whole} is no folder; make it first, or connect its drive.")
    with atomic_write(data_folder() / CHOSEN_FOLDER) as file:
        file.write(f"{whole}\n".encode())
    return whole


def models_folder_to_write() -> Path:
    """Return the models folder, made if it is the user's own and was not there.

    Raises
    ------
    NotADirectoryError
        If a folder was chosen that is away.
    """
    folder = models_folder()
    if folder == own_models_folder():
        folder.mkdir(parents=True, exist_ok=True)
    elif not folder.is_dir():
        raise NotADirectoryError(
            f"The models folder {folder} is away: connect its drive, or choose another with "
            "'deepsmlm models folder'."
        )
    return folder


def imported_models() -> dict[str, Path]:
    """Return the files of the models that the user took over from others, by name.

    Those of a chosen folder come before those of the user's own.
    """
    paths = [
        path for folder in (own_models_folder(), models_folder()) for path in _models_in(folder)
    ]
    return {path.name.removesuffix(SUFFIX).replace("_", ":", 1): path for path in paths}


def own_models_folder() -> Path:
    """Return the user's own folder of models; it may not be there yet."""
    return data_folder() / "models"


def _models_in(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob(f"*{SUFFIX}"))
    except OSError:  # a drive that is not connected
        return []


def untrained_cards() -> dict[str, ModelCard]:
    """Return by name the cards of what localizes without a network."""
    from napari_deepsmlm.models import untrained_models

    return {
        name: ModelCard(
            network=name,
            config=model.Config().model_dump(mode="json"),
            trained_on="Nothing: no network, each spot is fitted by itself.",
        )
        for name, model in untrained_models().items()
    }


def find_model(
    name: str | Path, *, pixel_size_nm: float | None = None, upsampling: int | None = None
) -> FoundModel:
    """Return the model of a name or file.

    Parameters
    ----------
    name : a built-in model (`deep-storm:2d-100nm`), a network (`deep-storm`: its built-in model
        nearest to the data), one that was adapted to the user's data (`adapted_models`) or taken
        over from others (`imported_models`), `fit` (no network: `untrained_cards`), or a
        `.safetensors` file.
    pixel_size_nm : camera pixel of the data.
    upsampling : super-resolution pixels per camera pixel, if it matters.

    Raises
    ------
    ValueError
        If there is no such model; the message lists those there are.
    FileNotFoundError
        If a file is named that does not exist.
    """
    text, built_in = str(name), built_in_models()
    adapted = {**imported_models(), **adapted_models()}
    untrained = untrained_cards()
    if text in untrained:
        return FoundModel(text, None, untrained[text], "as asked")
    if text in built_in:
        candidates = {text: built_in[text]}
    elif text in adapted:
        candidates = {text: adapted[text]}
    elif text.endswith(SUFFIX):
        candidates = {Path(text).stem: Path(text)}
    else:
        candidates = {key: path for key, path in built_in.items() if key.split(":")[0] == text}
    if not candidates:
        listed = ", ".join([*built_in, *untrained, *adapted])
        raise ValueError(f"No model '{text}'. Built-in: {listed}; or give a .safetensors file.")
    with reading(text, "copy it again"):
        return _best_of(candidates, text, pixel_size_nm, upsampling)


def _best_of(
    candidates: dict[str, Path], text: str, pixel_size_nm: float | None, upsampling: int | None
) -> FoundModel:
    cards = {key: read_card(path) for key, path in candidates.items()}
    if upsampling is not None:
        found = {key: card.upsampling for key, card in cards.items()}
        # A network that localizes has none of its own: its image is drawn as fine as one likes.
        cards = {key: card for key, card in cards.items() if found[key] in (None, upsampling)}
        if not cards:
            have = ", ".join(f"{key} has {r}" for key, r in found.items())
            raise ValueError(f"No model '{text}' with upsampling {upsampling}: {have}.")
    best = min(cards, key=lambda key: _distance(cards[key], pixel_size_nm))
    reason = _reason(cards[best], pixel_size_nm)
    if len(candidates) == 1:
        is_named = best == text or text.endswith(SUFFIX)
        reason = "as asked" if is_named else "the only built-in model of this network"
    return FoundModel(best, candidates[best], cards[best], reason)


def _distance(card: ModelCard, pixel_size_nm: float | None) -> float:
    if card.is_for_any_pixel:
        return -1.0
    if pixel_size_nm is None:
        return 0.0
    return abs(math.log(card.pixel_size_nm / pixel_size_nm))


def _reason(card: ModelCard, pixel_size_nm: float | None) -> str:
    if card.is_for_any_pixel:
        return "made for any pixel size and width of the PSF"
    if pixel_size_nm is None:
        return "the first built-in model of this network"
    return f"its {card.pixel_size_nm:g} nm pixels are nearest to the data's {pixel_size_nm:g} nm"
