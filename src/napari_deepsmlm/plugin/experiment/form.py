"""The form of an experiment: optics, camera and sample, from a preset or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QVBoxLayout, QWidget

from napari_deepsmlm.plugin.experiment.camera_form import CameraForm
from napari_deepsmlm.plugin.experiment.psf_form import PsfForm
from napari_deepsmlm.plugin.experiment.structure_form import StructureForm
from napari_deepsmlm.plugin.forms.rows import Fields, FoldedForm, editable
from napari_deepsmlm.plugin.widgets.editors import choice
from napari_deepsmlm.plugin.widgets.parts import button, wide_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.plugin.experiment.kits import ExperimentKit

NO_PRESET = "defaults"
FILES = "Experiments (*.yaml *.yml)"
BASIC = ("density_per_um2", "photons", "background")


class ExperimentForm(QWidget):
    """Editors of the basic choices, with the others folded away; the rest stays as it was loaded.

    Nothing can be edited before :meth:`fill`, when torch is loaded.
    """

    changed = Signal()
    loaded = Signal(object)
    """An experiment came from a preset, a file or the program."""
    failed = Signal(str)
    """One sentence about a file."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._base: Experiment | None = None
        self._other_source = ""
        self.rows = QFormLayout()
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.more = FoldedForm("More about the sample", "Spreads, sums of frames, unevenness.")
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.rows)
        column.addWidget(self.more)

    def fill(self, kit: ExperimentKit) -> Iterator[None]:
        """Add the editors, in steps that are short for a window."""
        self._kit = kit
        self._add_source()
        self.psf_form = PsfForm(self.rows)
        self.psf_form.failed.connect(self.failed)
        yield
        self.camera_form = CameraForm(self.rows)
        self.camera_form.fill(kit.cameras)
        yield
        self._add_sample()
        yield
        self._add_more()
        yield
        parts = (
            self.psf_form,
            self.camera_form,
            self.structure_form,
            self.sample_fields,
            self.more_fields,
        )
        for part in parts:
            part.changed.connect(self._tell_change)
        self.show_experiment(kit.experiment())

    def show_experiment(self, experiment: Experiment, source: str = "") -> None:
        """Edit this experiment from now on.

        Parameters
        ----------
        source : the preset, or where else it comes from.
        """
        self._base = experiment
        with QSignalBlocker(self):
            self._choose_source(source)
            self.psf_form.set_psf(experiment.psf)
            self.camera_form.set_camera(experiment.camera)
            self.structure_form.set_structure(experiment.simulation.structure)
            for fields in (self.sample_fields, self.more_fields):
                fields.fill(dict(experiment.simulation))
        self.loaded.emit(experiment)
        self.changed.emit()

    def experiment(self) -> Experiment:
        """Return the experiment as edited.

        Raises
        ------
        ValueError
            One sentence about what is out of range.
        """
        base = self._base
        assert base is not None  # noqa: S101 - filled
        simulation = type(base.simulation).from_dict(
            {
                **dict(base.simulation),
                **self.sample_fields.values(),
                **self.more_fields.values(),
                "structure": self.structure_form.structure,
            },
            source="Sample",
        )
        changes = {
            "psf": self.psf_form.psf,
            "camera": self.camera_form.camera,
            "simulation": simulation,
        }
        return type(base).from_dict({**dict(base), **changes}, source="Experiment")

    def load(self, path: Path) -> None:
        """Edit the experiment of a YAML file; `failed` says if it is none."""
        try:
            experiment = self._kit.experiment.from_file(path)
        except (ValueError, OSError) as error:
            self.failed.emit(" ".join(str(error).split()))
            return
        self.show_experiment(experiment, path.name)

    # -- rows ------------------------------------------------------------------------------

    def _add_source(self) -> None:
        self.source_box = choice(
            self._sources,
            label="Preset",
            tooltip="A microscope and sample to begin with. Everything below is filled in from it.",
        )
        self.source_box.native.activated.connect(self._on_source)  # also of the same
        self.load_button = button("Load…", "Fill in everything from an experiment file (YAML).")
        self.load_button.clicked.connect(self._on_load)
        self.save_button = button("Save…", "Write everything to an experiment file (YAML).")
        self.rows.addRow(wide_row("Preset", self.source_box.native, label_share=24))
        buttons = QHBoxLayout()
        buttons.addWidget(self.load_button)
        buttons.addWidget(self.save_button)
        self.rows.addRow("Experiment file", buttons)

    def _add_sample(self) -> None:
        from napari_deepsmlm.simulation import Simulation

        self.structure_form = StructureForm(self.rows)
        self._column.insertWidget(1, self.structure_form.more)
        self.sample_fields = Fields(Simulation, BASIC, self.rows, self)

    def _add_more(self) -> None:
        from napari_deepsmlm.simulation import Simulation

        names = editable(Simulation, besides=BASIC)
        self.more_fields = Fields(Simulation, names, self.more.rows, self)

    def _choose_source(self, source: str) -> None:
        self._other_source = "" if source in self._kit.presets else source
        with self.source_box.changed.blocked():
            self.source_box.reset_choices()
            self.source_box.value = source or NO_PRESET

    def _sources(self, _: object) -> list[str]:
        other = [self._other_source] if self._other_source else []
        return [NO_PRESET, *self._kit.presets, *other]

    def _on_source(self, *_: object) -> None:
        source = self.source_box.value
        if source == NO_PRESET:
            self.show_experiment(self._kit.experiment())
        elif source in self._kit.presets:
            self.show_experiment(self._kit.experiment.from_preset(source), source)

    def _on_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load experiment", filter=FILES)
        if path:
            self.load(Path(path))

    def _tell_change(self, *_: object) -> None:
        self.changed.emit()


def save_experiment(parent: QWidget, experiment: Experiment) -> str:
    """Ask for a file and write the experiment; return what was done, "" if nothing.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path, _ = QFileDialog.getSaveFileName(parent, "Save experiment", "experiment.yaml", FILES)
    if not path:
        return ""
    experiment.to_file(path)
    return f"Saved {path}."
