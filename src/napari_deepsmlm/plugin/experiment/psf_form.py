"""The PSF that frames are simulated with: a Gaussian by its numbers, or one from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QWidget

from napari_deepsmlm.plugin.forms.rows import Fields
from napari_deepsmlm.plugin.widgets.editors import make_calm
from napari_deepsmlm.plugin.widgets.long_names import LongNamesBox
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import button, wide_row

if TYPE_CHECKING:
    from napari_deepsmlm.psf import AnyPSF

GAUSSIAN = "Gaussian, in focus"
FILES = "Calibrations and PSFs (*.safetensors *.mat *.yaml *.yml)"


class PsfForm(LongNamesBox):
    """Choice between a Gaussian, whose numbers have editors, and the last PSF that was loaded.

    Parameters
    ----------
    rows : the form that it adds its rows to.
    """

    changed = Signal()
    failed = Signal(str)
    """One sentence about a file."""

    def __init__(self, rows: QFormLayout, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from napari_deepsmlm.psf import GaussianPSF

        make_calm(self)
        self.setToolTip("<qt>Image of a molecule on the camera.</qt>")
        self.addItem(GAUSSIAN)
        self._loaded: AnyPSF | None = None
        self.fields = Fields(GaussianPSF, ("pixel_size_nm", "sigma_nm"), rows, self)
        self.note = Note()
        self.load_button = button(
            "From beads or file…",
            "A PSF measured from beads (Calibrate PSF or <i>deepsmlm calibrate</i> makes one; "
            "cspline files of SMAP and DECODE serve too), or one described in a YAML file.",
        )
        self.load_button.clicked.connect(self._on_load)
        rows.insertRow(
            rows.rowCount() - len(self.fields.editors), wide_row("PSF", self, label_share=24)
        )
        rows.addRow("", self.load_button)
        rows.addRow(self.note)
        self.fields.changed.connect(self.changed)
        self.currentIndexChanged.connect(self._on_choice)

    @property
    def psf(self) -> AnyPSF:
        """The chosen one.

        Raises
        ------
        ValueError
            If a number is out of range.
        """
        from napari_deepsmlm.psf import GaussianPSF

        if self.currentIndex() == 0 or self._loaded is None:
            return GaussianPSF.from_dict(self.fields.values(), source="Optics")
        return self._loaded

    def set_psf(self, psf: AnyPSF, source: str = "as loaded") -> None:
        """Choose a PSF.

        Parameters
        ----------
        source : where it comes from.
        """
        self.removeItem(1)
        self._loaded = None
        if psf.kind == "gaussian":
            self.fields.fill(dict(psf))
        else:
            self._loaded = psf
            self.fields.fill({"pixel_size_nm": psf.pixel_size_nm})
            self.addItem(f"{source}: {psf.kind}")
        self.setCurrentIndex(self.count() - 1)
        self._on_choice()

    def load(self, path: Path) -> None:
        """Choose the PSF of a file; `failed` says if there is none in it."""
        from napari_deepsmlm.psf.files import load_psf

        try:
            psf = load_psf(path)
        except (ValueError, OSError) as error:
            self.failed.emit(" ".join(str(error).split()))
            return
        self.set_psf(psf, path.name)

    def _on_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "PSF", filter=FILES)
        if path:
            self.load(Path(path))

    def _on_choice(self, *_: object) -> None:
        """Ask for the Gaussian's numbers, or say what is known of the other."""
        is_gaussian = self.currentIndex() == 0
        self.fields.show(is_gaussian)
        if is_gaussian or self._loaded is None:
            self.note.clear()
        else:
            self.note.tell(f"{_in_words(self._loaded)}.")
        self.changed.emit()


def _in_words(psf: AnyPSF) -> str:
    planes = f", {psf.n_planes} focal planes" if psf.n_planes > 1 else ""
    depths = getattr(psf, "depth_range_nm", None)
    reach = "" if depths is None else f", z from {depths[0]:g} to {depths[1]:g} nm"
    return f"{psf.pixel_size_nm:g} nm pixels{planes}{reach}"
