"""The command ``starrygazer engines``: plans built ahead of time, listed, removed."""

from __future__ import annotations

import argparse
import time
from typing import Any

from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.names import AUTO, FP16, FP32, TENSORRT, TENSORRT_RTX
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.backends.tensorrt.building import MEBIBYTE
from starrygazer_ros.completion import BackendUnavailableError, DepthCompleter
from starrygazer_ros.console import EXIT_OK, EXIT_SICK, positive_integer, say

_BACKENDS = (TENSORRT, TENSORRT_RTX)


def add_engines_command(commands: Any) -> None:
    """Add the command to the subparsers of ``starrygazer``."""
    parser = commands.add_parser(
        "engines",
        help="TensorRT plans: list, build ahead of time, remove",
        description="TensorRT compiles a model for one GPU and one version, which takes seconds to "
        "minutes. The plans are kept in the user's cache folder.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="plans in the cache, the one used last first")
    listing.set_defaults(run=_list)
    building = actions.add_parser("build", help="build what a node with these parameters needs")
    building.set_defaults(run=_build)
    building.add_argument("--bundle", default="default", help="model bundle: name or folder")
    building.add_argument("--backend", choices=_BACKENDS, default=TENSORRT)
    building.add_argument("--precision", choices=(AUTO, FP32, FP16), default=AUTO)
    for option, default, unit in (
        ("--max-height", EngineOptions.max_height, "PIXELS"),
        ("--max-width", EngineOptions.max_width, "PIXELS"),
        ("--workspace-mib", EngineOptions.workspace_mib, "MIB"),
    ):
        building.add_argument(option, type=positive_integer, default=default, metavar=unit)
    cleaning = actions.add_parser("clean", help="remove all plans")
    cleaning.set_defaults(run=_clean)


def _list(_options: argparse.Namespace) -> int:
    empty = True
    for cache in _caches():
        for plan in cache.plans():
            empty = False
            about = plan.about
            gpu = about.get("gpu")
            name = gpu.get("name", "?") if isinstance(gpu, dict) else "?"
            used = time.strftime("%Y-%m-%d %H:%M", time.localtime(plan.used))
            line = (
                f"{about.get('model', '?')} {about.get('graph', '?')} "
                f"{about.get('precision', '?')}, {about.get('builder', '?')}, "
                f"{name}, {plan.size / MEBIBYTE:.0f} MiB, "
                f"built in {about.get('build_seconds', '?')} s, used {used}: {plan.key[:12]}"
            )
            # A damaged sidecar may hold what is no text.
            print(" ".join(line.encode(errors="replace").decode().split()))
    if empty:
        print(
            "no plans; they are built when a node with TensorRT is configured, or by "
            "starrygazer engines build"
        )
    return EXIT_OK


def _build(options: argparse.Namespace) -> int:
    engines = EngineOptions(
        options.precision, options.max_height, options.max_width, options.workspace_mib
    )
    completer = DepthCompleter.from_bundle(
        options.bundle, options.backend, options=engines, say=say
    )
    for warning in completer.backend_warnings:
        say(f"warning: {warning}")
    print(
        f"ready: {completer.backend_description}; self-check differs by "
        f"{completer.self_check():.1e}"
    )
    from starrygazer_ros.backends.tensorrt.plan_cache import CANNOT_KEEP  # needs fcntl

    in_vain = any(warning.startswith(CANNOT_KEEP) for warning in completer.backend_warnings)
    return EXIT_SICK if in_vain else EXIT_OK


def _clean(_options: argparse.Namespace) -> int:
    print(f"removed {sum(cache.clean() for cache in _caches())} plans")
    return EXIT_OK


def _caches() -> list[Any]:
    try:
        from starrygazer_ros.backends.tensorrt.plan_cache import PlanCache
    except ModuleNotFoundError as error:  # fcntl
        raise BackendUnavailableError(f"plans are kept on Linux only ({error})") from error
    folders = [cache_folder(backend) for backend in _BACKENDS]
    try:
        return [PlanCache(folder) for folder in folders if folder.exists()]
    except OSError as error:
        raise BackendUnavailableError(f"the cache of plans cannot be used: {error}") from error
