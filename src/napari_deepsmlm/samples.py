"""Built-in samples: simulated stacks with known molecules, made offline and the same each time."""

from __future__ import annotations

from napari_deepsmlm.camera import SCMOS
from napari_deepsmlm.experiment import Experiment
from napari_deepsmlm.psf import GaussianPSF
from napari_deepsmlm.simulation import Filaments, Simulation


def microtubules() -> Experiment:
    """Return dense blinking bundles of microtubules, as in the SMLM Challenge of 2013.

    64 x 64 pixels of 100 nm, a PSF of 110 nm, about 5.5 molecules/um^2 in every frame
    with about 2,500 photons each, 20 background photons per pixel, 2 ADU per photon.

    Examples
    --------
    >>> stack, truth = microtubules().simulate(n_frames=3, seed=0)
    >>> stack.shape
    (3, 1, 64, 64)
    """
    bundles = Filaments(
        bundles=(1, 1),
        filaments_per_bundle=(10, 11),
        spacing_nm=(200.0, 550.0),
        tilt_degrees=4.0,
        wave_nm=(20.0, 60.0),
        centred=0.8,
    )
    return Experiment(
        psf=GaussianPSF(pixel_size_nm=100.0, sigma_nm=(110.0, 110.0)),
        camera=SCMOS(quantum_efficiency=1.0, read_noise_e=0.0, e_per_adu=0.5),
        simulation=Simulation(
            structure=bundles,
            density_per_um2=(4.8, 4.8),  # over window and margin; 5.5 in the window
            photons=(2250.0, 2750.0),
            background=(20.0, 20.0),
        ),
        image_px=(64, 64),
    )
