"""The batch: every stack into a folder of its own, what is done and unchanged skipped."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm._files import folder_lock
from napari_deepsmlm._words import sentence_of
from napari_deepsmlm.batch.events import (
    BatchFinished,
    Listed,
    StackBegan,
    StackEnded,
    StackProgress,
    Waiting,
)
from napari_deepsmlm.batch.one_stack import StackWork
from napari_deepsmlm.batch.recipe import HEADING_WORDS, Recipe
from napari_deepsmlm.batch.record import Folders, StackRow, read_record
from napari_deepsmlm.batch.stacks import ENDINGS, Found, Stack, StackFinder, absolute
from napari_deepsmlm.batch.summary import SUMMARY_NAME, SUMMARY_WORDS, write_summary
from napari_deepsmlm.batch.watching import SETTLE_S, Stillness, wake_ups
from napari_deepsmlm.models import find_model
from napari_deepsmlm.reconstruction import check_sharing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_deepsmlm.batch.events import BatchEvent
    from napari_deepsmlm.batch.steps import Step

logger = logging.getLogger(__name__)

RECIPE_NAME = "recipe.yaml"


class BatchJob:
    """Many stacks as a generator of events, which can be stopped from any thread.

    Parameters
    ----------
    recipe : the stacks, and what is done with them.
    out : folder of the results: one for each stack, the recipe, and `summary.csv`.
    watch : go on with new and growing files until it is stopped.
    settle_s : a file that has not changed for so long is whole, when it is watched.
    stopping : a flag of the caller's that stops the job when set, as :meth:`stop` does.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: str | Path,
        *,
        watch: bool = False,
        settle_s: float = SETTLE_S,
        stopping: threading.Event | None = None,
    ) -> None:
        if not recipe.inputs:
            raise ValueError("No stacks: give files, folders or patterns, or a recipe with inputs.")
        self.out = absolute(out)
        inputs = [_absolute_input(each) for each in recipe.inputs]
        self.recipe = recipe.replace(inputs=tuple(inputs))
        self._watch, self._settle_s = watch, settle_s
        self._stopping = threading.Event() if stopping is None else stopping
        self._finder = StackFinder(inputs, planes=recipe.planes)
        self._rows: dict[str, StackRow] = {}
        self._asked: set[str] = set()
        self._skipped: set[str] = set()

    def stop(self) -> None:
        """Ask the job to end: what is done is kept, the stack at hand is begun anew next time."""
        self._stopping.set()

    def run(self) -> Iterator[BatchEvent]:
        """Do all stacks, and yield what happens.

        A stack that fails is a sentence in the summary and never ends the others.

        Raises
        ------
        ValueError
            If there is no stack at all and none is waited for, no such model or device.
        OSError
            If the folder is in use by another run, or cannot be written, or if nobody answers at
            the address of the scheduler.
        """
        found = self._finder.find()
        if not self._watch:
            _refuse_nothing(self.recipe, found)
        for number, step in enumerate(self.recipe.steps, 1):
            _check(step, number)
        options = self.recipe.reconstruct
        find_model(options.model, upsampling=options.upsampling)  # now, not once for each stack
        check_sharing(options)
        with folder_lock(self.out):
            self._keep_recipe()
            self._folders = Folders(self.out)
            self._folders.expect(found.stacks)
            self._take_earlier()
            self._asked = {str(stack.path) for stack in found.stacks}
            yield Listed(tuple(stack.path for stack in found.stacks), found.left_out)
            if self._watch:
                yield from self._follow()
                found = self._finder.find()
                self._asked |= {str(stack.path) for stack in found.stacks}
            else:
                for number, stack in enumerate(found.stacks, 1):
                    if self._stopping.is_set():
                        break
                    yield from self._do(stack, number, len(found.stacks))
            if self._stopping.is_set():
                self._note_not_begun(found)
            self._write_summary()
            yield BatchFinished(
                rows=tuple(self._rows.values()),
                n_skipped=len(self._skipped),
                summary=self.out / SUMMARY_NAME,
                left_out=found.left_out,
                is_stopped=self._stopping.is_set(),
                earlier=self._earlier,
            )

    def _do(self, stack: Stack, number: int, n_stacks: int) -> Iterator[BatchEvent]:
        file = str(stack.path)
        try:
            folder = self._folders.folder_of(stack)
        except OSError as error:
            row = StackRow(file=file, folder="", state="failed", error=sentence_of(error))
            self._rows[file] = row
            yield StackEnded(row, False, tuple(self._rows.values()))
            return
        work = StackWork(stack, folder, self.recipe, self._stopping)
        is_skipped = work.is_done
        if is_skipped:
            self._skipped.add(file)
        else:
            self._skipped.discard(file)
            # Written now: after a kill, the summary says what it came in the middle of.
            self._rows[file] = StackRow(file=file, folder=folder.name, state="begun")
            self._write_summary_so_far()
            yield StackBegan(stack.path, folder, number, n_stacks, work.what_again)
            for doing in work.run():
                yield StackProgress(stack.path, number, n_stacks, doing)
        self._rows[file] = work.row
        self._write_summary_so_far()
        yield StackEnded(work.row, is_skipped, tuple(self._rows.values()))

    def _follow(self) -> Iterator[BatchEvent]:
        """Do what is whole, again and again; what fails is tried again once it has changed."""
        stillness = Stillness(self._settle_s)
        tried: dict[Path, Any] = {}
        told: Waiting | None = None
        for _ in wake_ups(self._finder.folders(), self._stopping, self._settle_s):
            stacks = self._finder.find().stacks
            self._folders.expect(stacks)
            self._asked |= {str(stack.path) for stack in stacks}
            growing = []
            for number, stack in enumerate(stacks, 1):
                state = stillness.look(stack)
                if state == tried.get(stack.path, ...):
                    continue
                if not stillness.is_still(stack):
                    growing.append(stack.path)
                    self._note_growing(stack)
                    continue
                tried[stack.path] = state
                yield from self._do(stack, number, len(stacks))
                if self._stopping.is_set():
                    return
            waiting = Waiting(tuple(growing), tuple(self._rows.values()))
            if waiting != told:
                self._write_summary_so_far()
                yield waiting
            told = waiting

    def _note_growing(self, stack: Stack) -> None:
        file = str(stack.path)
        known = self._rows.get(file)
        if known is None or known.state in ("failed", "begun"):
            self._rows[file] = StackRow(
                file=file, folder="" if known is None else known.folder, state="waiting"
            )

    def _note_not_begun(self, found: Found) -> None:
        """List what a stopped batch has not come to."""
        for stack in found.stacks:
            file = str(stack.path)
            if file not in self._rows:
                self._rows[file] = StackRow(file=file, folder="", state="not begun")

    @property
    def _earlier(self) -> frozenset[str]:
        """Files of the stacks that this batch was not asked for."""
        return frozenset(self._rows.keys() - self._asked)

    def _take_earlier(self) -> None:
        """Take the rows of all that was ever done in this folder."""
        for file, folder in self._folders.known().items():
            record = read_record(folder)
            if record is not None:
                self._rows[file] = record.row.replace(folder=folder.name)

    def _keep_recipe(self) -> None:
        """Write the recipe beside the results, unless it was read there.

        Raises
        ------
        FileExistsError
            If files of the same names lie there that no batch has written.
        """
        path = self.out / RECIPE_NAME
        for file, first_words in ((path, HEADING_WORDS), (self.out / SUMMARY_NAME, SUMMARY_WORDS)):
            if file.exists() and not _begins_with(file, first_words):
                if file == path and self._is_kept(path):
                    continue
                raise FileExistsError(
                    f"{file} is there already and no batch has written it: choose another --out, "
                    "or move that file away."
                )
        if not self._is_kept(path):
            self.recipe.to_file(path)

    def _is_kept(self, path: Path) -> bool:
        """Whether a file says what this batch does, with whatever comments it has."""
        try:
            return Recipe.from_file(path) == self.recipe
        except (OSError, ValueError):
            return False

    def _write_summary_so_far(self) -> None:
        try:
            self._write_summary()
        except OSError as error:  # open in a spreadsheet: no reason to end the night's work
            logger.warning("%s", sentence_of(error))

    def _write_summary(self) -> None:
        write_summary(self.out / SUMMARY_NAME, self._rows.values(), self._earlier)


