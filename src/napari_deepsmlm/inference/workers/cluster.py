"""Cluster: the workers of a dask scheduler, on any number of machines."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_deepsmlm._devices import Compute, choose_compute, free_memory_bytes
from napari_deepsmlm.inference.workers.crew import WorkerLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepsmlm.inference.pipeline import Pipeline
    from napari_deepsmlm.inference.workers.work import Part, PartDone, Work
    from napari_deepsmlm.io import FrameSource

EXTRA = (
    "Reconstructing on a cluster needs dask.distributed: pip install napari-deepsmlm[distributed]."
)
CONNECT_S = 20
WORKERS_S = 60
# How often it is looked which workers are there, and how long the scheduler is given to say so.
LOOK_S, ANSWER_S = 1.0, 5.0
# Parts are cut for so many workers at least: some may come when the movie is cut already.
CUT_FOR = 64
# A model is larger than what dask thinks should travel with a task; it travels once.
_QUIET = {"distributed.admin.large-graph-warning-threshold": "1GB"}
_ready_lock = threading.Lock()
_ready: dict[str, Pipeline] = {}  # of a worker process: the pipeline of the run at hand


@dataclass(frozen=True)
class Cluster:
    """What there is at a scheduler's address; nobody stays connected to it.

    Attributes
    ----------
    address : of the scheduler.
    device : what each of its workers takes, in the words of `choose_compute`.
    compute : device of the worker that answered, and its number format, which is that of all.
    free_bytes : memory that this device had free.
    n_workers : how many there were.
    """

    address: str
    device: str
    compute: Compute
    free_bytes: int
    n_workers: int

    @classmethod
    def at(cls, address: str, device: str, precision: str, source: FrameSource | None) -> Cluster:
        """Look whether the workers can do it.

        Parameters
        ----------
        device, precision : as for `choose_compute`; a device is chosen by each worker for itself,
            a number format by one of them for all.
        source : what they will have to read.

        Raises
        ------
        ValueError, OSError
            One sentence: nobody there, no workers, another version, frames out of their reach.
        """
        path = None if source is None or source.path is None else str(source.path.absolute())
        with _connected(address) as client:
            try:
                seen = client.submit(_look, device, precision, path, pure=False).result(WORKERS_S)
            except Exception as error:  # noqa: BLE001 - raised in a sentence, or as it is
                raise _no_answer(address, error) from None
            n_workers = max(1, len(client.nthreads()))
        if seen["version"] != version("napari-deepsmlm") or not seen["sees_file"]:
            raise ValueError(_unfit(address, seen["version"], path))
        return cls(address, device, seen["compute"], seen["free_bytes"], n_workers)

    def crew(self, work: Work) -> ClusterCrew:
        """Return its workers, who have been told what to do; they have to be closed."""
        return ClusterCrew(self, work)


class ClusterCrew:
    """The workers of a cluster, those that come later too, until they are closed.

    Each part is meant for the worker with the fewest: left to itself, dask sends all to the one
    that holds the work. The scheduler gives those of one that has gone, or does not get to them,
    to others.
    """

    def __init__(self, cluster: Cluster, work: Work) -> None:
        import dask

        self._address = cluster.address
        self._there: tuple[str, ...] = ()
        self._looked = -math.inf
        self._under_way: list[tuple[str, Future[PartDone]]] = []
        self._client = _connect(cluster.address)
        try:
            with dask.config.set(_QUIET):
                # A task, not scattered data: those would be lost with the worker that holds them.
                self._told = self._client.submit(
                    _told, work, cluster.device, cluster.compute.precision, pure=False
                )
            self._executor = self._client.get_executor(pure=False)
        except BaseException:
            _close(self._client)
            raise

    @property
    def n_workers(self) -> int:
        """How many there are now; one where there is none, for whoever comes next."""
        return max(1, len(self._workers()))

    def submit(self, part: Part) -> Future[PartDone]:
        """Let one of them do a part."""
        self._under_way = [(at, future) for at, future in self._under_way if not future.done()]
        n_parts = Counter(at for at, _ in self._under_way)
        freest = min(self._workers(), key=n_parts.__getitem__, default="")
        where = {"workers": [freest], "allow_other_workers": True} if freest else {}
        done = self._executor.submit(_do_there, self._told, part, **where)
        self._under_way.append((freest, done))
        answer: Future[PartDone] = Future()
        done.add_done_callback(partial(self._hand_on, answer=answer, part=part))
        return answer

    def replace_the_dead(self) -> None:
        """Nothing to do: that is the scheduler's."""

    def close(self, *, at_once: bool) -> None:
        """Take back what is not done, and disconnect."""
        for _, future in self._under_way:
            future.cancel()
        _close(self._client)

    def _workers(self) -> tuple[str, ...]:
        """Return the addresses of those that are there; of a lost scheduler, that were there."""
        if time.monotonic() - self._looked > LOOK_S and self._client.status == "running":
            with suppress(OSError, RuntimeError):
                self._there = tuple(self._client.nthreads(callback_timeout=ANSWER_S))
            self._looked = time.monotonic()
        return self._there

    def _hand_on(self, done: Future[PartDone], *, answer: Future[PartDone], part: Part) -> None:
        """Say in a sentence what dask says in its own way when workers or the scheduler go."""
        from distributed.scheduler import KilledWorker

        which = f"before frames {part.frames.start}:{part.frames.stop} were done"
        try:
            answer.set_result(done.result())
        except (KilledWorker, CancelledError) as error:
            is_lost = isinstance(error, CancelledError) and self._client.status != "running"
            answer.set_exception(
                WorkerLostError(
                    f"The dask scheduler at {self._address} was lost {which}: look whether it runs."
                    if is_lost
                    else f"The cluster's workers ended {which}, most often for want of memory "
                    f"({type(error).__name__}): give them more."
                )
            )
        except Exception as error:  # noqa: BLE001 - handed on, whatever it is
            answer.set_exception(error)


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(EXTRA) from None
    if not re.fullmatch(r"(\w+://)?[^\s:/]+:\d{1,5}", address):  # a client would wait for nobody
        raise OSError(
            f"'{address}' is no address of a dask scheduler: give the one that it printed, as "
            "tcp://host:8786."
        )
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise OSError(
            f"No dask scheduler answers at {address}: give the address that it printed, as "
            f"tcp://host:8786 ({' '.join(str(error).split())[:120]})."
        ) from None
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except BaseException as error:
        _close(client)
        if not isinstance(error, TimeoutError):
            raise
        raise OSError(
            f"The dask scheduler at {address} has no workers after {WORKERS_S} s: start some."
        ) from None
    return client


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    client = _connect(address)
    try:
        yield client
    finally:
        _close(client)


