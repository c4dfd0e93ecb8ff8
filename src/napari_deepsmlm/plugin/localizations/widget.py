"""Localizations: filter a table by ranges and conditions, draw what is kept, and save it."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QFormLayout, QVBoxLayout, QWidget

from napari_deepsmlm._words import counted
from napari_deepsmlm.filtering import Filter
from napari_deepsmlm.plugin.forms.asking import ask, tell_remarks
from napari_deepsmlm.plugin.forms.recipe_button import RecipeButton
from napari_deepsmlm.plugin.job_panel import JobPanel
from napari_deepsmlm.plugin.layers.localizations import (
    camera_pixel_nm,
    field_of_frames,
    origin_nm,
    sr_pixel_for,
    wait_for_stack,
)
from napari_deepsmlm.plugin.layers.world import KEY
from napari_deepsmlm.plugin.localizations.after_box import AfterBox
from napari_deepsmlm.plugin.localizations.after_steps import AfterSteps
from napari_deepsmlm.plugin.localizations.column_ranges import ColumnRanges
from napari_deepsmlm.plugin.localizations.render_form import RenderForm
from napari_deepsmlm.plugin.localizations.saving import SAVE_KINDS, save_recipe, save_table
from napari_deepsmlm.plugin.localizations.shapes_box import ShapesBox
from napari_deepsmlm.plugin.localizations.shown import ShownMolecules
from napari_deepsmlm.plugin.localizations.table_box import NOTHING_HERE, TableBox
from napari_deepsmlm.plugin.localizations.where_line import frames_in, where_line
from napari_deepsmlm.plugin.localizations.work import (
    Kept,
    OpenedFile,
    OpenedTable,
    TableKit,
    UnitsMissing,
    Wanted,
    keep,
    load_table_kit,
    look_at,
    open_table,
)
from napari_deepsmlm.plugin.widgets.notes import Note
from napari_deepsmlm.plugin.widgets.parts import VerticalScroll, add_row, button, in_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.viewer import Viewer
    from qtpy.QtGui import QEnterEvent

    from napari_deepsmlm.plugin.forms.asking import Stated
    from napari_deepsmlm.plugin.jobs import Job
    from napari_deepsmlm.plugin.localizations.followed_view import SeenDrawing
    from napari_deepsmlm.plugin.localizations.work import Drawing

DELAY_MS = 250
QUICK_S = 0.5
OPEN_FILES = (
    "Localizations (*.csv *.txt *.tsv *.xls *.dat *.tab *.asc *.hdf5 *.h5 *.mat *.smlm *.parquet)"
)


class LocalizationsWidget(JobPanel):
    """The Localizations panel.

    Parameters
    ----------
    napari_viewer : whose tables are offered, and which gets the images.
    """

    kept_as = "Localizations"
    help_page = "localizations"

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._opened: OpenedTable | None = None
        self._kept: Kept | None = None
        self.shown = ShownMolecules(napari_viewer, self)
        self.shown.view.drawn.connect(self._on_seen)
        self.shown.view.failed.connect(self.fail)
        self.shown.view.ended.connect(lambda: self.render_button.setChecked(False))
        self._filtering: Job | None = None
        self._begun = self._seconds = 0.0  # when the last filter began, how long one takes
        self._build()
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._update)
        self.update_buttons()
        self.load(load_table_kit)

    def _build(self) -> None:
        self.table_box = TableBox(self._viewer)
        self.table_box.changed.connect(self._on_table)
        self.open_button = button("Open…", "Read a table: ThunderSTORM or challenge CSV, Picasso.")
        self.open_button.clicked.connect(self._on_open)
        self.where_line = where_line()
        self.where_line.changed.connect(self._on_where)
        self.frame_note = Note()
        self.shapes = ShapesBox(self._viewer)
        self.shapes.changed.connect(self._ask)
        self.drawing = RenderForm()
        self.drawing.changed.connect(self._ask)
        self.ranges = ColumnRanges()
        self.ranges.changed.connect(self._ask)
        self.after = AfterBox()
        self.steps = AfterSteps(self, self._viewer)
        self.render_button = button("Render", "Draw the molecules kept, and follow the filters.")
        self.render_button.setCheckable(True)
        self.render_button.toggled.connect(self._on_render)
        self.reset_button = button(
            "Reset", "Open all ranges, empty the filter, and keep molecules everywhere."
        )
        self.reset_button.clicked.connect(self.reset)
        self.save_button = button("Save…", "Write the molecules kept to a file.")
        self.save_button.clicked.connect(self._on_save)
        self.recipe_button = RecipeButton("what made these molecules, and their drawing,")
        self.recipe_button.chosen.connect(self.save_recipe)
        scrolled = QWidget()
        column = QVBoxLayout(scrolled)
        self.form = QFormLayout()
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.addRow("Table", self.table_box.native)
        self.form.addRow("", self.open_button)
        add_row(self.form, self.where_line)
        self.form.addRow(self.frame_note)
        self.form.addRow("Inside", self.shapes)
        self.form.addRow(self.shapes.note)
        column.addLayout(self.form)
        column.addWidget(self.drawing)
        column.addWidget(self.ranges)
        column.addWidget(self.after)
        column.addStretch(1)
        after = (self.save_button, self.recipe_button)
        self.lay_out(VerticalScroll(scrolled), (self.render_button, self.reset_button), after=after)

    def fill(self, kit: TableKit) -> Iterator[None]:
        """Add what draws."""
        self.drawing.fill(kit.options)
        yield
        QTimer.singleShot(0, self._on_table)

    def kept_editors(self) -> dict[str, Any]:
        """Return the editors that come back as they were left."""
        return self.drawing.kept_editors()

    def update_buttons(self) -> None:
        """Let those buttons be clicked that make sense now."""
        has_table = self.is_ready and self._opened is not None
        for each in (self.render_button, self.reset_button, self.ranges):
            each.setEnabled(has_table)
        self.where_line.enabled = has_table
        for each in (self.save_button, self.recipe_button):
            each.setEnabled(has_table and self._kept is not None)
        self.open_button.setEnabled(self.is_ready)
        self.after.forget(self._viewer.layers)
        is_3d = self._kept is not None and self._kept.table.is_3d
        self.after.allow(has_table and self._kept is not None, is_3d=is_3d)

    def set_colors(self, background: str, text: str) -> None:
        """Give the curve and the histograms the colours of the window."""
        self.after.set_colors(background, text)
        self.ranges.set_colors(background)

    def enterEvent(self, event: QEnterEvent | None) -> None:
        """Look for new tables when the mouse comes."""
        if self.is_ready:
            self.table_box.refresh()
        super().enterEvent(event)

    def abandon(self) -> None:
        """Stop, and show again the points that the filter has hidden."""
        self.table_box.abandon()
        self.shapes.abandon()
        self._delay.stop()
        self.shown.view.stop()
        self.shown.show_all_points()
        super().abandon()

    @property
    def filtered(self) -> Kept | None:
        """The molecules that the filter keeps, None before it has run."""
        return self._kept

    # -- the table -------------------------------------------------------------------------

    def _on_table(self) -> None:
        """Look at the table of another layer."""
        if not self.is_ready:
            return
        self.render_button.setChecked(False)
        self._opened = self._kept = None
        found = self.table_box.table()
        self.after.show_of(self.table_box.layer)
        self.shown.take(self.table_box.layer, (0.0, 0.0) if found is None else found[1])
        self.ranges.clear()
        if found is None:
            self.status_note.tell(NOTHING_HERE)
            self.update_buttons()
            return
        table, origin = found
        self.shapes.set_origin(origin)
        self.status_note.tell(f"Looking at {counted(len(table), 'molecule')}…")
        self.begin(partial(look_at, table), self._on_opened, title="looking at a table")

    def _on_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open localizations", "", OPEN_FILES)
        if path:
            self.open(Path(path))

    def open(self, path: Path, stated: Stated | None = None) -> None:
        """Read a table in another thread, and add it as a layer."""
        self.status_note.tell(f"Reading {path.name}…")
        with_stack = origin_nm(self._viewer, None)
        has_stack = camera_pixel_nm(self._viewer) is not None
        wait_for_stack(self._viewer)
        work = partial(
            open_table, path, stated, lambda nm: with_stack if has_stack else origin_nm(None, nm)
        )
        self.begin(work, self._on_file, title=f"reading {path.name}")

    def _on_file(self, opened: OpenedFile | UnitsMissing) -> None:
        if isinstance(opened, UnitsMissing):
            self._on_units_missing(opened)
            return
        source = opened.layer.metadata[KEY]["path"]
        tell_remarks(Path(source), opened.remarks)
        self._viewer.add_layer(opened.layer)
        self._viewer.reset_view()
        self.table_box.choose(opened.layer)

    def _on_units_missing(self, missing: UnitsMissing) -> None:
        stated = ask(missing.path, missing.problem, self._viewer)
        if stated is None:
            self.status_note.warn(str(missing.problem))
        else:
            in_turns(self._open_again(missing.path, stated), self)

    def _open_again(self, path: Path, stated: Stated) -> Iterator[None]:
        yield  # the job that asked ends first
        self.open(path, stated)

    def _on_opened(self, opened: OpenedTable) -> None:
        self._opened = opened
        in_turns(self._fill_ranges(opened), self)

    def _fill_ranges(self, opened: OpenedTable) -> Iterator[None]:
        yield from self.ranges.fill(opened.columns)
        if opened is not self._opened:  # another table was chosen meanwhile
            return
        self.drawing.offer_colors(column.name for column in opened.columns)
        self.drawing.set_own_widths(opened.table.names)
        self.drawing.choose_pixel(sr_pixel_for(opened.table))
        if self.drawing.choose_sharpness(len(opened.table)):
            self.render_button.setChecked(True)
        self.update_buttons()
        self._ask()

    # -- filtering -------------------------------------------------------------------------

    def where(self) -> str:
        """Return the whole condition: the ranges and the line.

        Raises
        ------
        FilterError
            One sentence with the place of the fault in the line.
        """
        line = self.where_line.value
        if not line.strip() or self._opened is None:
            return " & ".join(self.ranges.conditions())
        Filter(line, self._opened.table.names)  # by itself, so that a fault has its place in it
        return " & ".join([*self.ranges.conditions(), f"({line.strip()})"])

    def reset(self) -> None:
        """Keep all molecules again."""
        self.where_line.value = ""
        self.shapes.list.value = None
        self.ranges.reset()

    def _on_where(self, *_: object) -> None:
        """Say how frames count where the line names them, and filter."""
        self.frame_note.tell(frames_in(self.where_line.value))
        self._ask()

    def _ask(self, *_: object) -> None:
        """Filter soon, and now and then while a slider moves if that is quick, else at its end."""
        if self._opened is not None and not (self._is_quick() and self._delay.isActive()):
            self._delay.start()

    def _is_quick(self) -> bool:
        """Whether the last image took little time, and the one that is drawn does so far."""
        so_far = time.monotonic() - self._begun if self._is_filtering() else 0.0
        return max(self._seconds, so_far) < QUICK_S

    def _is_filtering(self) -> bool:
        return self.is_busy and self._job is self._filtering

    def _update(self) -> None:
        opened = self._opened
        if opened is None or not self.is_ready:
            return
        if self.is_busy and (self._is_quick() or not self._is_filtering()):
            self._delay.start()  # what is at hand is done first
            return
        try:
            wanted = self._wanted()
        except ValueError as problem:  # what was kept last stays
            self.message_note.fail(str(problem))
            return
        kept = self._kept
        if kept is not None and not self.is_busy and kept.wanted.is_drawn_anew_by(wanted):
            self._on_kept(replace(kept, wanted=wanted, drawing=None))
            return
        work = partial(keep, opened.table, opened.columns, wanted)
        self._begun = time.monotonic()
        self._filtering = self.begin(work, self._on_kept, title="filtering localizations")

    def _wanted(self) -> Wanted:
        where, polygons = self.where(), self.shapes.polygons or ()
        wanted = Wanted(where, None, polygons=polygons)
        if not self.render_button.isChecked():
            return wanted
        drawing, origin = self.drawing, self.shown.origin
        return replace(
            wanted,
            options=drawing.options(),
            color_by=drawing.color_by,
            field_nm=field_of_frames(self._viewer, origin) if drawing.is_field else None,
            in_view=drawing.is_of_screen,
        )

    def _on_kept(self, kept: Kept) -> None:
        opened = self._opened
        if opened is None or len(kept.mask) != len(opened.table):
            return
        self._kept = kept
        if kept.drawing is not None or kept.wanted.options is None or kept.wanted.in_view:
            self._seconds = kept.seconds
        names = [column.name for column in opened.columns]
        self.ranges.show_kept(dict(zip(names, kept.counts, strict=True)))
        self.shown.show_points(kept.mask)
        self.status_note.tell(kept.in_words(kept.drawing))
        self.shown.follow(kept)
        if kept.drawing is not None:
            self._show_image(kept, kept.drawing)
        self.update_buttons()

    def _on_seen(self, seen: SeenDrawing) -> None:
        """Show the molecules kept as the screen shows them."""
        kept = self._kept
        if kept is not None:
            self.status_note.tell(kept.in_words(seen.drawing, seen.in_words(kept.wanted)))
            if seen.drawing is not None:
                self._show_image(kept, seen.drawing)

    def _show_image(self, kept: Kept, drawing: Drawing) -> None:
        if self.render_button.isChecked() and not self.shown.show_image(kept, drawing):
            self.render_button.setChecked(False)

    # -- rendering -------------------------------------------------------------------------

    def _on_render(self, is_on: bool) -> None:
        if not is_on:
            self.shown.view.stop()
        self._ask()  # off: what is being drawn is not wanted any more

    # -- saving ----------------------------------------------------------------------------

    def _on_save(self) -> None:
        path, kind = QFileDialog.getSaveFileName(self, "Save", "", ";;".join(SAVE_KINDS))
        if path:
            self.save(Path(path), SAVE_KINDS.get(kind))

    def save(self, path: Path, kind: str | None = None) -> None:
        """Write the molecules kept, in another thread."""
        source = self.steps.source()
        if source is not None:
            work = partial(save_table, source, path, kind)
            self.begin(work, self.status_note.tell, title=f"saving {path.name}")

    def save_recipe(self, path: Path) -> None:
        """Write what `deepsmlm batch` takes to do the same with other stacks, in another thread."""
        source = self.steps.source()
        if source is not None and self._kept is not None:
            work = partial(save_recipe, source, self._kept.wanted, path)
            self.begin(work, self.status_note.tell, title=f"saving {path.name}")
