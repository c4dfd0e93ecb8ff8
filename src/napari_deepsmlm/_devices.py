"""Where to compute: device and number format, chosen or given, with the reason in words."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "bf16"]

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


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

    Raises
    ------
    ValueError
        If one does not exist here, or they are of several kinds, which compute differently.
    """
    names = [name.strip() for name in devices.split(",")]
    computes = [choose_compute(name, precision) for name in names]
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


def keep_memory() -> None:
    """Let this process keep memory that it frees, for its next step (Linux with glibc).

    By default glibc gives large blocks back to the system at once, and training, which needs the
    same ones again at every step, spends an eighth of its time on clearing their pages.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


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
