"""Live measuring: what can be said of a result, one measure after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from napari_deepsmlm._base import FrozenModel
from napari_deepsmlm.plugin.library.loading import known_models, load_torch_beside_python
from napari_deepsmlm.plugin.widgets.frame_numbers import FIRST_SHOWN

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterable

    from napari_deepsmlm.evaluation import Conclusion, Coverage, Quality, QualityOptions
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.mismatch import InputSettings, MismatchTable
    from napari_deepsmlm.plugin.library.choices import ModelChoice


ALL_FRAMES = "All of the truth, under More about the measures,"
"""How the panel calls the option that counts all of the truth."""


class Comparison(FrozenModel):
    """How a result is held against the truth."""

    blur_sigma_px: float = Field(
        0.0, ge=0, le=100, description="Images: Gaussian blur of both before NMSE and SSIM."
    )
    lateral_nm: float = Field(250.0, gt=0, le=10_000, description="Lateral tolerance of a match.")
    axial_nm: float = Field(500.0, gt=0, le=10_000, description="Axial tolerance of a match.")
    least_photons: float = Field(
        0.0, ge=0, description="True molecules with as many photons or fewer do not count."
    )
    all_frames: bool = Field(
        False,
        description="Count the truth of all frames and of the whole field, also where nothing was "
        "reconstructed.",
    )


@dataclass(frozen=True)
class QualityKit:
    """What the panel offers."""

    options: type[QualityOptions]
    models: tuple[ModelChoice, ...]
    cameras: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """What is measured; what is None is not."""

    image: Any = None
    """(H, W), (T, H, W) or (T, C, H, W) super-resolved."""
    pixel_nm: float | None = None
    table: Localizations | Path | None = None
    frames: Any = None
    """Camera frames, as `open_frames` takes them."""
    camera_pixel_nm: float | None = None
    region: tuple[slice, slice] | None = None
    """Rows and columns of the frames that the image shows; all if None."""
    truth_image: Any = None
    truth_table: Localizations | Path | None = None
    image_coverage: Coverage | None = None
    """The frames and the region that the image is of, where its making is known."""
    table_coverage: Coverage | None = None
    """The same of the table, in its positions."""
    settings: InputSettings | None = None
    """The model whose training the frames are held against."""


@dataclass(frozen=True)
class Step:
    """What is under way, and how many of all measures are done."""

    words: str
    n_done: int
    n_steps: int


@dataclass(frozen=True)
class Measured:
    """All answers so far, by group and name, each with its unit."""

    quality: Quality
    scores: dict[str, dict[str, float | None]] = field(default_factory=dict)
    mismatch: MismatchTable | None = None
    remarks: tuple[str, ...] = ()
    conclusion: Conclusion | None = None
    """What all of it says, once all is measured."""


def load_quality_kit(stopping: threading.Event) -> Generator[QualityKit, None, None]:
    """Import what measures and draws, and yield its options."""
    load_torch_beside_python()
    from napari_deepsmlm.camera import camera_presets
    from napari_deepsmlm.evaluation import QualityOptions

    for name in ("pyqtgraph", "napari_deepsmlm.mismatch", "napari_deepsmlm.limits"):
        import_module(name)
    yield QualityKit(QualityOptions, known_models(), tuple(camera_presets()))


def measure_live(
    question: Question,
    options: QualityOptions,
    comparison: Comparison,
    stopping: threading.Event,
) -> Generator[Step | Measured, None, None]:
    """Yield the answers one after the other; what has none is a remark.

    Raises
    ------
    ValueError
        If there is no answer at all: one sentence why.
    """
    from napari_deepsmlm.evaluation import Quality, conclude

    work = _Work(question, options, comparison, stopping.is_set)
    steps = work.steps()
    if not steps:
        raise ValueError(
            "Choose a result: an image layer, or the localizations of a movie; or camera frames "
            "and a model."
        )
    known = Measured(Quality())
    for n_done, (words, step) in enumerate(steps):
        yield Step(words, n_done, len(steps))
        try:
            known = step(known)
        except InterruptedError:
            return
        except (ValueError, OSError) as error:
            known = replace(known, remarks=(*known.remarks, f"{words}: {error}"))
        if stopping.is_set():
            return
        yield known
    if known.quality == Quality() and not known.scores and known.mismatch is None:
        raise ValueError(" ".join(known.remarks))
    outside = [] if known.mismatch is None else known.mismatch.outside
    yield replace(known, conclusion=conclude(known.quality, known.scores, outside))


class _Work:
    """The measures, each from what is known to what is known after it."""

    def __init__(
        self,
        question: Question,
        options: QualityOptions,
        comparison: Comparison,
        stop: Callable[[], bool],
    ) -> None:
        self._question, self._options, self._comparison = question, options, comparison
        self._stop = stop
        self._sum: Any = None
        self._tables: dict[str, Localizations] = {}

    def steps(self) -> list[tuple[str, Callable[[Measured], Measured]]]:
        """Return the measures that the question asks for, with their names."""
        asked = self._question
        has_image, has_table = asked.image is not None, asked.table is not None
        has_frames = asked.frames is not None
        has_truth = asked.truth_image is not None or asked.truth_table is not None
        choices = (
            (has_image or has_table, "Ring correlation", self._correlate),
            (has_image or has_table, "Decorrelation", self._decorrelate),
            (has_image and has_truth, "Truth image", self._compare_images),
            (has_table and asked.truth_table is not None, "True molecules", self._match),
            (has_frames and asked.settings is not None, "Training", self._hold_against_training),
            ((has_image or has_table) and has_frames, "Error map", self._explain),
        )
        return [(words, step) for is_asked, words, step in choices if is_asked]

    def _correlate(self, known: Measured) -> Measured:
        from napari_deepsmlm.evaluation import frc_of_images, frc_of_table
        from napari_deepsmlm.io import open_frames

        if self._question.table is not None:
            pair = frc_of_table(self._table("table"), self._options, stop=self._stop)
        else:
            source = open_frames(self._question.image)
            pair = frc_of_images(source, self._pixel_nm(), self._options)
        return self._with(known, pair.remarks, frc=pair)

    def _decorrelate(self, known: Measured) -> Measured:
        from napari_deepsmlm.evaluation import image_of_table
        from napari_deepsmlm.metrics import decorrelation

        if self._question.image is not None:
            found = decorrelation(self._image(), self._pixel_nm())
        else:
            frc = known.quality.frc
            pixel_nm = self._options.sr_pixel_nm if frc is None else frc.pixel_nm
            found = decorrelation(image_of_table(self._table("table"), pixel_nm), pixel_nm)
        problem = (f"Decorrelation: {found.problem}",) if found.problem else ()
        return self._with(known, problem, decorrelation=found)

    def _compare_images(self, known: Measured) -> Measured:
        from napari_deepsmlm.metrics import count_image, image_scores

        if self._question.truth_image is not None:
            truth = self._summed(self._question.truth_image)
        else:
            covered = self._question.image_coverage
            if covered is not None:  # the image lies where its region is; sums are one image
                covered = covered.replace(sum_frames=1, box_nm=None)
            table, known = self._cut(known, covered)
            truth = count_image(table, self._image().shape, self._pixel_nm())
        blur = self._comparison.blur_sigma_px
        scores = image_scores(self._image(), truth, blur_sigma_px=blur)
        return replace(known, scores={**known.scores, "image": dict(scores)})

    def _match(self, known: Measured) -> Measured:
        from napari_deepsmlm.evaluation.coverage import beyond_truth, coverage_of_table
        from napari_deepsmlm.localizations import require_molecules
        from napari_deepsmlm.metrics import match

        how, found = self._comparison, self._table("table")
        truth = self._table("truth_table")
        require_molecules(truth, "compare with", "the table of true molecules")
        known = self._with(known, _not_twice(known, beyond_truth(found, truth)))
        covered = coverage_of_table(found, self._question.table_coverage)
        truth, known = self._cut(known, covered)
        matching = match(
            found,
            truth,
            lateral_nm=how.lateral_nm,
            axial_nm=how.axial_nm,
            least_photons=how.least_photons,
        )
        known = replace(known, scores={**known.scores, "molecules": dict(matching.scores())})
        nothing = "True molecules: nothing matched, so errors are not defined."
        return known if len(matching.true) else self._with(known, (nothing,))

    def _cut(self, known: Measured, coverage: Coverage | None) -> tuple[Localizations, Measured]:
        """Return the truth of what the result is of, and what is known with what was left out."""
        from napari_deepsmlm.evaluation.coverage import cut_truth

        kept, remarks = cut_truth(
            self._table("truth_table"),
            coverage,
            is_all=self._comparison.all_frames,
            count_from=FIRST_SHOWN,
            way_out=ALL_FRAMES,
        )
        if not len(kept):
            raise ValueError(
                "no true molecule lies in the frames and the region that the result is of; choose "
                "the truth of that stack."
            )
        return kept, self._with(known, _not_twice(known, remarks))

    def _hold_against_training(self, known: Measured) -> Measured:
        from napari_deepsmlm.mismatch import compare_with_training

        asked = self._question
        assert asked.settings is not None  # noqa: S101 - asked for
        settings = dict(asked.settings)
        if asked.camera_pixel_nm is not None:
            settings["pixel_size_nm"] = asked.camera_pixel_nm
        table = compare_with_training(asked.frames, **settings)
        problems = (f"Training: {problem}" for problem in table.problems)
        return replace(known, mismatch=table, remarks=(*known.remarks, *problems))

    def _explain(self, known: Measured) -> Measured:
        from napari_deepsmlm.evaluation import squirrel_of_image, squirrel_of_table, summed
        from napari_deepsmlm.io import open_frames

        asked = self._question
        frames = open_frames(asked.frames)
        mean = summed(frames, stop=self._stop, mean=True)
        mean = mean if asked.region is None else mean[asked.region]
        remarks: list[str] = []
        if asked.image is not None:
            camera_nm = asked.camera_pixel_nm
            found, remarks = squirrel_of_image(self._image(), asked.pixel_nm, mean, camera_nm)
            if camera_nm is None and asked.pixel_nm is not None:
                camera_nm = asked.pixel_nm * self._image().shape[0] / mean.shape[0]
        elif asked.camera_pixel_nm is None:
            raise ValueError("the camera frames have no pixel size; give their layer one in nm.")
        else:
            camera_nm = asked.camera_pixel_nm
            sr_nm = self._options.sr_pixel_nm
            found = squirrel_of_table(self._table("table"), mean, camera_nm, sr_nm)
        way_out = "split their layer to compare with one"
        remarks += frames.layout.colours_together("added up to the reference", way_out)
        return self._with(known, remarks, squirrel=found, reference_pixel_nm=camera_nm)

    def _with(self, known: Measured, remarks: Any, **answers: Any) -> Measured:
        quality = known.quality._replace(**answers)
        return replace(known, quality=quality, remarks=(*known.remarks, *remarks))

    def _pixel_nm(self) -> float:
        if self._question.pixel_nm is None:
            raise ValueError("the image has no pixel size; give its layer a scale in nm.")
        return self._question.pixel_nm

    def _image(self) -> Any:
        if self._sum is None:
            self._sum = self._summed(self._question.image)
        return self._sum

    def _summed(self, images: Any) -> Any:
        from napari_deepsmlm.evaluation import summed
        from napari_deepsmlm.io import open_frames

        return summed(open_frames(images), stop=self._stop)

    def _table(self, name: str) -> Localizations:
        if name not in self._tables:
            given = getattr(self._question, name)
            if isinstance(given, Path):
                from napari_deepsmlm.io import read_localizations

                given = read_localizations(given)
            self._tables[name] = given
        return self._tables[name]


def _not_twice(known: Measured, remarks: Iterable[str]) -> list[str]:
    """Return what was not said yet: image and table may be of the same part."""
    return [remark for remark in remarks if remark not in known.remarks]