def run_batch(
    inputs: str | Path | Sequence[str | Path] = (),
    *,
    out: str | Path,
    recipe: Recipe | str | Path | None = None,
    **options: Any,
) -> BatchFinished:
    """Reconstruct every stack into a folder of its own, and return how it went.

    What is done and unchanged is skipped, so the same call goes on after a stop or a crash.

    Parameters
    ----------
    inputs : files, folders and patterns, instead of those of the recipe.
    out : folder of the results, with `summary.csv` over all.
    recipe : what is done, or its YAML file; reconstructed as by default if not given.
    options : fields of `ReconstructOptions` instead of those of the recipe.

    Raises
    ------
    ValueError, OSError
        One sentence, if there is nothing to do or it cannot be written. A stack that fails is a
        row of the result with its `error`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import napari_deepsmlm as ds
    >>> from napari_deepsmlm.io import write_stack
    >>> experiment = ds.Experiment(image_px=(16, 16))
    >>> with TemporaryDirectory() as folder:
    ...     for seed in range(2):
    ...         stack, truth = experiment.simulate(n_frames=10, seed=seed)
    ...         write_stack(f"{folder}/{seed}.tif", stack, pixel_size_nm=100)
    ...     done = ds.run_batch(folder, out=f"{folder}/results", model="deep-storm")
    ...     [(row.folder, row.state, row.frames) for row in done.rows]
    [('0', 'done', 10), ('1', 'done', 10)]
    """
    given = Recipe() if recipe is None else recipe
    made = given if isinstance(given, Recipe) else Recipe.from_file(given)
    listed = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    job = BatchJob(with_options(made, listed, options), out)
    *_, finished = job.run()
    assert isinstance(finished, BatchFinished)  # noqa: S101 - the last event of every batch
    return finished


