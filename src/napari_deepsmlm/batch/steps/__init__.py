"""Steps: what a batch does with each table once the stack is reconstructed.

A step is one file here that ends in `STEP = TheClass`; nothing else is edited.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator

from napari_deepsmlm.batch.steps.base import Stage, Step, StepDone

__all__ = ["AnyStep", "Stage", "Step", "StepDone", "step_kinds"]


def step_kinds() -> dict[str, type[Step]]:
    """Return the kinds of steps by name.

    Examples
    --------
    >>> sorted(step_kinds())
    ['cluster', 'drift', 'filter', 'link', 'region', 'render', 'trust']
    """
    names = (module.name for module in pkgutil.iter_modules(__path__))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    found: list[type[Step]] = [module.STEP for module in modules if hasattr(module, "STEP")]
    return {step.model_fields["kind"].default: step for step in found}


if TYPE_CHECKING:
    AnyStep = Step
else:
    _ALL: Any = Union[tuple(step_kinds().values())]  # noqa: UP007 - their number is not known here
    AnyStep = Annotated[_ALL, Discriminator("kind")]
