"""The form of Train: which network, for which microscope, for how long, and where it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_deepsmlm.plugin.experiment.form import ExperimentForm, save_experiment
from napari_deepsmlm.plugin.forms.rows import Fields, FoldedForm, editable
from napari_deepsmlm.plugin.library.choices import ModelChoice
from napari_deepsmlm.plugin.memory.settings import compute_settings
from napari_deepsmlm.plugin.train.recorded_form import RecordedForm
from napari_deepsmlm.plugin.train.start_box import StartBox
from napari_deepsmlm.plugin.widgets.editors import PathEdit, choice
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import add_row, show_row, wide_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.experiment import Experiment
    from napari_deepsmlm.plugin.experiment.kits import TrainingKit

BASIC = ("minutes", "steps", "batch_size", "patch_px", "learning_rate")
WITH_DEPTH = ("dilated-loc", "voxel-regression")
"""Networks that find depths: in single planes first, in several second."""
FINE_TUNING_SHARE, FINE_TUNING_WARMUP = 0.1, 0.1
"""Of the learning rate of a recipe, and of the run, where a trained model is trained further."""
FIRST_MINUTES = 30.0
"""Length of a run before the user chose one."""


class TrainForm(QWidget):
    """Everything that a run needs; empty until :meth:`fill`.

    Parameters
    ----------
    runs : folder in which every run gets one of its own.
    """

    changed = Signal()
    failed = Signal(str)
    """One sentence about a file."""
    done = Signal(str)
    """One sentence about what was saved."""

    def __init__(self, runs: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kit: TrainingKit | None = None
        self._is_filled = False
        self._model: dict[str, Any] = {}
        self._recipe: tuple[float, float] | None = None  # rate and warm-up from random weights
        self.network_fields: Fields | None = None
        self.experiment_form = ExperimentForm()
        self._networks: list[tuple[str, str]] = []
        self._devices: list[str] = []
        self.network_box = choice(
            lambda _: self._networks, label="Network", tooltip="The network to train."
        )
        self.start_box = StartBox()
        self.device_box = choice(
            lambda _: self._devices,
            label="Device",
            tooltip="Where to compute; auto: the fastest device here.",
        )
        self.network_note = Note()
        self.out_line = PathEdit(
            mode="d",
            value=runs,
            label="Runs in",
            hint="Every run gets a folder of its own in this one.",
        )
        self.more = FoldedForm("More about the training", "Rates, validation, number format.")
        self.network_more = FoldedForm("More about the network", "Its size and scales.")
        self.recorded_form = RecordedForm()
        self._rows = self.experiment_form.rows
        self._column = column = QVBoxLayout(self)
        column.addWidget(self.experiment_form)
        for widget in (self.recorded_form, self.more, self.network_more):
            column.addWidget(widget)
        column.addStretch(1)

    @property
    def is_filled(self) -> bool:
        """Whether the editors are there."""
        return self._is_filled

    @property
    def runs(self) -> Path:
        """The folder in which runs get theirs."""
        return Path(str(self.out_line.value)).expanduser()

    @property
    def device(self) -> str:
        """Where to train."""
        device: str = self.device_box.value
        return device

    def fill(self, kit: TrainingKit) -> Iterator[None]:
        """Add the editors, in steps that are short for a window."""
        from napari_deepsmlm.training import Training

        self._kit = kit
        self._add_network(kit)
        form = self.experiment_form
        form.failed.connect(self.failed)
        yield from form.fill(kit)
        self.recorded_form.fill()
        self.training_fields = Fields(Training, BASIC, self._rows, self)
        names = editable(Training, besides=BASIC)
        yield
        self.more_fields = Fields(Training, names, self.more.rows, self)
        self._add_output(kit)
        yield
        form.loaded.connect(self._on_loaded)
        form.show_experiment(kit.experiment())
        form.save_button.clicked.connect(self._on_save)
        self.training_fields.fill({"minutes": FIRST_MINUTES})
        self.network_box.changed.connect(self._on_network)
        self.start_box.chosen.connect(self._on_start)
        parts = (form, self.recorded_form, self.training_fields, self.more_fields, self.start_box)
        for part in parts:
            part.changed.connect(self._tell_change)
        self._is_filled = True
        self._tell_change()

    def experiment(self) -> Experiment:
        """Return what is to be trained.

        Raises
        ------
        ValueError
            One sentence about what is out of range.
        """
        base = self.experiment_form.experiment()
        start_from = self.start_box.key
        model = dict(self._model)
        if start_from is not None:
            model = {}  # as it was trained
        elif self.network_fields is not None:
            model |= self.network_fields.values()
        training = type(base.training).from_dict(
            {
                **dict(base.training),
                **self.training_fields.values(),
                **self.more_fields.values(),
            },
            source="Training",
        )
        changes = {
            "network": self.network_box.value,
            "model": model,
            "start_from": start_from,
            "training": training,
            "experimental": self.recorded_form.data,
        }
        return type(base).from_dict({**dict(base), **changes}, source="Train")

    def add_on_top(self, widget: QWidget) -> None:
        """Let a widget scroll with the form."""
        self._column.insertWidget(0, widget)

    def take_over(self, experiment: Experiment, source: str) -> None:
        """Fill in a microscope and sample; what to start from stays, and training if it says none.

        Parameters
        ----------
        source : where it comes from.
        """
        now = self.experiment()
        kept: dict[str, Any] = {"start_from": now.start_from}
        if "training" not in experiment.model_fields_set:
            kept["training"] = now.training
        self.experiment_form.show_experiment(experiment.replace(**kept), source)

    def suit_estimate(self, experiment: Experiment, source: str) -> None:
        """Fill in what was measured, and start from the nearest model if there is one."""
        self.take_over(experiment, source)
        if self.start_box.key is None:
            psf = experiment.psf
            self.start_box.suggest(psf.pixel_size_nm, psf.n_planes)

    def suit_depth(self) -> None:
        """Choose a network that finds depths, where the PSF has them and the one chosen has not."""
        assert self._kit is not None  # noqa: S101 - filled
        psf = self.experiment_form.psf_form.psf
        if psf.depth_range_nm is None or self.network_box.value in WITH_DEPTH:
            return
        self.network_box.value = WITH_DEPTH[1 if psf.n_planes > 1 else 0]
        if self.network_fields is not None and "z_max_nm" in self.network_fields.editors:
            reach_nm = float(max(map(abs, psf.depth_range_nm)))
            self.network_fields.fill({"z_max_nm": reach_nm})

    def add_model(self, path: Path) -> None:
        """Offer a model that was just trained as a start."""
        self.start_box.add(ModelChoice.from_file(path))

    # -- rows ------------------------------------------------------------------------------

    def _add_network(self, kit: TrainingKit) -> None:
        self._networks = [(network.title, name) for name, network in kit.networks.items()]
        self._rows.addRow(wide_row("Network", self.network_box.native, label_share=24))
        self.network_box.reset_choices()
        self._rows.addRow(wide_row("Start from", self.start_box, label_share=24))
        self._rows.addRow(self.network_note)
        self.start_box.failed.connect(self.failed)
        self.start_box.offer(self.network_box.value, list(kit.models))

    def _add_output(self, kit: TrainingKit) -> None:
        self._devices = ["auto", *kit.devices]
        add_row(self._rows, self.device_box)
        self.device_box.reset_choices()
        self.device_box.value = compute_settings(kit.devices)["device"]
        add_row(self._rows, self.out_line)

    def _on_loaded(self, experiment: Experiment) -> None:
        """Take over network and training of an experiment."""
        self._model = {k: v for k, v in experiment.model.items() if k != "pixel_size_nm"}
        with self.network_box.changed.blocked():
            self.network_box.value = experiment.network
        self._show_network()
        self.start_box.choose(experiment.start_from)
        self.recorded_form.show_data(experiment.experimental)
        for fields in (self.training_fields, self.more_fields):
            fields.fill(dict(experiment.training))
        self._recipe = None  # an experiment states its own rate

    def _on_network(self, *_: object) -> None:
        self._model = {}
        self._show_network()
        self._tell_change()

    def _on_start(self, key: object) -> None:
        """Train a trained model at a tenth of the rate: more would first make it worse."""
        rate, warmup = (
            self.training_fields.editors["learning_rate"],
            self.more_fields.editors["warmup"],
        )
        if key is None and self._recipe is not None:
            rate.value, warmup.value = self._recipe
            self._recipe = None
        elif key is not None and self._recipe is None:
            self._recipe = (rate.value, warmup.value)
            rate.value = rate.value * FINE_TUNING_SHARE
            warmup.value = max(warmup.value, FINE_TUNING_WARMUP)

    def _show_network(self) -> None:
        """Ask for the choices of the network, and list what it may start from."""
        assert self._kit is not None  # noqa: S101 - filled
        name = self.network_box.value
        config = self._kit.networks[name].Config
        if self.network_fields is not None:
            self.network_fields.remove()
        names = editable(config, besides=("pixel_size_nm", "threshold"))
        self.network_fields = Fields(config, names, self.network_more.rows, self)
        self.network_fields.fill(self._model)
        self.network_fields.changed.connect(self._tell_change)
        self.start_box.offer(name)

    def _tell_change(self, *_: object) -> None:
        is_by_steps = self.training_fields.values()["minutes"] is None
        show_row(self._rows, self.training_fields.editors["steps"].native, is_by_steps)
        is_from_scratch = self.start_box.key is None
        self.network_more.setVisible(is_from_scratch)
        self._explain_network(is_from_scratch)
        self.changed.emit()

    def _explain_network(self, is_from_scratch: bool) -> None:
        assert self._kit is not None  # noqa: S101 - filled
        presets = self._kit.made_for.get(self.network_box.value, ())
        source = self.experiment_form.source_box.value
        if not is_from_scratch:
            self.network_note.tell(
                "Layers and scales are those of the model to start from; the learning rate is a "
                "tenth of that of a training from random weights."
            )
        elif presets and source not in presets:
            self.network_note.tell(f"Presets that suit it: {', '.join(presets)}.")
        else:
            self.network_note.clear()

    def _on_save(self) -> None:
        try:
            self.done.emit(save_experiment(self, self.experiment()))
        except (ValueError, OSError) as error:
            self.failed.emit(str(error))
