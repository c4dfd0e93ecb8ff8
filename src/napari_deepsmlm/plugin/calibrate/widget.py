"""Calibrate PSF: from a bead z-stack to the PSF that a network is trained for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_deepsmlm._words import counted
from napari_deepsmlm.plugin.calibrate.bead_layers import (
    BeadStackList,
    mark_as_beads,
    volume_of,
    z_step_of,
)
from napari_deepsmlm.plugin.calibrate.bead_marks import BeadMarks
from napari_deepsmlm.plugin.calibrate.work import (
    KINDS,
    MEASURED,
    PUPIL,
    BeadOptions,
    BeadsFound,
    Calibrated,
    CalibrationKit,
    Doing,
    Saved,
    calibrate_live,
    find_live,
    in_words,
    load_calibration_kit,
    planes_of,
    save_live,
)
from napari_deepsmlm.plugin.forms.camera_box import CameraBox
from napari_deepsmlm.plugin.forms.rows import Fields
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.layers.world import n_planes_of, pixel_size_of, provenance
from napari_deepsmlm.plugin.widgets.editors import choice
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import VerticalScroll, add_row, button, show_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from napari.layers import Layer
    from napari.viewer import Viewer

    Array = np.ndarray[Any, Any]

FILES = "PSF (*.safetensors)"
FIELDS, PLANES = "fields with beads of their own", "focal planes of one field"
MAX_REFUSED = 4


class CalibrateWidget(JobPanel):
    """The Calibrate PSF panel.

    Parameters
    ----------
    napari_viewer : whose layers are the bead stacks, and which shows the beads.
    """

    kept_as = "Calibrate PSF"
    help_page = "calibrate"

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._made: Calibrated | None = None
        self._kind = MEASURED
        self._files: dict[str, str] = {}
        self._is_for_train = False
        self._marks = BeadMarks(napari_viewer)
        self._used: list[Layer] = []
        self._build()
        self._lay_out()
        self.update_buttons()
        self.load(load_calibration_kit)

    def _build(self) -> None:
        self.stack_list = BeadStackList(self._viewer)
        self.stack_list.changed.connect(self._on_stacks)
        self.several_box = choice(
            [FIELDS, PLANES],
            label="They are",
            tooltip="What several layers are: stacks whose beads are all averaged, or what several "
            "cameras saw of the same beads.",
        )
        self.kind_box = choice(
            [(words, kind) for kind, words in KINDS.items()],
            label="PSF",
            tooltip="The PSF that goes to Train. <b>As measured</b> fits any PSF; <b>Gaussian</b> "
            "is for astigmatic and in-focus PSFs, of several planes too; a <b>Zernike pupil</b> "
            "knows the physics of the lens, and smooths noise away.",
        )
        self._pupils: tuple[str, ...] = ()
        self.pupil_box = choice(
            lambda _: self._pupils,
            label="Lens and light",
            tooltip="Lens, indices and wavelength of the pupil whose Zernike coefficients are "
            "fitted; its own aberrations are not used.",
        )
        self.kind_box.changed.connect(self._on_kind)
        self.camera_box = CameraBox(
            tooltip="What turns the numbers in the file (ADU) into photons: it gives the Zernike "
            "fit the right weights. The other PSFs do not need it."
        )
        self.result_note = Note()
        self.find_button = button("Find beads", "Mark the beads; delete those that are no good.")
        self.find_button.clicked.connect(self.find_beads)
        self.run_button = button("Calibrate", "Make a PSF of the marked beads, or of all.")
        self.run_button.clicked.connect(self.run)
        self.cancel_button = button("Cancel", "Stop after the step at hand.")
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button = button("Save…", "Write PSF, fitted PSF and a picture.")
        self.save_button.clicked.connect(self._on_save)
        self.use_button = button("Use in Train", "Train a network for this PSF.")
        self.use_button.clicked.connect(self.use_in_train)

    def _lay_out(self) -> None:
        chosen, found = QWidget(), QWidget()
        column = QVBoxLayout(chosen)
        self.rows = QFormLayout()
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.rows.addRow("Bead stacks", self.stack_list)
        add_row(self.rows, self.several_box)
        self.stack_note = Note()
        self.rows.addRow(self.stack_note)
        column.addLayout(self.rows)
        column.addStretch(1)
        self.result_column = QVBoxLayout(found)
        self.result_column.addWidget(self.result_note)
        self.result_column.addStretch(1)
        self.tabs = QTabWidget()
        self.tabs.addTab(VerticalScroll(chosen), "Set up")
        self.tabs.addTab(VerticalScroll(found), "Result")
        buttons = (self.find_button, self.run_button, self.cancel_button)
        self.lay_out(self.tabs, buttons, after=(self.save_button, self.use_button))

    def fill(self, kit: CalibrationKit) -> Iterator[None]:
        """Add what needs torch and pyqtgraph."""
        from napari_deepsmlm.plugin.calibrate.plots import CalibrationView

        self.fields = Fields(BeadOptions, BeadOptions.model_fields, self.rows, self)
        yield
        self._pupils = tuple(kit.pupils)
        for box in (self.kind_box, self.pupil_box):
            add_row(self.rows, box)
            box.reset_choices()
        self.camera_box.add_to(self.rows, kit.cameras)
        yield
        self.view = CalibrationView()
        self.view.hide()
        self.result_column.insertWidget(0, self.view, 4)  # most of the room
        self._on_kind()
        self._on_stacks()

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors that come back as they were left."""
        return {
            "several_stacks": self.several_box,
            "z_step_nm": self.fields.editors["z_step_nm"],
            "window_px": self.fields.editors["window_px"],
            "psf": self.kind_box,
            "lens_and_light": self.pupil_box,
        }

    def on_restored(self) -> None:
        """Let what a stack states come before the step that was used last."""
        self._on_stacks()

    def update_buttons(self) -> None:
        """Let those buttons be clicked that make sense now."""
        is_free = self.is_ready and not self.is_busy
        for each in (self.find_button, self.run_button):
            each.setEnabled(is_free and bool(self.stack_list.stacks) and not self._why_not())
        self.cancel_button.setEnabled(self.is_busy)
        for each in (self.save_button, self.use_button):
            each.setEnabled(is_free and self._made is not None)

    def set_colors(self, background: str, text: str) -> None:
        """Give the plot the colours of the window."""
        self.view.set_colors(background, text)

    def abandon(self) -> None:
        """Stop, and follow the layers no more."""
        self.stack_list.abandon()
        super().abandon()

    # -- beads ---------------------------------------------------------------------------------

    def find_beads(self) -> None:
        """Look for beads in the ticked stacks, and mark them."""
        options = self._read_options()
        if options is None:
            return
        self._marked = self._marked_stacks()
        self._window_px = options.window_px
        self._begin(partial(find_live, self._volumes(), options.window_px), "looking for beads")

    def _show_beads(self, found: BeadsFound) -> None:
        n = 0
        for stack, places in zip(self._marked, found.places, strict=True):
            n += self._marks.show(stack, places, self._window_px)
        if n:
            self.status_note.tell(
                f"{counted(n, 'bead')}. To leave some out, select and delete them in their "
                "layer; then Calibrate."
            )
        refused = found.refused[:MAX_REFUSED]
        n_more = len(found.refused) - len(refused)
        more = (
            [f"{counted(n_more, 'more spot')} {'is' if n_more == 1 else 'are'} not used."]
            if n_more
            else []
        )
        if not n:
            reasons = " ".join(refused) or "Nothing stands out from the background."
            self.fail(f"No usable bead. {reasons}")
        elif refused:
            self.message_note.warn(" ".join([*refused, *more]))

    # -- calibration ---------------------------------------------------------------------------

    def run(self) -> None:
        """Calibrate in another thread."""
        options = self._read_options()
        if options is None:
            return
        self._made, self._files = None, {}
        self._kind, self._used = self.kind_box.value, self.stack_list.stacks
        work = partial(
            calibrate_live,
            self._volumes(),
            options,
            self._kind,
            self.pupil_box.value if self._kind == PUPIL else None,
            self.camera_box.camera,
            [self._marks.kept(stack) for stack in self._marked_stacks()],
        )
        self._begin(work, "calibrating the PSF")

    def cancel(self) -> None:
        """Stop after the step at hand."""
        if self._job is not None and self.is_busy:
            self._job.stop()
            self.cancel_button.setEnabled(False)
            self.status_note.tell("Stopping after the step at hand…")

    def save(self, path: Path) -> None:
        """Write the calibration in another thread."""
        if self._made is not None:
            self._begin(partial(save_live, self._made.result, path), "saving the PSF")

    def use_in_train(self) -> None:
        """Open the Train panel with this PSF, saved before if it is not yet."""
        if not self._files:
            self._is_for_train = True
            if not self._on_save():
                self._is_for_train = False
            return
        path = Path(self._files["psf" if self._kind == MEASURED else "fit"])
        for stack in self._used:
            mark_as_beads(stack)
        self.open_beside("Train").use_psf(path)

    def _begin(self, work: Any, title: str) -> None:
        self.bar.setRange(0, 0)
        self.bar.show()
        self.begin(work, self._on_event, title=title)

    def _on_event(self, event: Doing | BeadsFound | Calibrated | Saved) -> None:
        match event:
            case Doing():
                self.status_note.tell(f"{event.words}…")
            case BeadsFound():
                self._show_beads(event)
            case Calibrated():
                self._show_result(event)
            case Saved():
                self._files = event.files
                self.status_note.tell(
                    f"Saved {', '.join(Path(f).name for f in self._files.values())}."
                )

    def on_ended(self) -> None:
        """Tidy up after a job, and go on to Train if that was asked."""
        if self.status_note.text().endswith("…"):
            self.status_note.clear()
        super().on_ended()
        if self._is_for_train:
            self._is_for_train = False
            if self._files:
                self.use_in_train()

    def _show_result(self, made: Calibrated) -> None:
        self._made = made
        self.view.show_result(made)
        self.view.show()
        self.result_note.tell("\n".join(in_words(made)))
        self.tabs.setCurrentIndex(1)
        self.status_note.tell(f"A PSF of {counted(made.result.n_beads, 'bead')}.")
        if made.result.warnings:
            self.message_note.warn(" ".join(made.result.warnings[:MAX_REFUSED]))

    # -- what is chosen ------------------------------------------------------------------------

    def _read_options(self) -> BeadOptions | None:
        try:
            return BeadOptions.from_dict(self.fields.values(), source="Bead stack")
        except ValueError as error:
            self.refuse(str(error))
            return None

    def _why_not(self) -> str:
        """Return why the ticked layers cannot be calibrated, "" if they can."""
        from napari_deepsmlm.calibration.beads import LEAST_DEPTHS

        stacks = self.stack_list.stacks
        short = next((each for each in stacks if len(each.data) < LEAST_DEPTHS), None)
        if short is not None:
            depths = counted(len(short.data), "depth")
            return f"{short.name} has {depths}; a calibration needs at least {LEAST_DEPTHS}."
        sizes = {(len(each.data), n_planes_of(each)) for each in stacks}
        if len(sizes) > 1:
            return "Stacks that are calibrated together have as many depths and planes each."
        return ""

    def _is_planes(self) -> bool:
        return len(self.stack_list.stacks) > 1 and self.several_box.value == PLANES

    def _volumes(self) -> Any:
        """Return a function that reads the images, to be called in another thread."""
        stacks, is_planes = self.stack_list.stacks, self._is_planes()

        def read() -> list[Array]:
            volumes = [volume_of(stack) for stack in stacks]
            return [planes_of(volumes)] if is_planes else volumes

        return read

    def _marked_stacks(self) -> list[Layer]:
        """Return the layers on which beads are marked: of focal planes, the first."""
        stacks = self.stack_list.stacks
        return stacks[:1] if self._is_planes() else stacks

    def _on_stacks(self) -> None:
        stacks = self.stack_list.stacks
        show_row(self.rows, self.several_box.native, len(stacks) > 1)
        self.update_buttons()
        if not stacks:
            self.stack_note.tell("Tick the layer of a bead z-stack.")
            return
        if self.is_ready and (reason := self._why_not()):
            self.stack_note.fail(reason)
            return
        first = stacks[0]
        known = pixel_size_of(first)
        sizes = " × ".join(map(str, first.data.shape))
        colours = provenance(first).get("channels") or ()
        if known.nm is None:
            self.stack_note.warn(f"{sizes} px. Its pixel size is not known: enter it below.")
        elif len(colours) > 1:
            self.stack_note.warn(
                f"{sizes} px. Its {len(colours)} channels ({', '.join(colours)}) count as focal "
                "planes: split the layer to calibrate one of them."
            )
        else:
            self.stack_note.tell(f"{sizes} px, {known.nm:g} nm pixels ({known.origin}).")
        if hasattr(self, "fields"):
            stated = {"pixel_size_nm": known.nm, "z_step_nm": z_step_of(first)}
            self.fields.fill({name: value for name, value in stated.items() if value})

    def _on_kind(self, *_: object) -> None:
        show_row(self.rows, self.pupil_box.native, self.kind_box.value == PUPIL)
        self.camera_box.set_needed(self.kind_box.value == PUPIL)

    def _on_save(self, *_: object) -> bool:
        chosen, _filter = QFileDialog.getSaveFileName(self, "Save PSF", "psf.safetensors", FILES)
        if chosen:
            path = Path(chosen)
            self.save(path if path.suffix else path.with_suffix(".safetensors"))
        return bool(chosen)
