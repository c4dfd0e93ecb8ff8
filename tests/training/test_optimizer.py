"""The optimizer: PyTorch's own, bit by bit."""

from __future__ import annotations

import torch

from napari_deepsmlm.training.optimizer import AdamW


def test_steps_are_those_of_pytorch_bit_by_bit() -> None:
    torch.manual_seed(0)
    start, targets = torch.randn(50), torch.randn(6, 50)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    for at, optimizer in (
        (ours, AdamW([ours], lr=0.1, weight_decay=0.02)),
        (theirs, torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.02)),
    ):
        for target in targets:
            optimizer.zero_grad()
            (at - target).square().sum().backward()
            optimizer.step()
            optimizer.load_state_dict(optimizer.state_dict())
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, start)