def _unfit(address: str, there: str, path: str | None) -> str:
    here = version("napari-deepsmlm")
    if there != here:
        return (
            f"The workers of {address} have napari-deepsmlm {there}, this is {here}: install the "
            "same version on both."
        )
    return f"The workers of {address} do not see {path}: put the stack on a disk that they share."


def _no_answer(address: str, error: Exception) -> Exception:
    """Return in a sentence why no worker said what it is."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, ImportError | AttributeError):
        return ValueError(
            f"The workers of {address} lack napari-deepsmlm {version('napari-deepsmlm')} "
            f"({error}): install it in their environment."
        )
    if isinstance(error, TimeoutError):
        return OSError(
            f"No worker of {address} answered in {WORKERS_S} s: they may be busy with other work."
        )
    if isinstance(error, KilledWorker | CancelledError):
        return OSError(
            f"The workers of {address} ended before one answered ({type(error).__name__})."
        )
    return error


def _close(client: Any) -> None:
    """Disconnect, without the words of dask where the scheduler is lost: we have said it."""
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        client.close()
    finally:
        log.setLevel(before)


# -- what runs on a worker -----------------------------------------------------------------------


def _look(device: str, precision: str, path: str | None) -> dict[str, Any]:
    """Return what there is on a worker."""
    compute = choose_compute(device, precision)
    return {
        "version": version("napari-deepsmlm"),
        "compute": compute,
        "free_bytes": free_memory_bytes(compute.device),
        "sees_file": path is None or Path(path).exists(),
    }


@dataclass(frozen=True)
class _Told:
    """The work of a run, by a name under which a worker keeps its pipeline."""

    name: str
    work: Work
    device: str
    precision: str


def _told(work: Work, device: str, precision: str) -> _Told:
    from uuid import uuid4

    return _Told(uuid4().hex, work, device, precision)


def _do_there(told: _Told, part: Part) -> PartDone:
    """Do a part with as many threads as this worker was started with."""
    from distributed import get_worker

    with _ready_lock:
        if told.name not in _ready:
            torch.set_num_threads(max(1, get_worker().state.nthreads))
            _ready.clear()
            _ready[told.name] = told.work.pipeline.on(choose_compute(told.device, told.precision))
        pipeline = _ready[told.name]
    return told.work.done(part, pipeline)
