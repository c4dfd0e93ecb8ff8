"""What a network starts from: random weights, or a trained model of its kind."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QFileDialog

from napari_deepsmlm.plugin.forms.model_box import LOAD_FILE
from napari_deepsmlm.plugin.library.choices import ModelChoice, nearest
from napari_deepsmlm.plugin.widgets.editors import make_calm
from napari_deepsmlm.plugin.widgets.long_names import LongNamesBox

FROM_SCRATCH = "random weights"


class StartBox(LongNamesBox):
    """A list of what a network may start from: nothing, or a trained model of its kind."""

    changed = Signal()
    chosen = Signal(object)
    """The key of a start that a person, or an estimate, has chosen; None: random weights."""
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        make_calm(self)
        self.setToolTip(
            "<qt>Random weights, or a trained model of the same network, which is then trained "
            "further with its own choices: quicker, if its microscope is like yours.</qt>"
        )
        self._models: list[ModelChoice] = []
        self._network = ""
        self.activated.connect(self._on_activated)

    def offer(self, network: str, models: list[ModelChoice] | None = None) -> None:
        """List the models of a network."""
        if models is not None:
            self._models = models
        self._network = network
        self.clear()
        self.addItem(FROM_SCRATCH, None)
        for model in self._models:
            if model.network == network:
                self.addItem(_title(model), model.key)
                self.setItemData(self.count() - 1, model.key, Qt.ItemDataRole.ToolTipRole)
        self.insertSeparator(self.count())
        self.addItem(LOAD_FILE)
        self._chosen = 0
        self.changed.emit()

    @property
    def key(self) -> str | None:
        """The name or path of the model, None for random weights."""
        key: str | None = self.itemData(self._chosen)
        return key

    def choose(self, key: str | None) -> None:
        """Take a model by its name or path; one that is not in the list yet is read."""
        index = 0 if key is None else self.findData(key)
        if index < 0 and key is not None:
            try:
                model = ModelChoice.from_file(Path(key))
            except (ValueError, OSError) as error:
                self.failed.emit(str(error))
                index = 0
            else:
                self.add(model)
                index = self.findData(key)
        self._chosen = max(0, index)
        self.setCurrentIndex(self._chosen)
        self.changed.emit()

    def suggest(self, pixel_size_nm: float, n_planes: int) -> None:
        """Choose the model of this network that is nearest to the data, if one is near enough.

        One that was made for such pixels comes before one for any: it has less to unlearn.
        """
        from napari_deepsmlm.reconstruction import PIXEL_TOLERANCE

        models = [each for each in self._models if each.network == self._network]
        models = [each for each in models if each.n_planes == n_planes and not each.is_adapted]
        made = [each for each in models if not each.is_for_any_pixel]
        made = [each for each in made if each.misfit(pixel_size_nm) <= PIXEL_TOLERANCE]
        if models:
            best = nearest(made or models, pixel_size_nm, n_planes)
            if best.misfit(pixel_size_nm) <= PIXEL_TOLERANCE:
                self.choose(best.key)
                self.chosen.emit(best.key)

    def add(self, model: ModelChoice) -> None:
        """Offer one more model, keeping the choice."""
        if model.network != self._network:
            self.failed.emit(f"{model.title} is a {model.network}, not a {self._network}.")
            return
        key = self.key
        with QSignalBlocker(self):
            if model not in self._models:
                self._models.append(model)
            self.offer(self._network)
            self._chosen = 0 if key is None else self.findData(key)
            self.setCurrentIndex(self._chosen)

    def _on_activated(self, index: int) -> None:
        if index < self.count() - 1:
            self._chosen = index
            self.chosen.emit(self.key)
            self.changed.emit()
            return
        self.setCurrentIndex(self._chosen)
        path, _ = QFileDialog.getOpenFileName(self, LOAD_FILE, filter="Models (*.safetensors)")
        if path:
            self.choose(path)
            self.chosen.emit(self.key)


def _title(model: ModelChoice) -> str:
    """Return a model's name with its pixel, unless it says that itself."""
    if model.is_for_any_pixel:
        return f"{model.title}, any pixel"
    pixel = f"{model.pixel_size_nm:g}"
    return model.title if f"{pixel}nm" in model.title else f"{model.title}, {pixel} nm"
