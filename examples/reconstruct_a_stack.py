"""Reconstruct a stack and compare it with its truth, in Python.

python examples/reconstruct_a_stack.py [--frames 60]
"""

import argparse

from napari_deepsmlm import Experiment, reconstruct
from napari_deepsmlm.metrics import count_image, match, nmse_percent

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--frames", type=int, default=60)
n_frames = parser.parse_args().frames

stack, truth = Experiment.from_preset("microtubules").simulate(
    n_frames, seed=1
)  # (T, C, H, W) ADU, and the molecules
result = reconstruct(stack, model="deep-storm", pixel_size_nm=100.0)

counts = count_image(truth, result.image.shape, result.sr_pixel_nm)
scores = match(result.localizations, truth.without("z_nm")).scores()
print(f"{result.report['frames_per_second']:.1f} frames/s")
print(f"molecules in the image: {result.image.sum():.0f}, true ones: {len(truth)}")
print(f"NMSE: {nmse_percent(result.image, counts):.1f} %")
print(f"recall {scores['recall']:.2f}, precision {scores['precision']:.2f}")
