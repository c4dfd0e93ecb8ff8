"""Devices: memory that a run frees is there for its next step, and goes back at its end."""

from __future__ import annotations

import platform
import sys

import pytest
import torch

from napari_deepsmlm._devices import kept_memory

BLOCK = 32 << 20


def faults_of_blocks() -> int:
    """Return the pages that had to be cleared for ten large blocks, one after the other."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(BLOCK // 4)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc",
    reason="other systems have allocators of their own",
)
def test_a_block_that_was_freed_is_used_again_until_the_last_who_wants_that_ends() -> None:
    usual = faults_of_blocks()
    with kept_memory():
        with kept_memory():
            faults_of_blocks()
        kept = faults_of_blocks()
    after = faults_of_blocks()
    # Pages may be large ones (transparent huge pages): only the ratio says something.
    assert kept < usual / 5
    assert after > usual / 2
