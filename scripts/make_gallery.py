"""Make the pictures of docs/gallery.md: one per structure, blinking, background and camera.

Run it from the top of the repository: `python scripts/make_gallery.py`. The same seed gives the
same pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import torch
import yaml
from _gallery_pictures import (
    calibrated,
    draw_background,
    draw_blinking,
    draw_camera,
    draw_drift,
    draw_psf,
    draw_structure,
    letters,
    sensor,
)

from napari_deepsmlm.camera import SCMOS, camera_preset, camera_presets
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.psf import AstigmaticPSF, GaussianPSF, MultiplanePSF, PupilPSF
from napari_deepsmlm.simulation import (
    Drift,
    Exponential,
    Filaments,
    FourState,
    FromTable,
    Independent,
    Lines,
    Microtubules,
    NuclearPores,
    Rings,
    SiemensStar,
    Simulation,
    Survival,
    Uniform,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

# Name -> structure, side of the picture in um, and what to look for.
STRUCTURES = {
    "uniform": (Uniform(z_nm=(-500, 500)), 6.4, "Molecules anywhere, here in 1 µm of depth."),
    "filaments": (Filaments(), 6.4, "Bundles of wavy filaments in a plane, which cross."),
    "microtubules": (
        Microtubules(z_nm=(-500, 500)),
        6.4,
        "Tubes of 25 nm along smooth curves in 1 µm of depth.",
    ),
    "lines": (
        Lines(distance_nm=50, angle_degrees=30),
        0.5,
        "Two parallel lines 50 nm apart; the inset of 0.5 µm shows both.",
    ),
    "crossing_lines": (
        Lines(distance_nm=0, crossing_degrees=20, angle_degrees=30),
        6.4,
        "Lines that cross at 20 degrees: their distance grows with that from the middle.",
    ),
    "siemens_star": (
        SiemensStar(angle_degrees=0),
        6.4,
        "16 spokes; at radius r they are πr/16 wide.",
    ),
    "rings": (Rings(), 6.4, "Circles of 200 to 600 nm that do not overlap."),
    "nuclear_pores": (
        NuclearPores(),
        1.0,
        "Pores of 107 nm with eight corners on each of two rings; 1 µm of it.",
    ),
}
BLINKING = {
    "independent": (Independent(), "A molecule emits in one frame."),
    "survival": (Survival(), "A coin decides from frame to frame whether it stays on."),
    "exponential": (
        Exponential(on_frames=3),
        "Exponential on-times that begin and end within frames (DECODE).",
    ),
    "four_state": (FourState(), "On, dark, on again, bleached (SMLM Challenge 2016)."),
}
BACKGROUNDS = {
    "even": (0.0, 24.0, "The same everywhere."),
    "smooth": (0.2, 24.0, "± 20 %, in parts of 24 pixels."),
    "smooth_wide": (0.2, 64.0, "± 20 %, in parts of 64 pixels."),
}


# Name -> PSF, largest depth, side of the picture in pixels, what to look for, and its YAML.
PSFS = {
    "gaussian": (
        GaussianPSF(sigma_nm=(110, 110)),
        600,
        15,
        "A Gaussian of one width, or of a range of widths; it ignores depth.",
        "psf: {kind: gaussian, sigma_nm: [110.0, 110.0]}",
    ),
    "astigmatic": (
        AstigmaticPSF(),
        600,
        25,
        "Astigmatic Gaussian: two widths, two defocus curves.",
        "psf: {kind: astigmatic}",
    ),
    "quad_plane": (
        MultiplanePSF.voxelwise(),
        750,
        15,
        "Four planes 400 nm apart with the defocus curve of voxel-wise regression: preset "
        "`voxel-wise`.",
        "",
    ),
    "astigmatic_vectorial": (
        PupilPSF.preset("astigmatic"),
        600,
        25,
        "Vectorial pupil, NA 1.49, with astigmatism of 70 nm RMS: preset `astigmatic`.",
        "psf:\n  kind: pupil\n  blur_px: [0.5, 0.5]\n  aberrations: [[2, 2, 70.0]]  # n, m, nm RMS",
    ),
    "saddle": (
        PupilPSF.preset("saddle-2um"),
        1000,
        35,
        "Saddle point for 2 µm of depth: preset `saddle-2um`.",
        "",
    ),
    "tetrapod_3um": (
        PupilPSF.preset("tetrapod-3um"),
        1500,
        41,
        "Tetrapod for 3 µm of depth: preset `tetrapod-3um`.",
        "",
    ),
    "tetrapod_6um": (
        PupilPSF.preset("tetrapod-6um").replace(patch_px=71),
        3000,
        71,
        "Tetrapod for 6 µm of depth: preset `tetrapod-6um`.",
        "",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    folder = parser.parse_args().docs / "images" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    page = [
        "# Gallery of simulations",
        "Made by `scripts/make_gallery.py`. Each block of YAML goes under `simulation:` (cameras: "
        "under `camera:`) of an experiment. Whole experiments come with the package: "
        "`Experiment.from_preset(name)` with one of "
        + ", ".join(f"`{name}`" for name in Experiment.presets())
        + ".",
        "## PSFs",
        "One photon at seven depths; each image has its own scale of colours. "
        "[Optics and cameras](optics.md) says how well they tell where a molecule is.",
        *psf_entries(folder),
        "## Structures",
        "Left: the molecules of a movie, coloured by depth. Right: one of its frames.",
    ]
    for name, (structure, side_um, text) in STRUCTURES.items():
        save(folder, f"structure_{name}", lambda s=structure, w=side_um: draw_structure(s, w))
        page += entry(f"structure_{name}", text, Simulation(structure=structure), "structure")
    with tempfile.TemporaryDirectory() as place:
        table = FromTable.from_points(Path(place) / "sites.npy", letters())
        save(folder, "structure_table", lambda: draw_structure(table, 6.4))
    page += [
        "![structure_table](images/gallery/structure_table.png)",
        "The sites that a table lists, CSV or `.npy`.\n\n"
        "```yaml\nstructure:\n  kind: table\n  path: sites.csv\n```",
        "## Blinking",
        "Left: molecules, one per line, and the photons they send in each frame. Right: number of "
        "frames in which a molecule is seen.",
    ]
    for name, (blinking, text) in BLINKING.items():
        save(folder, f"blinking_{name}", lambda b=blinking: draw_blinking(b))
        page += entry(f"blinking_{name}", text, Simulation(blinking=blinking), "blinking")
    page += ["## Background and drift", "Left: expected photons. Right: what the camera sees."]
    for name, (unevenness, size, text) in BACKGROUNDS.items():
        simulation = Simulation(
            background=(100, 100), unevenness=unevenness, unevenness_px=size, photons=(1500, 1500)
        )
        save(folder, f"background_{name}", lambda s=simulation: draw_background(s))
        keys = ("background", "unevenness", "unevenness_px")
        page += entry(f"background_{name}", text, simulation, *keys)
    drift = Simulation(drift=Drift(per_frame_nm=(0.2, 0.1, 0), walk_nm=(2, 2, 1)))
    save(folder, "drift", lambda: draw_drift(drift))
    page += entry("drift", "A steady drift with a random walk upon it.", drift, "drift")
    page += [
        "## Cameras",
        "Left: a frame, turned back into photons. Right: variance against mean of 4,000 exposures "
        "(dots) and the law (line), both in photons; dashed is Poisson.",
    ]
    for name in camera_presets():
        save(folder, f"camera_{name}", lambda n=name: draw_camera(camera_preset(n)))
        page += [
            f"![camera_{name}](images/gallery/camera_{name}.png)",
            f"```yaml\ncamera: {name}\n```",
        ]
    with tempfile.TemporaryDirectory() as place:
        camera = SCMOS(maps=sensor(Path(place)))
        save(folder, "camera_scmos_maps", lambda: draw_camera(camera))
    page += [
        "![camera_scmos_maps](images/gallery/camera_scmos_maps.png)",
        "A sensor whose pixels differ in gain, offset and variance; the law is their mean.\n\n"
        "```yaml\ncamera:\n  kind: scmos\n  maps:\n    gain: gain.npy      # ADU per electron\n"
        "    offset: offset.npy  # ADU\n    variance: variance.tif  # ADU squared\n```",
    ]
    (folder.parents[1] / "gallery.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")


def psf_entries(folder: Path) -> list[str]:
    measured = (
        calibrated(AstigmaticPSF(z_range_nm=(-900, 900))),
        600,
        25,
        "Measured on three simulated beads of 5,000 photons by `deepsmlm calibrate`.",
        "psf: {kind: calibrated, file: beads.safetensors}",
    )
    page = []
    for name, (psf, reach, side, text, yaml_text) in {**PSFS, "calibrated": measured}.items():
        depths = [round(reach * k / 3) for k in range(-3, 4)]
        save(folder, f"psf_{name}", lambda p=psf, z=depths, s=side: draw_psf(p, z, s))
        block = f"\n\n```yaml\n{yaml_text}\n```" if yaml_text else ""
        page += [f"![psf_{name}](images/gallery/psf_{name}.png)", text + block]
    return page


def save(folder: Path, name: str, draw: Callable[[], Figure]) -> None:
    with plt.rc_context({"font.size": 7, "savefig.dpi": 100}):
        figure = draw()
        figure.tight_layout()
        path = folder / f"{name}.png"
        figure.savefig(path, bbox_inches="tight", pil_kwargs={"optimize": True})
        plt.close(figure)
    size_kb = path.stat().st_size / 1e3
    assert size_kb < 150, f"{path} has {size_kb:.0f} kB; pictures stay below 150 kB."
    print(f"{path}  {size_kb:.0f} kB")


def entry(name: str, text: str, simulation: Simulation, *keys: str) -> list[str]:
    """Return a picture, a sentence, and the settings as YAML."""
    values = simulation.model_dump(mode="json")
    chosen = yaml.safe_dump(
        {key: values[key] for key in keys}, sort_keys=False, default_flow_style=None
    )
    return [f"![{name}](images/gallery/{name}.png)", f"{text}\n\n```yaml\n{chosen}```"]


if __name__ == "__main__":
    main()
