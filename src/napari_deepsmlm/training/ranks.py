"""Ranks: the processes of one run, each with a device, that average their gradients.

`torchrun --nproc-per-node 4 -m napari_deepsmlm.cli train CONFIG.yaml --out DIR` starts four. Each
draws batches of its own, so that four of them see four times the frames per step; the first one
validates and writes the files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

if TYPE_CHECKING:
    from napari_deepsmlm.models import SMLMModel


class Ranks:
    """The place of this process among those of the run; alone if there are no others.

    Attributes
    ----------
    index, count : 0 to count - 1, and how many there are.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.index = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        if self.count > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")

    @property
    def is_first(self) -> bool:
        """Whether this process validates and writes."""
        return self.index == 0

    def wrap(self, model: SMLMModel) -> Any:
        """Return the model whose backward pass averages gradients over the processes."""
        if self.count == 1:
            return model
        from torch.nn.parallel import DistributedDataParallel

        places = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=places)

    def agree(self, seconds: float, is_stopping: bool) -> tuple[float, bool]:
        """Return the longest time and whether any process wants to stop; all get the same."""
        if self.count == 1:
            return seconds, is_stopping
        told = torch.tensor([seconds, float(is_stopping)], dtype=torch.float64, device=self.device)
        distributed.all_reduce(told, distributed.ReduceOp.MAX)
        return told[0].item(), bool(told[1] > 0)

    def share(self, value: float) -> float:
        """Return the first process's number in all of them."""
        if self.count == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(told, 0)
        return told.item()

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            distributed.barrier()


def local_device(name: str) -> str:
    """Return this process's GPU for `auto` and `cuda` where there are several processes."""
    local = os.environ.get("LOCAL_RANK")
    is_shared = int(os.environ.get("WORLD_SIZE", "1")) > 1 and torch.cuda.is_available()
    return f"cuda:{local}" if is_shared and local and name in ("auto", "cuda") else name
