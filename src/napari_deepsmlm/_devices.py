"""Where to compute: device and number format, chosen or given, with the reason in words."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

Precision = Literal["auto", "fp32", "bf16"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8  # of glibc's malloc.h
_USUAL_TRIM_THRESHOLD, _USUAL_TOP_PAD, _USUAL_MMAP_MAX = 128 << 10, 128 << 10, 1 << 16
_HEAP_BYTES = 64 << 20  # of a thread's heap, which is given back once all of it is free
_keepers = 0  # who asked for memory to be kept, and has not ended
_keepers_lock = threading.Lock()


class Compute(NamedTuple):
    """A device, a number format, and why they were chosen."""

    device: torch.device
    dtype: torch.dtype
    reason: str

    @property
    def precision(self) -> str:
        """`fp32` or `bf16`."""
        return "bf16" if self.dtype.itemsize == 2 else "fp32"

    @classmethod
    def on_cpu(cls, dtype: torch.dtype) -> Compute:
        """Return where a model waits that another process will compute with."""
        import torch

        return cls(torch.device("cpu"), dtype, "it only waits here")


def choose_compute(device: str = "auto", precision: str = "auto") -> Compute:
    """Return the device and number format to compute with.

    Parameters
    ----------
    device : `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
    precision : `fp32`, `bf16`, or `auto`: bf16 where the hardware multiplies it faster.

    Raises
    ------
    ValueError
        If the device does not exist here; the message lists those that do.
    """
    import torch

    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"Unknown precision '{precision}'. Available: auto, fp32, bf16.")
    available = available_devices()
    if device == "auto":
        name = available[0]
        reason = "the fastest device here" if name != "cpu" else "no GPU found"
    elif device in available or (device == "cuda" and "cuda:0" in available):
        name, reason = device, "chosen"
    else:
        raise ValueError(f"No device '{device}' here. Available: auto, {', '.join(available)}.")
    has_bf16 = _is_bf16_fast(torch.device(name))
    is_half = precision == "bf16" or (precision == "auto" and has_bf16)
    if precision == "auto":
        reason += ", bf16 is faster on it" if has_bf16 else ", fp32 is faster on it"
    return Compute(torch.device(name), torch.bfloat16 if is_half else torch.float32, reason)


def choose_computes(devices: str = "auto", precision: str = "auto") -> list[Compute]:
    """Return what to compute with for each of several devices, as in `cuda:0,cuda:1`.

    The number format is that of the first, so that all give the same.

    Raises
    ------
    ValueError
        If one does not exist here, or they are of several kinds, which compute differently.
    """
    first, *others = (name.strip() for name in devices.split(","))
    computes = [choose_compute(first, precision)]
    computes += [choose_compute(name, computes[0].precision) for name in others]
    if len({compute.device.type for compute in computes}) > 1:
        raise ValueError(f"Devices must be of one kind, as cuda:0,cuda:1; got {devices}.")
    return computes


def available_devices() -> list[str]:
    """Return the names of the devices of this machine, fastest first."""
    import torch

    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def share_one_heap() -> None:
    """Let all threads that this process will have take memory from one heap (Linux with glibc).

    The heap that glibc gives each thread cannot hold a block of 64 MB. Such a block is fetched from
    the system each time, and given back at once, which is a tenth of the work of a network with
    layers as large. For processes of our own only, and before they start threads.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, 1)


def keep_memory() -> None:
    """Let this process keep memory that it frees, for its next step (Linux with glibc).

    By default glibc gives large blocks back to the system at once, and training and inference,
    which need the same ones again at every step, spend an eighth to a quarter of their time on
    clearing their pages.
    """
    _count_keepers(+1)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep memory inside a `with` block as `keep_memory` does, and give it back at its end.

    Blocks may overlap, in several threads too: the last one that ends gives it back.
    """
    _count_keepers(+1)
    try:
        yield
    finally:
        _count_keepers(-1)


def _count_keepers(change: int) -> None:
    global _keepers
    with _keepers_lock:
        was_kept = _keepers > 0
        _keepers += change
        if was_kept == (_keepers > 0) or (libc := _glibc()) is None:
            return
        if _keepers:
            libc.mallopt(_M_MMAP_MAX, 0)
            libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
            libc.mallopt(_M_TOP_PAD, 2 * _HEAP_BYTES)  # so much is to stay free, so none is
        else:
            libc.mallopt(_M_MMAP_MAX, _USUAL_MMAP_MAX)
            libc.mallopt(_M_TRIM_THRESHOLD, _USUAL_TRIM_THRESHOLD)
            libc.mallopt(_M_TOP_PAD, _USUAL_TOP_PAD)
            libc.malloc_trim(0)


def _glibc() -> Any:
    """Return the C library if it is one whose allocator can be told, else None."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


def free_memory_bytes(device: torch.device) -> int:
    """Return the memory that a device has free now; of a CPU, what the system can give."""
    import psutil
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far."""
    import psutil

    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows
        return round(float(memory.peak_wset) / 2**20, 1)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def _is_bf16_fast(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False
