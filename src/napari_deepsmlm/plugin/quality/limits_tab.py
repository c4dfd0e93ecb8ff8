"""Limits in the Quality panel: where the chosen model works, measured on simulated frames."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import LineEdit
from qtpy.QtWidgets import QFileDialog, QFormLayout, QVBoxLayout, QWidget

from napari_deepsmlm._palette import IN_WINDOW
from napari_deepsmlm.plugin.forms.rows import Fields
from napari_deepsmlm.plugin.quality.limits_work import Found, Saved, save_limits, try_model
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import add_row, button, duration, side_by_side

if TYPE_CHECKING:
    from napari_deepsmlm.limits import LimitOptions, Limits
    from napari_deepsmlm.plugin.quality.limits_plot import LimitsPlot
    from napari_deepsmlm.plugin.quality.training_rows import TrainingRows
    from napari_deepsmlm.plugin.quality.widget import QualityWidget

BACKGROUND = 10.0
LABELS = {"molecules": "Molecules (per condition)"}
PIXEL_NM = 100.0
SECONDS_OF_FRAME = (0.05, 0.25)
"""Of one processor core, by fast and slow built-in models for one focal plane of such pixels."""
NO_MODEL = "Choose a model on the tab Set up: that of a result, a built-in one, or a file."


class LimitsTab(QWidget):
    """Conditions, a button that tries the model under them, the plots, and the numbers to save.

    Parameters
    ----------
    panel : does the work, one job at a time.
    training_rows : say which model is chosen.
    """

    def __init__(self, panel: QualityWidget, training_rows: TrainingRows) -> None:
        super().__init__()
        self._panel, self._training_rows = panel, training_rows
        self._options: type[LimitOptions] | None = None
        self._began = 0.0
        self.limits: Limits | None = None
        self.plot: LimitsPlot | None = None
        self.model_note, self.time_note = Note(), Note()
        self.run_button = button(
            "Measure limits",
            "Try the model on frames that are simulated for the microscope of its training, "
            "from few to many molecules, at each brightness.",
        )
        self.run_button.clicked.connect(self.run)
        self.save_button = button(
            "Save…", "Write the numbers as tables (CSV) and a picture to a folder."
        )
        self.save_button.clicked.connect(self._on_save)
        self.rows = QFormLayout()
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        column = self._column = QVBoxLayout(self)
        column.addWidget(self.model_note)
        column.addLayout(self.rows)
        column.addWidget(self.time_note)
        column.addWidget(side_by_side(self.run_button, self.save_button))
        column.addStretch(1)
        training_rows.changed.connect(self.refresh)

    def fill(self) -> None:
        """Add what needs pyqtgraph and the library's options."""
        from napari_deepsmlm.limits import LimitOptions
        from napari_deepsmlm.plugin.quality.limits_plot import LimitsPlot

        self._options, usual = LimitOptions, LimitOptions()
        self._lists = {
            "densities": LineEdit(
                label="Densities (per µm²)",
                value=_as_text(usual.densities),
                tooltip="<qt>Molecules per frame and square micrometre, with commas.</qt>",
            ),
            "photons": LineEdit(
                label="Photons",
                value=_as_text(usual.photons),
                tooltip="<qt>Of a molecule in a frame, with commas: a curve for each.</qt>",
            ),
            "backgrounds": LineEdit(
                label="Background (per px)",
                value=f"{BACKGROUND:g}",
                tooltip="<qt>Photons per pixel: one number.</qt>",
            ),
        }
        for editor in self._lists.values():
            add_row(self.rows, editor)
            editor.changed.connect(self.refresh)
        self._fields = Fields(LimitOptions, ["molecules"], self.rows, self, labels=LABELS)
        self._fields.changed.connect(self.refresh)
        self.plot = LimitsPlot()
        self._column.insertWidget(self._column.count() - 1, self.plot)
        self.refresh()

    def editors(self) -> dict[str, Any]:
        """Return the editors that come back as they were left."""
        both = {**self._lists, **self._fields.editors}
        return {f"limits_{name}": editor for name, editor in both.items()}

    def refresh(self, *_: object) -> None:
        """Say what would be measured, and let be clicked what makes sense now."""
        if self.plot is None:
            return
        model = self._model()
        if model is None:
            self.model_note.warn(NO_MODEL)
        else:
            name = Path(model).name if model.endswith(".safetensors") else model
            self.model_note.tell(f"{name}, as chosen on the tab Set up.")
        try:
            options = self._chosen_options()
        except ValueError:
            self.time_note.clear()  # which sentence is told when it is asked for
        else:
            frames = sum(options.n_frames(each, PIXEL_NM) for each in options.densities)
            frames *= len(options.photons)
            least, most = (duration(frames * each) for each in SECONDS_OF_FRAME)
            self.time_note.tell(
                f"{options.n_conditions} conditions: about {least} to {most} of one processor "
                "core, longer for several focal planes."
            )
        is_free = not self._panel.is_busy
        self.run_button.setEnabled(self._panel.is_ready and is_free and model is not None)
        self.save_button.setEnabled(is_free and self.limits is not None)

    def set_colors(self, background: str, text: str) -> None:
        """Give the plots the colours of the window."""
        if self.plot is not None:
            self.plot.set_colors(background, text)

    # -- measuring -----------------------------------------------------------------------------

    def run(self) -> None:
        """Try the model, in another thread; the curves grow."""
        model = self._model()
        if model is None:
            self._panel.refuse(NO_MODEL)
            return
        try:
            options = self._chosen_options()
        except ValueError as error:
            self._panel.refuse(str(error))
            return
        assert self.plot is not None  # noqa: S101 - filled
        self.plot.hide()
        self.limits, self._began = None, time.monotonic()
        bar = self._panel.bar
        bar.setRange(0, options.n_conditions)
        bar.setValue(0)
        bar.setFormat("%v of %m conditions")
        bar.show()
        self._panel.status_note.tell("Simulating and localizing…")
        self._panel.begin(
            partial(try_model, model, options), self._on_found, title="measuring limits"
        )

    def _on_found(self, found: Found) -> None:
        assert self.plot is not None  # noqa: S101 - filled
        self.limits = found.limits
        self._panel.bar.setValue(found.n_done)
        left = (time.monotonic() - self._began) / found.n_done * (found.n_all - found.n_done)
        self._panel.status_note.tell(f"Simulating and localizing, about {duration(left)} left…")
        if found.limits.tried.remarks:
            self._panel.message_note.warn("\n".join(found.limits.tried.remarks))
        self.plot.show_limits(found.limits.table)

    def _on_save(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for limits.csv and limits.png")
        if chosen:
            self.save(Path(chosen))

    def save(self, folder: Path) -> None:
        """Write tables and picture to a folder, in another thread."""
        assert self.limits is not None  # noqa: S101 - or the button is grey
        work = partial(save_limits, self.limits, folder)
        self._panel.begin(work, self._on_saved, title="saving limits")

    def _on_saved(self, saved: Saved) -> None:
        names = ", ".join(file.name for file in saved.files)
        self._panel.message_note.tell(f"Saved {names} in {saved.files[0].parent}.")

    def _model(self) -> str | None:
        settings = self._training_rows.settings()
        return None if settings is None else settings.model

    def _chosen_options(self) -> LimitOptions:
        """Return the conditions.

        Raises
        ------
        ValueError
            One sentence.
        """
        assert self._options is not None  # noqa: S101 - filled
        lists = {name: _numbers(edit.label, edit.value) for name, edit in self._lists.items()}
        options = self._options.from_dict({**lists, **self._fields.values()}, source="Limits")
        if len(options.backgrounds) > 1:
            raise ValueError("Limits: the plots are of one background, give one number.")
        if len(options.photons) > len(IN_WINDOW):
            raise ValueError(f"Limits: the plots have {len(IN_WINDOW)} curves at most.")
        return options


def _as_text(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _numbers(label: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{label}: numbers with commas, as 0.5, 1, 2; got '{text}'.") from None
