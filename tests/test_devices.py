"""Devices: memory that a run frees is there for its next step, and goes back at its end."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

# A process of its own: a training before in this one would have asked for memory to be kept.
CHILD = """
import json, resource, torch
from napari_deepsmlm._devices import kept_memory

def faults_of_blocks():
    "Pages that had to be cleared for ten large blocks, one after the other."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(8 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults_of_blocks()
with kept_memory():
    with kept_memory():
        faults_of_blocks()
    kept = faults_of_blocks()
print(json.dumps([usual, kept, faults_of_blocks()]))
"""

# As a pipeline does: in a thread, blocks larger than glibc's heap of a thread.
CHILD_WITH_A_THREAD = """
import resource, sys, threading
import numpy as np
from napari_deepsmlm._devices import kept_memory, share_one_heap

if sys.argv[1:]:
    share_one_heap()

def work():
    for n_blocks in (30, 10):  # the first ones make room
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(n_blocks):
            np.empty(20 << 20, np.float32).fill(0)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

with kept_memory():
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""

# Two blocks that do not fit into one heap of a thread: the other heap is all free in between.
CHILD_WITH_TWO_HEAPS = """
import ctypes, json, resource, threading
from napari_deepsmlm._devices import kept_memory

libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def filled(n_bytes):
    return ctypes.memset(libc.malloc(n_bytes), 1, n_bytes)

def faults_of_a_block():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    libc.free(filled(40 << 20))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def work():
    filled(40 << 20)
    print(json.dumps([faults_of_a_block() for _ in range(3)]))

ctypes.memset.restype = ctypes.c_void_p
with kept_memory():
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""

glibc_only = pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc",
    reason="other systems have allocators of their own",
)


@glibc_only
def test_a_block_that_was_freed_is_used_again_until_the_last_who_wants_that_ends() -> None:
    told = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, check=True, text=True)
    usual, kept, after = json.loads(told.stdout)
    # Pages may be large ones (transparent huge pages): only the ratio says something.
    assert usual > 5 * kept
    assert after > 5 * kept


@glibc_only
def test_with_one_heap_a_thread_keeps_blocks_of_any_size() -> None:
    apart, shared = (
        int(subprocess.check_output([sys.executable, "-c", CHILD_WITH_A_THREAD, *words], text=True))
        for words in ([], ["shared"])
    )
    assert apart > 5 * shared


@glibc_only
def test_a_thread_keeps_all_its_heaps() -> None:
    words = [sys.executable, "-c", CHILD_WITH_TWO_HEAPS]
    told = subprocess.run(words, capture_output=True, check=True, text=True)
    first, *_, last = json.loads(told.stdout)
    assert first > 5 * last
