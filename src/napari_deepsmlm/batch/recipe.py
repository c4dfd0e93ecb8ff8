"""Recipe: what is done with every stack, as a YAML file that a person can read and change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, ValidationInfo, field_validator

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.batch.steps import AnyStep
from napari_deepsmlm.reconstruction import ReconstructOptions
from napari_deepsmlm.reconstruction.options import MODEL_ENDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepsmlm.io import History

CURVES = ("apply", "take_back")
"""Fields of steps that name files."""
HEADING_WORDS = "# deepsmlm batch "
HEADING = HEADING_WORDS + "{name} --out results\n"


class Recipe(FrozenModel):
    """What is done with which stacks.

    Relative paths in a file are looked for in its folder.

    Examples
    --------
    >>> recipe = Recipe.from_dict(
    ...     {"reconstruct": {"sum_frames": 10}, "steps": [{"kind": "filter", "where": "x < 100"}]}
    ... )
    >>> recipe.steps[0].kind, recipe.reconstruct.model
    ('filter', 'deep-storm')
    """

    inputs: tuple[str | tuple[str, ...], ...] = Field(
        (),
        description="Files, folders, and patterns such as day*/cell_*.tif; a list of files is one "
        "movie.",
    )
    planes: bool = Field(
        False,
        description="Files that are named as focal planes, cameras or channels of one movie, or "
        "listed together, were recorded at the same time.",
    )
    reconstruct: ReconstructOptions = Field(
        default_factory=ReconstructOptions, description="How each stack is reconstructed."
    )
    adapt_minutes: float | None = Field(
        None,
        gt=0,
        le=600,
        description="Train the model this long on a simulated twin of each stack first.",
    )
    steps: tuple[AnyStep, ...] = Field(
        (), description="What then is done with the molecules, one after the other."
    )

    @field_validator("inputs", mode="before")
    @classmethod
    def _from_its_folder(cls, value: Any, info: ValidationInfo) -> Any:
        """Let one input be a text, and relative paths begin in the folder of the recipe."""
        values = [value] if isinstance(value, str | Path) else value
        if not isinstance(values, list | tuple):
            return value
        return [
            [_place(one, info) for one in each]
            if isinstance(each, list | tuple)
            else _place(each, info)
            for each in values
        ]

    @field_validator("inputs")
    @classmethod
    def _named(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if any(not each or (isinstance(each, tuple) and not all(each)) for each in value):
            raise ValueError("needs the name of a file, a folder or a pattern")
        return value

    @field_validator("steps", mode="before")
    @classmethod
    def _curves_from_its_folder(cls, value: Any, info: ValidationInfo) -> Any:
        """Let files of drift curves lie beside the recipe."""
        if not isinstance(value, list | tuple):
            return value
        return [
            {name: _place(of, info) if name in CURVES else of for name, of in step.items()}
            if isinstance(step, dict) and step.get("kind") == "drift"
            else step
            for step in value
        ]

    @field_validator("reconstruct", mode="before")
    @classmethod
    def _files_from_its_folder(cls, value: Any, info: ValidationInfo) -> Any:
        """Let files of models and planes lie beside the recipe."""
        if not isinstance(value, dict):
            return value
        placed = dict(value)
        for name in ("model", "registration"):
            text = placed.get(name)
            if isinstance(text, str) and (name != "model" or text.endswith(MODEL_ENDING)):
                placed[name] = _place(text, info)
        return placed

    @classmethod
    def of_history(
        cls,
        history: History,
        steps: Sequence[dict[str, Any]] = (),
        *,
        folder: Path | None = None,
    ) -> Recipe:
        """Return what makes a table, and then does more steps.

        Parameters
        ----------
        history : of the table, which may know nothing of a reconstruction.
        steps : what follows, plain values.
        folder : where the history lies, as its relative paths begin there.

        Raises
        ------
        ValueError
            One sentence, if something in it is none of a recipe.
        """
        values = {**history.recipe, "steps": [*history.steps, *steps]}
        return cls.from_dict(values, source="History of the table", folder=folder)

    @property
    def has_reconstruction(self) -> bool:
        """Whether it says how stacks are reconstructed: else that is as by default."""
        return "reconstruct" in self.model_fields_set

    def to_yaml(self) -> str:
        """Return YAML of what was given, fields in their declared order."""
        values = self.model_dump(mode="json", include=self.model_fields_set)
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    def to_file(self, path: str | Path) -> None:
        """Write YAML that :meth:`from_file` reads back to an equal recipe."""
        with atomic_write(path) as file:
            file.write((HEADING.format(name=Path(path).name) + self.to_yaml()).encode())


def _place(value: Any, info: ValidationInfo) -> Any:
    """Return a path of a file in the folder of the recipe, anything else as it is."""
    folder = (info.context or {}).get("folder")
    if isinstance(value, Path):
        value = str(value)
    if folder is None or not isinstance(value, str) or not value:
        return value
    return os.path.abspath(Path(folder) / Path(value).expanduser())
