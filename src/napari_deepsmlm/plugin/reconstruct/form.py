"""The form of Reconstruct: which frames, which model, computed where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_deepsmlm.plugin.forms.camera_box import CameraBox
from napari_deepsmlm.plugin.forms.field import editor_for
from napari_deepsmlm.plugin.forms.model_box import ModelBox
from napari_deepsmlm.plugin.forms.rows import FoldedForm
from napari_deepsmlm.plugin.forms.stack_box import StackBox
from napari_deepsmlm.plugin.layers.world import (
    files_of,
    is_stated_by_file,
    n_frames_of,
    n_planes_of,
    provenance,
    show_plane,
)
from napari_deepsmlm.plugin.memory.settings import compute_settings
from napari_deepsmlm.plugin.reconstruct.adapted_finder import AdaptedFinder, WantedModel
from napari_deepsmlm.plugin.reconstruct.camera_finder import CameraFinder
from napari_deepsmlm.plugin.reconstruct.channel_box import ChannelBox
from napari_deepsmlm.plugin.reconstruct.overlay import MAX_POINTS
from napari_deepsmlm.plugin.reconstruct.region_box import RegionBox
from napari_deepsmlm.plugin.reconstruct.sample_model import sample_model
from napari_deepsmlm.plugin.widgets.editors import Number, choice, make_narrow
from napari_deepsmlm.plugin.widgets.frame_numbers import COUNTED, FIRST_SHOWN
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import add_row, show_row, wide_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deepsmlm.batch import Recipe
    from napari_deepsmlm.plugin.library.loading import Library
    from napari_deepsmlm.reconstruction import ReconstructOptions

PIXEL_SIZE = "pixel_size_nm"
UPSAMPLING = "upsampling"
STEP = "window_step"
FRAMES_PER_INPUT = (1, 10, 50, 500, 1000)
DRAWINGS = {
    f"points, up to {MAX_POINTS:,}": MAX_POINTS,
    "points, however many": None,
    "in the image only": 0,
}
"""What is drawn of the localizations, and how many points are at most."""
POINTS_TIP = (
    "How the localizations are drawn besides the image. However many they are, "
    "<i>Save…</i> writes their table."
)
KEPT = ("sum_frames", UPSAMPLING, "threshold", "window", STEP)
"""The others belong to the data, or to the preferences."""


class ReconstructForm(QWidget):
    """Editors of `ReconstructOptions`, from their own descriptions and ranges.

    The stack can be chosen at once; the rest comes with :meth:`fill`, when torch is loaded.
    """

    changed = Signal()
    """Any of the choices."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._library: Library | None = None
        self._viewer = viewer
        self._editors: dict[str, Any] = {}
        self.stack_box = StackBox(viewer)
        self.stack_box.changed.connect(self._on_stack)
        self.region_box = RegionBox(viewer)
        self.channel_box = ChannelBox()
        self.channel_box.changed.connect(self._on_channel)
        self.model_box = ModelBox()
        self.camera_box = CameraBox(is_auto=True)
        self.camera_finder = CameraFinder(self)
        self.adapted_finder = AdaptedFinder(self)
        self.camera_box.follow(self.stack_box)
        self.first_frame, self.last_frame = _frame_box("First"), _frame_box("Last")
        self.points_box = choice(list(DRAWINGS), label="Localizations", tooltip=POINTS_TIP)
        self.compute_note = Note()
        self._folded = FoldedForm("Computing", "Where it is computed, and in which numbers.")
        self._rows = QFormLayout()
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._rows.addRow("Stack", self.stack_box.native)
        self._rows.addRow(self.stack_box.note)
        column = QVBoxLayout(self)
        column.addLayout(self._rows)
        column.addStretch(1)

    def fill(self, library: Library) -> None:
        """Add the editors."""
        self._library = library
        self._editors = _make_editors(library)
        self._add_rows(library)
        self.fill_in(**compute_settings(library.devices))
        self.model_box.set_models(library.models, library.pixel_tolerance)
        self._editors[PIXEL_SIZE].changed.connect(self._on_pixel_size)
        for name in ("device", "precision"):
            self._editors[name].changed.connect(self._explain_compute)
        for editor in self._editors.values():
            editor.changed.connect(self._tell_change)
        self.model_box.changed.connect(self._on_model)
        self._editors["window"].changed.connect(self._on_window)
        for box in (self.camera_box, self.region_box):
            box.changed.connect(self._tell_change)
        self.changed.connect(self._ask_camera)
        self.camera_finder.found.connect(self._tell_change)
        self.changed.connect(self._ask_adapted)
        self.adapted_finder.found.connect(self._on_adapted)
        self._on_model()
        self._on_window()
        self._explain_compute()
        self._on_stack()

    @property
    def is_complete(self) -> bool:
        """Whether everything is chosen that a run needs."""
        return (
            self.stack is not None
            and self._library is not None
            and self.model_box.is_readable
            and self.pixel_size_nm is not None
        )

    @property
    def is_complete_for_files(self) -> bool:
        """Whether everything is chosen that a run over stacks in files needs."""
        return self._library is not None and self.model_box.is_readable

    @property
    def stack(self) -> Layer | None:
        """The chosen layer, None if there is none."""
        return self.stack_box.stack

    @property
    def pixel_size_nm(self) -> float | None:
        """The camera pixel, None while it is not known."""
        size: float | None = self._editors[PIXEL_SIZE].value
        return size

    @property
    def most_points(self) -> int | None:
        """How many localizations are drawn as points at most, None: however many."""
        return DRAWINGS[self.points_box.value]

    def fill_in(self, **values: Any) -> None:
        """Set editors by the names of the options, e.g. `sum_frames=10`."""
        for name, value in values.items():
            self._editors[name].value = value

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors of what suits other data too."""
        return {name: self._editors[name] for name in KEPT} | {"localizations": self.points_box}

    def options(self) -> ReconstructOptions:
        """Return the choices.

        Raises
        ------
        ValueError
            One sentence about what is out of range.
        """
        model = self.model_box.choice
        assert self._library is not None and model is not None  # noqa: S101, PT018 - is_complete
        values = {name: editor.value for name, editor in self._editors.items()}
        if values["window"] is None:
            values[STEP] = None
        values |= {"model": model.key, "camera": self.camera_box.camera}
        values["region"] = self.region_box.region
        values["channel"] = self.channel_box.channel
        if not model.is_localizing:
            values[UPSAMPLING] = None  # it has its own
        first, last = self.first_frame.value, self.last_frame.value
        is_to_the_end = last == self.last_frame.max
        values["frame_range"] = (first, None if is_to_the_end else last + 1)
        return self._library.options.from_dict(values, source="Reconstruct")

    def recipe(
        self, inputs: Sequence[str] | None = None, steps: Sequence[dict[str, Any]] = ()
    ) -> Recipe:
        """Return the choices for stacks in files, each with the pixel size that it states.

        Without `inputs` they are for the files of the chosen stack, if our reader opened it.

        A pixel size that was entered here, as the file of the chosen stack states none, is that of
        all of them.

        Parameters
        ----------
        steps : what is done with the molecules then.

        Raises
        ------
        ValueError
            One sentence about what is out of range.
        """
        assert self._library is not None  # noqa: S101 - is_complete_for_files
        options = self.options()
        if self.stack is not None and is_stated_by_file(self.stack, options.pixel_size_nm):
            options = options.replace(pixel_size_nm=None)
        values: dict[str, Any] = {"inputs": inputs or (), "reconstruct": options, "steps": steps}
        if inputs is None and self.stack is not None:
            files = files_of(self.stack)
            values["inputs"] = [files[0] if len(files) == 1 else files] if files else ()
            values["planes"] = bool(provenance(self.stack).get("as_planes"))
        return self._library.recipe.from_dict(values, source="Reconstruct")

    def add_minutes(self, box: Number) -> None:
        """Add the time of an adaptation."""
        add_row(self._folded.rows, box)

    def abandon(self) -> None:
        """Follow the viewer no more."""
        self.stack_box.abandon()
        self.region_box.abandon()
        self.camera_finder.abandon()
        self.adapted_finder.abandon()

    def _add_rows(self, library: Library) -> None:
        add_row(self._rows, self._editors[PIXEL_SIZE])
        add_row(self._rows, self.channel_box)
        self._rows.addRow(f"Frames (from {FIRST_SHOWN})", self._frames_row())
        self._rows.addRow("Region", self.region_box)
        self._rows.addRow(self.region_box.note)
        add_row(self._rows, self._editors["sum_frames"])
        self._rows.addRow(wide_row("Model", self.model_box))
        self._rows.addRow(self.model_box.note)
        add_row(self._rows, self._editors[UPSAMPLING])
        self.camera_box.add_to(self._rows, library.cameras)
        self._rows.addRow(self.camera_finder.note)
        for name in ("threshold", "window", STEP):
            add_row(self._rows, self._editors[name])
        add_row(self._rows, self.points_box)
        for name in ("device", "precision"):
            add_row(self._folded.rows, self._editors[name])
        self._rows.addRow(self.compute_note)
        self._rows.addRow(self._folded)

    def _frames_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.first_frame.native, 1)
        row.addWidget(QLabel("to"))
        row.addWidget(self.last_frame.native, 1)
        return row

    def _on_stack(self) -> None:
        stack = self.stack
        self.region_box.set_stack(stack)
        self.channel_box.set_stack(stack)
        if self._library is not None:
            show_row(self._rows, self.channel_box.native, self.channel_box.is_needed)
        if stack is not None and self._library is not None:
            self.fill_in(pixel_size_nm=self.stack_box.known_size.nm)
            n_frames = n_frames_of(stack)
            for box, value in ((self.first_frame, 0), (self.last_frame, n_frames - 1)):
                box.range = (0, n_frames - 1)
                box.value = value
            self._on_pixel_size()
            self._on_adapted()
        self.changed.emit()

    def _on_pixel_size(self, *_: object) -> None:
        is_one = self.stack is None or self.channel_box.channel is not None
        n_planes = 1 if is_one else n_planes_of(self.stack)
        self.model_box.set_data(self.pixel_size_nm, n_planes)
        self.stack_box.describe(self.pixel_size_nm)

    def _on_channel(self, *_: object) -> None:
        channel, stack = self.channel_box.channel, self.stack
        if channel is not None and stack is not None:
            show_plane(self._viewer, stack, channel - 1)
        if self._library is not None:
            self._on_pixel_size()
            self.changed.emit()

    def _on_model(self) -> None:
        """Ask only for what the model needs."""
        model = self.model_box.choice
        is_localizing = model is not None and model.is_localizing
        show_row(self._rows, self._editors[UPSAMPLING].native, is_localizing)
        self.camera_box.set_needed(model is not None and model.needs_photons)
        self.changed.emit()

    def _on_window(self, *_: object) -> None:
        is_lapse = self._editors["window"].value is not None
        show_row(self._rows, self._editors[STEP].native, is_lapse)

    def _ask_camera(self) -> None:
        """Find out the camera of the chosen stack, if the model wants one."""
        model = self.model_box.choice
        is_wanted = model is not None and model.needs_photons
        self.camera_finder.ask(self.stack if is_wanted else None, self.camera_box.camera)

    def _ask_adapted(self) -> None:
        """Look for the model of the network that suits the frames, unless the user chose one."""
        network, pixel_nm = self.model_box.wanted_network, self.pixel_size_nm
        wanted = None
        if network is not None and pixel_nm is not None:
            sum_frames, channel = self._editors["sum_frames"].value, self.channel_box.channel
            wanted = WantedModel(network, pixel_nm, self.camera_box.camera, sum_frames, channel)
        self.adapted_finder.ask(self.stack, wanted)

    def _on_adapted(self) -> None:
        """Suggest the model with depth of a sample with depth, or one adapted to such data."""
        of_sample = sample_model(self.stack, self.model_box.choices)
        finder = self.adapted_finder
        is_looking = of_sample is None and finder.is_looking
        suiting = of_sample or finder.suiting or (None, "")
        self.model_box.set_suiting(*suiting, is_looking=is_looking)

    def _explain_compute(self, *_: object) -> None:
        from napari_deepsmlm._devices import choose_compute

        device, precision = (self._editors[name].value for name in ("device", "precision"))
        compute = choose_compute(device, precision)
        self.compute_note.tell(f"On {compute.device} in {compute.precision}: {compute.reason}.")

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()


def _frame_box(which: str) -> Number:
    tooltip = f"<qt>{which} frame to use, {COUNTED}.</qt>"
    box = Number(kind=int, limits=(0, 0), label=f"{which} frame", tooltip=tooltip)
    make_narrow(box.native)
    return box


def _make_editors(library: Library) -> dict[str, Any]:
    options, devices = library.options, ("auto", *library.devices)
    return {
        PIXEL_SIZE: editor_for(options, PIXEL_SIZE, none_text="unknown"),
        "sum_frames": editor_for(
            options, "sum_frames", label="Frames per input", choices=FRAMES_PER_INPUT
        ),
        UPSAMPLING: editor_for(options, UPSAMPLING, label="Upsampling (×)", none_text="8"),
        "window": editor_for(
            options, "window", label="Time-lapse (frames)", none_text="off: one image"
        ),
        STEP: editor_for(
            options, STEP, label="One image every (frames)", none_text="window: no overlap"
        ),
        "threshold": editor_for(
            options, "threshold", label="Least probability", none_text="the model's"
        ),
        "device": editor_for(options, "device", choices=devices),
        "precision": editor_for(options, "precision"),
    }
