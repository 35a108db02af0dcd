"""The two engines of a bundle, and how several completers share them."""

from __future__ import annotations

import threading
from weakref import WeakValueDictionary

from starrygazer_ros.backends.options import EngineOptions, Say, say_nothing
from starrygazer_ros.completion.bundle import ModelBundle
from starrygazer_ros.completion.selection import select_pipeline
from starrygazer_ros.completion.working_size import in_working_size
from starrygazer_ros.fair_lock import FairLock


class Engines:
    """The loaded graphs of one bundle.

    Args:
        bundle: a verified model bundle.
        backend: ``auto`` or the name of a back end.
        threads: CPU threads of one inference.
        options: precision, and sizes and memory on a GPU.
        say: is told what takes long.

    Attributes:
        graphs: runs them on images as they are, to be compared with the golden pair.
        pipeline: the same in the bundle's working size.
        bundle: with the graphs that run, which may be those of another precision.
        notes: why not a back end that would have been better, a sentence each.
        warnings: what is wrong although they run, a sentence each.
        turn: held while they compute; those that share them take turns, the longest waiting first.
        given_up: they hang or keep failing; nobody else shall get them.

    Raises:
        BackendUnavailableError: the back end cannot run here.
        BundleGraphError: a graph has other inputs or outputs than the contract.
        SelfCheckError: the back end computes something else than the bundle says.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        backend: str,
        threads: int,
        options: EngineOptions,
        say: Say = say_nothing,
    ) -> None:
        self.turn = FairLock()
        self.given_up = False
        selection = select_pipeline(bundle, backend, threads, options, say)
        self.graphs = selection.pipeline
        self.pipeline = in_working_size(selection.pipeline, bundle)
        self.bundle = selection.bundle
        self.notes = selection.notes
        self.warnings = selection.warnings


class SharedEngines:
    """Gives the same :class:`Engines` to all who want the same, options included.

    They are freed when the last completer that uses them is; this object itself keeps none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: WeakValueDictionary[tuple[object, ...], Engines] = WeakValueDictionary()

    def __len__(self) -> int:
        """Number of engine pairs in use."""
        return len(self._loaded)

    def load(
        self,
        bundle: ModelBundle,
        backend: str,
        threads: int,
        options: EngineOptions,
        say: Say = say_nothing,
    ) -> Engines:
        """Those in use unless they were given up, else new ones; see :class:`Engines`."""
        # By hash, because the files of a folder may have been replaced since.
        graphs = bundle.mde.sha256, bundle.refinement.sha256
        sizes = bundle.mde_pixels, bundle.working_pixels, bundle.across_edges
        key = (*graphs, *sizes, backend, threads, options)
        with self._lock:
            engines = self._loaded.get(key)
            if engines is None or engines.given_up:
                engines = self._loaded[key] = Engines(bundle, backend, threads, options, say)
            return engines
