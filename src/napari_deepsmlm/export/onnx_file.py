"""ONNX: a graph written, and run by onnxruntime before the file is left behind."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_deepsmlm._files import atomic_write
from napari_deepsmlm.export.graph import frames_like_training

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from napari_deepsmlm.export.graph import ExportedGraph

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference of onnxruntime's output, of its peak."""
SIDES_PX = (32, 48)
"""The graph is traced on the first and checked on both, with batches of 1 and 2."""
MISSING = "ONNX export needs onnx and onnxruntime: pip install napari-deepsmlm[export]"


@dataclass(frozen=True)
class OnnxCheck:
    """What onnxruntime made of a file."""

    largest_difference: float
    """Of the peak of torch's output."""
    n_bytes: int


def export_onnx(graph: ExportedGraph, path: Path) -> OnnxCheck:
    """Write an ONNX file for frames of any size and number.

    Returns
    -------
    How far onnxruntime's output is from torch's, at most, on two sizes.

    Raises
    ------
    ValueError
        If onnx or onnxruntime are not installed, or its output differs by more than 1e-4 of the
        peak; nothing is written then.
    """
    content = onnx_bytes(graph)
    check = OnnxCheck(largest_difference(graph, content), len(content))
    if not check.largest_difference <= TOLERANCE:
        raise ValueError(
            f"onnxruntime's output of {graph.found.name} is off by "
            f"{check.largest_difference:.1e} of the peak, more than {TOLERANCE:g}: not written."
        )
    with atomic_write(path) as file:
        file.write(content)
    return check


def onnx_bytes(graph: ExportedGraph) -> bytes:
    """Return the file, with what has to be known to use it in its metadata."""
    try:
        import onnx
    except ImportError:
        raise ValueError(MISSING) from None
    buffer = io.BytesIO()
    known: Any = torch.onnx
    known.register_custom_op_symbolic("aten::kthvalue", _kth_smallest, OPSET)
    known.register_custom_op_symbolic("aten::asinh", _asinh, OPSET)
    sizes = {0: "batch"}
    if graph.frame_px is None:
        sizes |= {2: "height", 3: "width"}
    name = "image" if graph.is_image else "prediction"
    # Without gradients dilated layers are plain convolutions.
    with warnings.catch_warnings(), torch.no_grad(), _one_sentence(graph):
        # The exporter that follows shapes of any size without another package; it is called old.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (frames_like_training(graph, SIDES_PX[0]),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["frames"],
            output_names=[name],
            dynamic_axes={"frames": sizes, name: sizes},
        )
    written = onnx.load_from_string(buffer.getvalue())
    written.producer_name = "napari-deepsmlm"
    for key, value in graph.statement().items():
        entry = written.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(written)
    content: bytes = written.SerializeToString()
    return content


@contextmanager
def _one_sentence(graph: ExportedGraph) -> Iterator[None]:
    """Say what cannot be exported in one sentence, and nothing else on the terminal."""
    try:
        with redirect_stdout(io.StringIO()):
            yield
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{graph.found.name} cannot be written as ONNX: {reason}") from None


def _asinh(g: Any, values: Any) -> Any:
    """The operator that the exporter has not."""
    return g.op("Asinh", values)


def _kth_smallest(g: Any, values: Any, k: Any, dim: Any, keepdim: Any) -> tuple[Any, Any]:
    """The operator that ONNX has not: the last of the k smallest, in ascending order."""
    from torch.onnx.symbolic_helper import _get_const

    k, dim, keepdim = (_get_const(each, "i", "number") for each in (k, dim, keepdim))
    n = g.op("Constant", value_t=torch.tensor([k]))
    smallest, places = g.op("TopK", values, n, axis_i=dim, largest_i=0, sorted_i=1, outputs=2)
    last = g.op("Constant", value_t=torch.tensor([k - 1] if keepdim else k - 1))
    return tuple(g.op("Gather", each, last, axis_i=dim) for each in (smallest, places))


def largest_difference(graph: ExportedGraph, content: bytes) -> float:
    """Return the largest difference of onnxruntime's output from torch's, of torch's peak."""
    try:
        import onnxruntime
    except ImportError:
        raise ValueError(MISSING) from None
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    differences = []
    for seed, side in enumerate(SIDES_PX):
        frames = frames_like_training(graph, side, n=1 + seed, seed=seed)
        ours, theirs = run_torch(graph, frames), run_onnx(session, frames)
        if ours.shape != theirs.shape:
            raise ValueError(
                f"onnxruntime's output of {graph.found.name} has the shape {theirs.shape} instead "
                f"of {ours.shape}: not written."
            )
        differences.append(float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), 1e-12)))
    return max(differences)


@torch.inference_mode()
def run_torch(graph: ExportedGraph, frames: Tensor) -> np.ndarray[Any, Any]:
    """Return torch's output."""
    return graph(frames).numpy()  # type: ignore[no-any-return]


def run_onnx(session: Any, frames: Tensor) -> np.ndarray[Any, Any]:
    """Return onnxruntime's output."""
    return np.asarray(session.run(None, {"frames": frames.numpy()})[0])
