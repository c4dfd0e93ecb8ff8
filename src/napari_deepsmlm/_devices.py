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


def _is_bf16_fast(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False
