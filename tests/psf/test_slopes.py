"""Slopes: the same whatever other threads work out meanwhile."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import torch

from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.psf.slopes import images_and_slopes


def test_slopes_are_those_of_finite_differences() -> None:
    xyz_nm, psf = torch.tensor([[510.0, 480.0, 0.0]], dtype=torch.float64), GaussianPSF()
    slopes = images_and_slopes(psf, xyz_nm, (10, 10), ["x_nm", "y_nm"]).slopes
    for axis in (0, 1):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 0.01
        after, before = (
            psf.render((xyz_nm + sign * step)[:, None], torch.ones(1, 1).double(), (10, 10))
            for sign in (1, -1)
        )
        torch.testing.assert_close(slopes[..., axis], (after - before) / 0.02, atol=1e-9, rtol=1e-5)


def test_threads_do_not_disturb_each_other() -> None:
    xyz_nm, psf = 300 + 400 * torch.rand(200, 3), GaussianPSF()

    def work(_: int) -> torch.Tensor:
        return images_and_slopes(psf, xyz_nm, (12, 12), ["x_nm", "y_nm"]).slopes

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(work, range(40)))
    assert all(torch.equal(one, found[0]) for one in found)


def test_first_slopes_and_steps_of_a_process_import_no_compiler() -> None:
    code = (
        "import sys, warnings, torch\n"
        "from napari_deepsmlm.psf.slopes import value_and_slopes\n"
        "from napari_deepsmlm.training.optimizer import AdamW\n"
        "warnings.simplefilter('error')\n"
        "print(value_and_slopes(torch.sin, torch.zeros(1), [torch.ones(1)])[1][0].item())\n"
        "optimizer = AdamW([torch.ones(1, requires_grad=True)])\n"
        "optimizer.step()\n"
        "optimizer.zero_grad()\n"
        "optimizer.load_state_dict(optimizer.state_dict())\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["1.0", "False"], done.stderr
