"""Estimate: what raw frames tell of an experiment, what they do not, and a training for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.camera import Camera

if TYPE_CHECKING:
    from napari_deepsmlm.experiment import Experiment

# Training uses ranges around what was measured, because the next movie differs: relative margins of
# width, photons and background, and a factor on the density. A focus 100 nm off widens a PSF by
# 5 %, and a width that is told worse has its error as margin; photons are stated up to an error of
# 25 % (`measure.MAX_ERROR`).
SIGMA_MARGIN, PHOTON_MARGIN, BACKGROUND_MARGIN, DENSITY_MARGIN = 0.05, 0.25, 0.5, 1.5
# Factor on all photons of a training frame: laser power differs by up to √2 between movies.
BRIGHTNESS = (0.7, 1.4)
# Molecules per um^2 that training reaches at least: a network that has never seen two molecules
# overlap takes them for one.
DENSEST_AT_LEAST = 0.5


class Estimate(FrozenModel):
    """What raw frames tell. A value is None where they cannot tell; `sentences` say why."""

    pixel_size_nm: float | None = Field(None, description="Camera pixel, nm.")
    image_px: tuple[int, int] = Field(description="Height and width of the frames.")
    n_frames: int = Field(description="Frames that were looked at.")
    unit: Literal["photons", "ADU"] = Field(
        "photons", description="Of light: ADU where the gain is not known."
    )
    psf_sigma_nm: float | None = Field(None, description="Width of the PSF, nm.")
    psf_sigma_px: float | None = Field(None, description="The same in camera pixels.")
    psf_sigma_range_nm: tuple[float, float] | None = Field(
        None, description="80 % of molecules, nm, from those that stand alone, if enough do."
    )
    background: float | None = Field(None, description="Per pixel and frame.")
    background_at_most: float | None = Field(None, description="Its upper limit.")
    photons: float | None = Field(None, description="Mean of a molecule in a frame.")
    photons_percentiles: dict[int, float] = Field({}, description="10, 50 and 90 % of molecules.")
    density_per_um2: float | None = Field(None, description="Emitting molecules, mean of frames.")
    density_percentiles: dict[int, float] = Field({}, description="10, 50 and 90 % of frames.")
    light_per_um2: float | None = Field(
        None, description="Of all molecules of a frame, also where photons and density are unknown."
    )
    offset_adu: float | None = Field(None, description="What the camera adds, ADU.")
    gain: float | None = Field(None, description="ADU per detected photon.")
    drift_nm: float | None = Field(None, description="From first to last frame; None if not seen.")
    drift_xy_nm: tuple[float, float] | None = Field(None, description="The same along x and y.")
    memory: float | None = Field(None, description="Correlation of what blinks in frame and next.")
    errors: dict[str, float] = Field({}, description="Standard errors of the values above.")
    camera: Camera | None = Field(
        None, description="To simulate with: as given, or as far as it was measured."
    )
    sentences: list[str] = Field([], description="All of it in words, and what cannot be told.")

    def to_experiment(self, network: str = "deep-storm") -> Experiment:
        """Return an experiment to train a network for such data, ranges around what was measured.

        Training choices are those of the built-in model of this network.

        Raises
        ------
        ValueError
            If what training needs is not known; the sentence says what to give.
        """
        from napari_deepsmlm.experiment import Experiment
        from napari_deepsmlm.models import model_class

        self._require()
        proven = _proven(network)
        values: dict[str, Any] = {
            "psf": {
                "kind": "gaussian",
                "pixel_size_nm": self.pixel_size_nm,
                "sigma_nm": self._sigma_range(),
            },
            "camera": self.camera,
            "simulation": self._simulation(),
            "network": network,
            "model": proven.get("model", {}),
        }
        if "training" in proven:
            values["training"] = proven["training"]
        if "sum_frames" in proven.get("simulation", {}):
            values["simulation"]["sum_frames"] = proven["simulation"]["sum_frames"]
        experiment = Experiment.from_dict(values, source="estimate")
        if "photon_max" not in model_class(network).Config.model_fields:
            return experiment
        brightest = 1.2 * experiment.simulation.photons[1] * BRIGHTNESS[1]
        return experiment.replace(model={**experiment.model, "photon_max": _rounded(brightest)})

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, light in `unit`."""
        return self.model_dump(mode="json")

    def _require(self) -> None:
        for name, is_known, remedy in (
            ("pixel size", self.pixel_size_nm is not None, "give it in nm"),
            ("camera's gain", self.unit == "photons" and self.camera is not None, "give a camera"),
            ("PSF's width", self.psf_sigma_nm is not None, "give a longer raw movie"),
            ("light of a molecule", self.photons is not None, "give a longer or sparser raw movie"),
            ("background", self.background_at_most is not None, "give raw frames"),
        ):
            if not is_known:
                raise ValueError(
                    f"The {name} is not known, so there is nothing to train for: {remedy}. "
                    + " ".join(self.sentences)
                )

    def _sigma_range(self) -> tuple[float, float]:
        assert self.psf_sigma_nm is not None  # noqa: S101 - required before
        low, high = self.psf_sigma_range_nm or (self.psf_sigma_nm, self.psf_sigma_nm)
        error = self.errors.get("psf_sigma_nm", 0.0) / self.psf_sigma_nm
        margin = max(SIGMA_MARGIN, error)
        return _rounded(low * (1 - margin)), _rounded(high * (1 + margin))

    def _simulation(self) -> dict[str, Any]:
        photons, density = self.photons_percentiles, self.density_percentiles
        densest = max(DENSITY_MARGIN * density[90], DENSEST_AT_LEAST)
        return {
            "structure": {
                "kind": "mixture",
                "parts": [{"kind": "uniform"}, {"kind": "filaments"}],
                "weights": [0.4, 0.6],
            },
            "density_per_um2": (0.0, _rounded(densest)),
            "photons": (
                _rounded(photons[10] * (1 - PHOTON_MARGIN)),
                _rounded(photons[90] * (1 + PHOTON_MARGIN)),
            ),
            "brightness": BRIGHTNESS,
            "background": self._background_range(),
        }

    def _background_range(self) -> tuple[float, float]:
        assert self.background_at_most is not None  # noqa: S101 - required before
        if self.background is None:
            return 0.0, _rounded(max(self.background_at_most, 1.0))
        background = max(self.background, 0.5)
        low, high = 1 - BACKGROUND_MARGIN, 1 + BACKGROUND_MARGIN
        return _rounded(background * low), _rounded(background * high)


def _proven(network: str) -> dict[str, Any]:
    """Return the experiment of a built-in model of the network, empty if there is none."""
    from napari_deepsmlm.models import built_in_models, read_card

    cards = [
        read_card(path) for name, path in built_in_models().items() if name.split(":")[0] == network
    ]
    flat = [card for card in cards if card.n_planes == 1]
    if cards and not flat:
        raise ValueError(
            f"'{network}' reads several focal planes, and a movie of one tells nothing of the "
            "others: calibrate with beads, and write the experiment by hand."
        )
    simple = [card for card in flat if (card.psf or {}).get("kind") == "gaussian"]
    return (simple[0].experiment or {}) if simple else {}


def _rounded(value: float) -> float:
    """Three digits: more were not measured."""
    return float(f"{value:.3g}")
