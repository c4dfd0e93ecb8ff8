"""Learner: what a training step changes - weights, their average, the optimiser's moments."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_deepsmlm.models.blocks import channels_last
from napari_deepsmlm.training.optimizer import AdamW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_deepsmlm._devices import Compute
    from napari_deepsmlm.models import SMLMModel
    from napari_deepsmlm.simulation.batch import Batch
    from napari_deepsmlm.training.ranks import Ranks
    from napari_deepsmlm.training.settings import Training


class Learner:
    """Descends one step at a time, and can go back to where it was.

    Parameters
    ----------
    model : the network; it is moved to the device and changed in place.
    config : rates and limits.
    compute : device and number format.
    ranks : the processes that average their gradients.

    Attributes
    ----------
    average : the moving average of the weights, which is what a run is for.
    """

    def __init__(self, model: SMLMModel, config: Training, compute: Compute, ranks: Ranks) -> None:
        self.config = config
        self.compute = compute
        self.model = channels_last(model.to(compute.device))
        self.average = copy.deepcopy(model).requires_grad_(False).eval()
        self.optimizer = AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._forward = ranks.wrap(self.model)

    def fit_input(self, frames: Tensor) -> None:
        """Measure what input normalisation needs, and let the average begin at the weights."""
        self.model.fit_input(frames)
        self._move_average(0.0)

    def descend(self, batch: Batch, *, step: int, rate: float, is_norm_fixed: bool) -> float:
        """Take one step; return the loss, NaN if its gradient is not finite and nothing changed.

        Parameters
        ----------
        step : counted from 0; it seeds what networks draw in training, and sets how much the
            average of a short run remembers.
        rate : learning rate.
        is_norm_fixed : batch norm uses its averaged statistics.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        if is_norm_fixed:
            fix_norm(self.model, self.average)
        # A step's random numbers are its own, for exact resume.
        with torch.random.fork_rng(), self._autocast():
            torch.manual_seed(step)
            prediction = self._forward(batch.frames)
        loss: Tensor = self.model.loss(prediction, batch.truth)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        if not (torch.isfinite(norm) and torch.isfinite(loss)):
            return math.nan
        self.optimizer.step()
        self._move_average(min(self.config.averaging, (2 + step) / (11 + step)))
        return loss.item()

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that a step changes, by name; not copied."""
        moments = self.optimizer.state_dict()["state"].items()
        return {
            **{f"model/{name}": t for name, t in self.model.state_dict().items()},
            **{f"average/{name}": t for name, t in self.average.state_dict().items()},
            **{f"optimizer/{i}/{name}": t for i, state in moments for name, t in state.items()},
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put everything back to what :meth:`tensors` gave; the tensors are copied."""
        self.model.load_state_dict(_under(tensors, "model"))
        self.average.load_state_dict(_under(tensors, "average"))
        state: dict[int, dict[str, Any]] = {}
        for key, value in _under(tensors, "optimizer").items():
            index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value.clone()
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})

    def snapshot(self) -> dict[str, Tensor]:
        """Return a copy of :meth:`tensors`."""
        return {name: tensor.detach().clone() for name, tensor in self.tensors().items()}

    def _autocast(self) -> torch.autocast:
        is_half = self.compute.dtype == torch.bfloat16
        return torch.autocast(self.compute.device.type, torch.bfloat16, enabled=is_half)

    @torch.no_grad()
    def _move_average(self, memory: float) -> None:
        pairs = zip(
            self.average.state_dict().values(), self.model.state_dict().values(), strict=True
        )
        for average, current in pairs:
            if average.is_floating_point():
                average.lerp_(current, 1 - memory)
            else:
                average.copy_(current)


def fix_norm(model: nn.Module, average: nn.Module) -> None:
    """Let batch norm use fixed statistics, the averaged ones, as it will after training."""
    for layer, averaged in zip(model.modules(), average.modules(), strict=True):
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
            layer.load_state_dict({**layer.state_dict(), **dict(averaged.named_buffers())})


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}
