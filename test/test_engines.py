from __future__ import annotations

import gc

import pytest

from starrygazer_ros.completion import BackendUnavailableError, DepthCompleter, SharedEngines


def completer(bundle, shared, **options):
    return DepthCompleter.from_bundle(bundle, **{"threads": 1, **options}, shared=shared)


def test_the_same_model_back_end_and_threads_share_one_engine(tiny_bundle, tiny_bundle_copy):
    shared = SharedEngines()
    front = completer(tiny_bundle, shared, min_sparse_points=3)
    rear = completer(tiny_bundle_copy, shared, filter_occluded=False)
    assert front._engines is rear._engines
    assert front.turn is rear.turn
    assert (front.min_sparse_points, rear.filter_occluded) == (3, False)
    assert len(shared) == 1


def test_other_threads_or_another_back_end_are_other_engines(tiny_bundle):
    shared = SharedEngines()
    completers = [
        completer(tiny_bundle, shared),
        completer(tiny_bundle, shared, threads=2),
        completer(tiny_bundle, shared, backend="onnxruntime"),
    ]
    assert len({id(c._engines) for c in completers}) == len(shared) == 3


def test_without_sharing_every_completer_has_its_own(tiny_bundle):
    assert completer(tiny_bundle, None)._engines is not completer(tiny_bundle, None)._engines


def test_they_are_freed_with_the_last_completer_and_not_before(tiny_bundle):
    shared = SharedEngines()
    front, rear = completer(tiny_bundle, shared), completer(tiny_bundle, shared)
    del front
    gc.collect()
    assert len(shared) == 1
    rear.self_check()
    del rear
    gc.collect()
    assert len(shared) == 0


def test_what_cannot_be_loaded_is_not_shared(tiny_bundle):
    shared = SharedEngines()
    with pytest.raises(BackendUnavailableError):
        completer(tiny_bundle, shared, backend="cuda")
    assert len(shared) == 0
