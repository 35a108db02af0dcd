"""The two engines of a bundle, and how several completers share them."""

from __future__ import annotations

import threading
from weakref import WeakValueDictionary

from starrygazer_ros import backends
from starrygazer_ros.completion.bundle import EngineSpec, ModelBundle
from starrygazer_ros.completion.errors import BundleGraphError
from starrygazer_ros.fair_lock import FairLock


class Engines:
    """The loaded graphs of one bundle.

    Args:
        bundle: a verified model bundle.
        backend: ``auto`` or the name of a back end.
        threads: CPU threads of one inference.

    Attributes:
        mde: the monocular depth engine.
        refinement: the refinement engine.
        turn: held while they compute; those that share them take turns, the longest waiting first.

    Raises:
        BackendUnavailableError: the back end cannot run here.
        BundleGraphError: a graph has other inputs or outputs than the contract.
    """

    def __init__(self, bundle: ModelBundle, backend: str, threads: int) -> None:
        self.turn = FairLock()
        self.mde = backends.load_engine(bundle.mde.path, backend, threads)
        self.refinement = backends.load_engine(bundle.refinement.path, backend, threads)
        _check_graph(self.mde, bundle.mde, {"image"}, {"relative_depth"})
        _check_graph(
            self.refinement,
            bundle.refinement,
            {"image", "relative_depth", "sparse_depth"},
            {"depth", "confidence"},
        )


class SharedEngines:
    """Gives the same :class:`Engines` to all who want the same model, back end and threads.

    They are freed when the last completer that uses them is; this object itself keeps none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: WeakValueDictionary[tuple[object, ...], Engines] = WeakValueDictionary()

    def __len__(self) -> int:
        """Number of engine pairs in use."""
        return len(self._loaded)

    def load(self, bundle: ModelBundle, backend: str, threads: int) -> Engines:
        """Those in use, else new ones; see :class:`Engines`."""
        # By hash, because the files of a folder may have been replaced since.
        key = (bundle.mde.sha256, bundle.refinement.sha256, backend, threads)
        with self._lock:
            engines = self._loaded.get(key)
            if engines is None:
                engines = self._loaded[key] = Engines(bundle, backend, threads)
            return engines


def _check_graph(
    engine: backends.Engine, spec: EngineSpec, inputs: set[str], outputs: set[str]
) -> None:
    if engine.inputs != inputs or engine.outputs != outputs:
        raise BundleGraphError(
            f"{spec.path} maps {sorted(engine.inputs)} to {sorted(engine.outputs)}, expected "
            f"{sorted(inputs)} to {sorted(outputs)}: export the bundle again"
        )
