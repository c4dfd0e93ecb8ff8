"""One stack: reconstructed into its folder, then the steps; only what is not done yet."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._words import line_of, sentence_of
from napari_deepsmlm.batch.events import Doing
from napari_deepsmlm.batch.fingerprint import (
    Fingerprint,
    digest,
    fingerprint_of,
    input_digest,
    model_digest,
)
from napari_deepsmlm.batch.record import StackRecord, StackRow, read_record, write_record
from napari_deepsmlm.batch.steps import Stage
from napari_deepsmlm.io import read_localizations
from napari_deepsmlm.io.result_files import REPORT_NAME, RESULT_NAMES, TABLE_NAME
from napari_deepsmlm.reconstruction import (
    BrakeError,
    Finished,
    Progress,
    ReconstructJob,
    adapt_options,
    remarks_of,
    with_adapted,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from napari_deepsmlm.batch.recipe import Recipe
    from napari_deepsmlm.batch.stacks import Stack
    from napari_deepsmlm.reconstruction import ReconstructOptions

logger = logging.getLogger(__name__)


class StackWork:
    """What is to be done with one stack.

    Parameters
    ----------
    folder : of its results; nobody else writes there.
    stopping : ends the work when set; what is whole is kept.

    Attributes
    ----------
    row : its line of the summary.
    why : it is done anew though it was done before, "" if it was not.
    """

    def __init__(
        self, stack: Stack, folder: Path, recipe: Recipe, stopping: threading.Event
    ) -> None:
        self._stack, self._folder, self._recipe = stack, folder, recipe
        self._stopping = stopping
        self._record = read_record(folder) or StackRecord(row=self._row(state="begun"))
        self._now: Fingerprint | None = None
        self._steps = digest([step.model_dump(mode="json") for step in recipe.steps])
        self._problem = ""
        self.why = ""
        try:
            self._now = fingerprint_of(stack, recipe)
        except OSError as error:
            self._problem = sentence_of(error)
        else:
            self.why = self._what_changed()

    @property
    def row(self) -> StackRow:
        """Its line of the summary."""
        return self._record.row

    @property
    def what_again(self) -> str:
        """What is done anew and why, "" if it is the whole stack for the first time."""
        if self.why or self._record.fingerprint is None:
            return self.why
        is_other = bool(self._record.steps) and self._record.steps != self._steps
        if is_other:
            return "only the steps after the reconstruction, which have changed"
        return "only the steps after the reconstruction, which were not done"

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        is_whole = self.row.state == "done" and self._record.steps == self._steps
        return is_whole and not self._problem and not self.why

    def run(self) -> Iterator[Doing]:
        """Do it, and yield how far it is; a fault is a sentence in the row, never an error."""
        try:
            if self._problem:  # what was done before, when the file was there, stays as it is
                self._record = self._record.replace(
                    row=self._row(state="failed", error=self._problem)
                )
                return
            yield from self._run()
        except InterruptedError:
            self._end("stopped", "Stopped before it was done.")
        except (ValueError, OSError, FloatingPointError) as error:
            warnings = error.warnings if isinstance(error, BrakeError) else ()
            self._end("failed", sentence_of(error), warnings=warnings)
        except Exception as error:
            logger.exception("internal error at %s", self._stack.path)
            self._end("failed", f"Internal error: {line_of(error)}")

    def _run(self) -> Iterator[Doing]:
        earlier = self._record
        if earlier.fingerprint is None or self.why:
            self._write(row=self._row(state="begun"), fingerprint=None, steps="")
            report = yield from self._reconstruct()
        else:
            self._write(row=self._updated(state="begun"), steps="")
            report = json.loads((self._folder / REPORT_NAME).read_text(encoding="utf-8"))
        files = [*RESULT_NAMES]
        if self._recipe.steps:
            files += yield from self._do_steps(report)
        for name in earlier.files.keys() - files:
            (self._folder / name).unlink(missing_ok=True)
        self._write(row=self._updated(state="done"), steps=self._steps, files=self._sizes(files))

    def _reconstruct(self) -> Generator[Doing, None, dict[str, Any]]:
        """Yield how far it is, and return the report."""
        options = self._recipe.reconstruct
        remarks: tuple[str, ...] = ()
        if self._recipe.adapt_minutes is not None:
            options, remarks = yield from self._adapt(options, self._recipe.adapt_minutes)
        job = ReconstructJob(
            self._stack.source(),
            options,
            out=self._folder,
            stopping=self._stopping,
            remarks=remarks,
        )
        for event in job.run():
            if isinstance(event, Progress):
                speed = f"{event.frames_per_second:.1f} frames/s"
                share = event.frames_done / max(1, event.n_frames)
                yield Doing("Reconstructing", share, speed)
                n_frames = event.n_frames
            elif isinstance(event, Finished):
                report = event.result.report.to_json()
        self._take(report)
        if not report["frames"] or (report["frames"] < n_frames and not report.get("problem")):
            raise InterruptedError
        if report.get("problem"):
            raise OSError(report["problem"])
        assert self._now is not None  # noqa: S101 - else nothing was begun
        if input_digest(self._stack) != self._now.input:
            raise ValueError(
                f"{self._stack.path.name}: was changed while it was read, so the result is of no "
                "certain frames; run the batch again once it is written."
            )
        sha256 = report["model"]["sha256"]
        sizes = self._sizes(RESULT_NAMES)
        self._write(fingerprint=self._now, model_sha256=sha256, files=self._record.files | sizes)
        return report

    def _adapt(
        self, options: ReconstructOptions, minutes: float
    ) -> Generator[Doing, None, tuple[ReconstructOptions, tuple[str, ...]]]:
        """Yield how far it is, and return the choices with the better model, and what to say."""
        from napari_deepsmlm.adaptation import Adapted, AdaptJob
        from napari_deepsmlm.training.events import StepDone

        wanted = adapt_options(options, minutes)
        for event in AdaptJob(self._stack.source(), wanted, stopping=self._stopping).run():
            if isinstance(event, StepDone):
                yield Doing("Adapting", event.progress)
            elif isinstance(event, Adapted):
                if event.is_stopped:
                    raise InterruptedError
                return with_adapted(options, event), remarks_of(event)
        raise InterruptedError

    def _do_steps(self, report: dict[str, Any]) -> Generator[Doing, None, list[str]]:
        """Yield how far it is, and return the names of the files."""
        source = self._folder / TABLE_NAME
        table = read_localizations(source)
        names: list[str] = []
        also: list[str] = []
        remarks: list[str] = []
        for number, step in enumerate(self._recipe.steps):
            if self._stopping.is_set():
                raise InterruptedError
            yield Doing(f"Step {number + 1}: {step.file_name}", number / len(self._recipe.steps))
            names.append(_unique(step.file_name, names))
            path = self._folder / names[-1]
            path.unlink(missing_ok=True)  # of an earlier recipe
            frames = self._stack.source()
            done = step.run(Stage(table, report, path, source, frames, self._stopping))
            if done.table is not table:
                table, source = done.table, path
            remarks += done.remarks
            also += done.also
        self._take(report, remarks)
        return [*(name for name in names if (self._folder / name).exists()), *also]

    def _what_changed(self) -> str:
        """Return why what was done does not count any more, "" if it does or nothing was done."""
        before, now = self._record.fingerprint, self._now
        if before is None or now is None:
            return ""
        row, model = self.row, self._recipe.reconstruct.model
        changes = {
            "the file has changed": before.input != now.input,
            "the recipe has changed": before.recipe != now.recipe,
            f"it was made by version {before.version}": before.version != now.version,
            "a file of its results has changed or is gone": not self._record.are_files_whole(
                self._folder
            ),
        }
        # an adapted model is one of the stack's own, whatever it began with
        if self._recipe.adapt_minutes is None:
            is_same = model_digest(row.model, model) == self._record.model_sha256
            changes["the model has changed"] = not is_same
        return ", ".join(why for why, is_so in changes.items() if is_so)

    def _take(self, report: dict[str, Any], remarks: list[str] | None = None) -> None:
        """Take what a report says into the row."""
        row = self._updated(
            frames=report["frames"],
            localizations=report["localizations"],
            seconds=report["seconds"],
            camera=report["camera"]["source"],
            model=report["model"]["name"],
            warnings=(*report["warnings"], *(remarks or ())),
        )
        self._record = self._record.replace(row=row)

    def _end(self, state: str, error: str, **values: Any) -> None:
        with suppress(OSError):  # a full disk: the summary will say so
            self._write(row=self._updated(state=state, error=error, **values))

    def _row(self, **values: Any) -> StackRow:
        return StackRow(file=str(self._stack.path), folder=self._folder.name, **values)

    def _updated(self, **values: Any) -> StackRow:
        return self.row.replace(**{"error": "", "folder": self._folder.name, **values})

    def _write(self, **changes: Any) -> None:
        self._record = self._record.replace(**changes)
        write_record(self._folder, self._record)

    def _sizes(self, names: Any) -> dict[str, int]:
        return {name: (self._folder / name).stat().st_size for name in names}


def _unique(name: str, taken: list[str]) -> str:
    """Return a name that is not taken: filtered.csv, filtered_2.csv.

    Examples
    --------
    >>> _unique("filtered.csv", []), _unique("filtered.csv", ["filtered.csv"])
    ('filtered.csv', 'filtered_2.csv')
    """
    stem, _, ending = name.rpartition(".")
    number, made = 1, name
    while made in taken:
        number += 1
        made = f"{stem}_{number}.{ending}"
    return made
