"""The command ``starrygazer doctor``: what this machine has, and one suggestion for each lack."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from starrygazer_ros import __version__
from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.names import BACKENDS
from starrygazer_ros.completion import CompletionError, DepthCompleter, ModelBundle
from starrygazer_ros.completion.bundle_folders import bundle_folders
from starrygazer_ros.completion.errors import in_one_line
from starrygazer_ros.console import EXIT_OK, EXIT_SICK

GOOD, OPTIONAL, BAD = "ok", "--", "!!"
_PROFILE = "fastdds_large_images.xml"
_PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        state: ``GOOD``, ``OPTIONAL`` (not there, and not always needed) or ``BAD``.
        what: is meant.
        found: version or state.
        advice: what to do, empty if nothing.
    """

    state: str
    what: str
    found: str
    advice: str = ""


def add_doctor_command(commands: Any) -> None:
    """Add the command to the subparsers of ``starrygazer``."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine has and what it lacks",
        description="Prints what the nodes and commands need, and one suggestion for what is "
        f"missing: {GOOD} = fine, {OPTIONAL} = not there, {BAD} = does not work. The exit code is "
        f"{EXIT_SICK} if anything does not work.",
    )
    parser.set_defaults(run=_run)
    parser.add_argument("--bundle", default="default", help="model bundle: name or folder")


def _run(options: argparse.Namespace) -> int:
    sick = False
    for finding in examine(options.bundle):
        sick = sick or finding.state == BAD
        advice = f"\n     -> {finding.advice}" if finding.advice else ""
        print(f"{finding.state} {finding.what}: {finding.found}{advice}", flush=True)
    return EXIT_SICK if sick else EXIT_OK


def examine(bundle: str) -> Iterator[Finding]:
    """All findings, one after the other; the back ends take seconds.

    Args:
        bundle: model bundle that the back ends run.
    """
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    yield Finding(GOOD, "starrygazer_ros", f"{__version__} on {system}")
    yield _package("numpy", "pip install numpy")
    yield _package("cv2", "pip install opencv-python-headless", "OpenCV")
    yield from _ros()
    yield _package("rosbags", "for starrygazer bag: pip install rosbags tqdm", optional=True)
    yield _gpu()
    yield from _models(bundle)
    yield _cache()


def _package(name: str, advice: str, title: str = "", optional: bool = False) -> Finding:
    try:
        module = import_module(name)
    except Exception as error:  # a broken package may raise anything
        return Finding(OPTIONAL if optional else BAD, title or name, in_one_line(error), advice)
    return Finding(GOOD, title or name, str(getattr(module, "__version__", "installed")))


def _ros() -> Iterator[Finding]:
    distro = os.environ.get("ROS_DISTRO", "")
    rclpy = _package("rclpy", "for the nodes: source /opt/ros/DISTRO/setup.bash", optional=True)
    yield Finding(
        rclpy.state,
        "ROS 2",
        distro or ("rclpy without ROS_DISTRO" if rclpy.state == GOOD else "not sourced"),
        rclpy.advice,
    )
    if rclpy.state != GOOD:
        return
    for name, why in (
        ("message_filters", "else the same rule of this package pairs the messages"),
        ("tf2_ros", "else the LiDAR's pose must be given by extrinsics.source: parameter"),
        ("cv_bridge", "only for rare image encodings"),
    ):
        finding = _package(name, why, optional=True)
        found = "installed" if finding.state == GOOD else "none"
        yield Finding(finding.state, name, found, finding.advice)
    yield _large_images()


def _large_images() -> Finding:
    """Fast DDS loses large best-effort images between processes without a profile."""
    middleware = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if "fastrtps" not in middleware:
        return Finding(GOOD, "middleware", middleware)
    for variable in _PROFILES:
        file = os.environ.get(variable, "")
        if file and Path(file).is_file():
            return Finding(GOOD, "middleware", f"{middleware}, profile {file}")
        if file:
            return Finding(BAD, "middleware", f"{variable}={file}", "there is no such file")
    variable = _PROFILES[os.environ.get("ROS_DISTRO") in ("humble", "jazzy")]
    return Finding(
        OPTIONAL,
        "middleware",
        f"{middleware} without a profile loses large best-effort images between processes",
        f"where images come from other processes, in all of them: export {variable}={_profile()}",
    )


def _profile() -> Path:
    """The profile that comes with this package."""
    places = (folder.parent / "config" / _PROFILE for folder in bundle_folders())
    return next((place for place in places if place.is_file()), Path("config") / _PROFILE)


def _gpu() -> Finding:
    from starrygazer_ros.backends.tensorrt.platform import driver_version, find_gpu

    try:
        gpu = find_gpu()
    except CompletionError as error:
        driver = driver_version()
        known = f"driver for CUDA {driver}" if driver else "no NVIDIA driver"
        return Finding(OPTIONAL, "GPU", known, in_one_line(error))
    return Finding(
        GOOD,
        "GPU",
        f"{gpu.name}, compute capability {gpu.compute_capability}, CUDA {gpu.cuda}, driver for "
        f"CUDA {gpu.driver}",
    )


def _models(bundle: str) -> Iterator[Finding]:
    try:
        loaded = ModelBundle.load(bundle)
    except CompletionError as error:
        yield Finding(
            BAD, f"model {bundle}", in_one_line(error), "reinstall it, or give its folder"
        )
        return
    hashes = f"SHA-256 {loaded.mde.sha256[:12]} {loaded.refinement.sha256[:12]}"
    yield Finding(GOOD, f"model {bundle}", f"{loaded.version}, {hashes}")
    for backend in BACKENDS[1:]:
        yield _of_backend(bundle, backend)


def _of_backend(bundle: str, backend: str) -> Finding:
    must_work = backend == BACKENDS[-1]
    try:
        completer = DepthCompleter.from_bundle(bundle, backend, say=_say)
        difference = completer.self_check()
    except CompletionError as error:
        advice = in_one_line(error)
        return Finding(BAD if must_work else OPTIONAL, f"back end {backend}", "cannot run", advice)
    warnings = "; ".join(completer.backend_warnings)
    state = BAD if warnings else GOOD
    found = f"{completer.backend_description}; self-check differs by {difference:.1e}"
    return Finding(state, f"back end {backend}", found, warnings)


def _cache() -> Finding:
    folder = cache_folder("")
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(existing, os.W_OK):
        return Finding(GOOD, "cache", str(folder))
    return Finding(
        BAD, "cache", f"{folder} cannot be written", "set XDG_CACHE_HOME to a folder of your own"
    )


def _say(sentence: str) -> None:
    print(f"   {sentence}", file=sys.stderr)