def with_options(recipe: Recipe, inputs: Sequence[Any], options: dict[str, Any]) -> Recipe:
    """Return a recipe with other inputs and choices, where some are given.

    Raises
    ------
    ValueError
        One sentence about a choice that does not suit.
    """
    if inputs:
        recipe = recipe.replace(inputs=tuple(map(str, inputs)))
    if options:
        values = {**dict(recipe.reconstruct), **options}
        chosen = type(recipe.reconstruct).from_dict(values, source="options")
        recipe = recipe.replace(reconstruct=chosen)
    return recipe


def _absolute_input(each: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(each, str):
        return str(absolute(each))
    return tuple(str(absolute(one)) for one in each)


def _refuse_nothing(recipe: Recipe, found: Found) -> None:
    """Refuse inputs that hold no stack, and a folder that is not there.

    A file that is not there is a failed stack among others, as it may have been moved after it was
    done; where nothing is there at all, the call is a mistake.

    Raises
    ------
    ValueError, FileNotFoundError
        One sentence.
    """
    if not found.stacks:
        raise ValueError(_nothing_found(recipe, found))
    gone = [stack.path for stack in found.stacks if not stack.path.exists()]
    folders = [path for path in gone if path.suffix.lower() not in ENDINGS]
    if folders or len(gone) == len(found.stacks):
        named = ", ".join(str(path) for path in (folders or gone)[:3])
        raise FileNotFoundError(f"{named}: no such file or folder.")


def _check(step: Step, number: int) -> None:
    """Refuse a step that could be done with no table, before the first stack is begun."""
    try:
        step.check()
    except (ValueError, OSError) as error:
        kind = step.model_dump()["kind"]
        raise ValueError(f"Step {number}, {kind}: {sentence_of(error)}") from error


def _nothing_found(recipe: Recipe, found: Found) -> str:
    named = ", ".join(str(each) for each in recipe.inputs[:3])
    if found.left_out:
        names = ", ".join(path.name for path in found.left_out[:3])
        return f"{named}: no movies of 10 or more camera frames there; left out: {names}."
    return f"{named}: no movies of camera frames there (TIFF, .npy, .zarr, .raw, .dax)."


def _begins_with(path: Path, words: str) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(words)) == words.encode()
    except OSError:
        return False
