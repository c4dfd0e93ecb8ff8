"""Twin: the experiment that a stack comes from, as far as its frames tell, to train a model on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from napari_deepsmlm.adaptation.crowding import as_crowded
from napari_deepsmlm.adaptation.enough import enough_frames
from napari_deepsmlm.adaptation.findings import FINDER, look, structure_of, told_by
from napari_deepsmlm.camera import IdealCamera
from napari_deepsmlm.estimation import estimate, know_camera
from napari_deepsmlm.models import find_model, model_class
from napari_deepsmlm.simulation.structures import Filaments, Mixture, Uniform

if TYPE_CHECKING:
    from napari_deepsmlm.adaptation.options import AdaptOptions
    from napari_deepsmlm.camera import Camera
    from napari_deepsmlm.estimation import Estimate
    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.io import FrameSource
    from napari_deepsmlm.models import FoundModel, ModelCard
    from napari_deepsmlm.simulation import Simulation
    from napari_deepsmlm.simulation.structures import FromTable

# Half the rate of training from nothing: after 40 steps both stacks of `docs/adapt.md` are better
# than at the start.
LEARNING_RATE, WARMUP = 1e-3, 0.1
AVERAGING = 0.98
FIX_NORM_AFTER = 0.2
BATCH_SIZE = 2
VALIDATION_FRAMES = 16
# Molecules that are simulated, over those in the stack's denser frames, and the fewest per um^2. By
# how common they are a model tells them from bumps of noise, so it is not made to see some that
# overlap, as one that learns from nothing is.
MAX_DENSER, DENSEST_AT_LEAST = 1.5, 0.01
PATIENCE = 5
# Shares of the frames on the stack's own structure, with molecules anywhere, and on filaments.
WEIGHTS = (0.5, 0.2, 0.3)
# Size of what an uneven background shows, camera pixels: cells, and dirt in them.
UNEVENNESS_PX = 16.0
# Of a model's own choices these are the data's, or are measured anew.
NOT_KEPT = ("pixel_size_nm", "threshold")


class Twin(NamedTuple):
    """What a stack is like, and how a model is trained for it."""

    found: FoundModel
    """The model to begin with."""
    estimate: Estimate
    experiment: Experiment
    """To train: ranges around what was measured."""
    like_data: Experiment
    """To judge: what was measured."""
    camera: Camera
    """By which the stack is read."""
    hot_pixels: tuple[tuple[int, int, int], ...]
    """(plane, row, column) of those that are replaced."""


def make_twin(source: FrameSource, options: AdaptOptions) -> Twin:
    """Measure a stack and return the training of a model for it.

    Raises
    ------
    ValueError, OSError
        One sentence: no such model, one that this cannot train, frames that tell too little.
    """
    pixel_size_nm = options.pixel_size_nm or source.pixel_size_nm
    found = find_model(options.model, pixel_size_nm=pixel_size_nm, upsampling=options.upsampling)
    pixel_size_nm = _checked(source, found, pixel_size_nm)
    known = know_camera(source, options.camera)
    camera = known.camera or IdealCamera(baseline=0.0)
    measured = estimate(source, pixel_size_nm=pixel_size_nm, camera=camera)
    findings = look(source, pixel_size_nm, camera, known.hot_pixels)
    sites, unevenness = None, 0.0
    if findings is not None:
        sites, unevenness = structure_of(findings), findings.unevenness
        told = told_by(findings, measured)
        if sites is not None and measured.photons is None and told.photons is not None:
            told = as_crowded(
                told,
                findings,
                FINDER,
                lambda e: _experiments(found, e, options, sites, unevenness)[1],
            )
        measured = told
    experiment, like_data = _experiments(found, measured, options, sites, unevenness)
    return Twin(found, measured, experiment, like_data, camera, known.hot_pixels)


def _experiments(
    found: FoundModel,
    measured: Estimate,
    options: AdaptOptions,
    sites: FromTable | None,
    unevenness: float,
) -> tuple[Experiment, Experiment]:
    """Return what is trained, and the like of the data that judges it."""
    base = _base(measured, found.card.network)
    simulation = _simulation(base.simulation, found.card, options.sum_frames, sites)
    densest = max(MAX_DENSER * _dense(measured), DENSEST_AT_LEAST)
    simulation = simulation.replace(density_per_um2=(0.0, float(f"{densest:.3g}")))
    if unevenness:
        simulation = simulation.replace(unevenness=unevenness, unevenness_px=UNEVENNESS_PX)
    experiment = base.replace(
        model=_own_choices(found.card, base), simulation=simulation, start_from=str(found.path)
    )
    like_data = experiment.replace(simulation=_as_measured(simulation, measured, sites))
    training = _training(base, options, like_data)
    return experiment.replace(training=training), like_data.replace(training=training)


def _dense(measured: Estimate) -> float:
    """Return the density of the denser frames: their mean where most frames have no molecule."""
    return max(measured.density_percentiles[90], measured.density_per_um2 or 0.0)


def _base(measured: Estimate, network: str) -> Experiment:
    try:
        return measured.to_experiment(network)
    except ValueError as error:  # without all that was told besides
        raise ValueError(str(error).removesuffix(" ".join(measured.sentences)).strip()) from None


def _checked(source: FrameSource, found: FoundModel, pixel_size_nm: float | None) -> float:
    """Return the pixel size of a stack that a model can be adapted to."""
    if not found.card.is_trained:
        raise ValueError(
            f"{found.name} is no network and has nothing to adapt: choose a network (--model "
            "dilated-loc)."
        )
    n_planes = found.card.n_planes
    if source.shape[1] > 1 or n_planes > 1:
        raise ValueError(
            f"{found.name} cannot be adapted to frames of {max(source.shape[1], n_planes)} focal "
            "planes: a movie tells the width of one only; calibrate with beads and train."
        )
    if found.card.reads_depth:
        raise ValueError(
            f"{found.name} reads depth from the shape of the PSF, which a movie does not tell: "
            "calibrate with beads and train, or adapt a 2-D model."
        )
    if pixel_size_nm is None:
        raise ValueError(
            f"{source.name} states no pixel size, and without it there is nothing to adapt to: "
            "give it in nm (--pixel-size)."
        )
    return pixel_size_nm


def _own_choices(card: ModelCard, base: Experiment) -> dict[str, Any]:
    """Return the choices of the model, which its weights are for; more photons where needed."""
    own = {key: value for key, value in card.config.items() if key not in NOT_KEPT}
    if "photon_max" in own and own.get("input", "photons") == "photons":
        own["photon_max"] = max(own["photon_max"], base.model.get("photon_max", 0.0))
    known = model_class(card.network).Config.model_fields
    return {key: value for key, value in own.items() if key in known}


def _simulation(
    simulation: Simulation, card: ModelCard, sum_frames: int, sites: FromTable | None
) -> Simulation:
    """Return it for inputs of so many frames, with the blinking that neighbours in time need.

    Half of the frames show the structure of the stack.
    """
    if sites is not None:
        simulation = simulation.replace(
            structure=Mixture(parts=(sites, Uniform(), Filaments()), weights=WEIGHTS)
        )
    if card.reads_neighbours and sum_frames == 1:
        recorded = {"blinking": card.blinking} if card.blinking else {}
        values = simulation.model_dump(mode="json") | recorded
        simulation = type(simulation).from_dict(values, source="model")
    return simulation.replace(sum_frames=(sum_frames, sum_frames))


def _training(base: Experiment, options: AdaptOptions, like_data: Experiment) -> Any:
    return base.training.replace(
        minutes=None if options.steps else options.minutes,
        steps=options.steps or base.training.steps,
        batch_size=BATCH_SIZE,
        patch_px=options.patch_px,
        learning_rate=LEARNING_RATE,
        warmup=WARMUP,
        averaging=AVERAGING,
        fix_norm_after=FIX_NORM_AFTER,
        validation_frames=enough_frames(like_data, options.patch_px, VALIDATION_FRAMES),
        validation_px=None,
        patience=PATIENCE,
        validate_every=max(1, (options.steps or 1) // 3),
        autosave_minutes=0.5,
        precision=options.precision,
        seed=0,
    )


def _as_measured(simulation: Simulation, measured: Estimate, sites: FromTable | None) -> Simulation:
    """Return it without the margins that training has around what was measured."""
    photons, density = measured.photons_percentiles, measured.density_percentiles
    changes: dict[str, Any] = {
        "density_per_um2": (density[10], max(_dense(measured), density[10])),
        "photons": (photons[10], photons[90]),
        "brightness": (1.0, 1.0),
    }
    if sites is not None:
        changes["structure"] = sites
    if measured.background is not None:
        changes["background"] = (max(measured.background, 0.0),) * 2
    return simulation.replace(**changes)
