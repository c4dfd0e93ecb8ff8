"""Optimizer: AdamW of PyTorch, without the compiler that its methods ask for."""

from __future__ import annotations

from inspect import unwrap

import torch

_plain_step = unwrap(torch.optim.AdamW.step)


class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), step for step that of PyTorch.

    Its methods are wrapped for `torch.compile`, which each start of a training would import at the
    first call: longer than PyTorch itself. Nothing is compiled here.
    """

    add_param_group = unwrap(torch.optim.AdamW.add_param_group)
    zero_grad = unwrap(torch.optim.AdamW.zero_grad)
    state_dict = unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = unwrap(torch.optim.AdamW.load_state_dict)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override] # without a closure
        """Move the parameters along their gradients."""
        _plain_step(self)
