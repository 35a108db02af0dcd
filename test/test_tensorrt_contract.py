"""The back end against NVIDIA's own Python bindings, on libraries that do nothing.

``make test-gpu-code`` unpacks the bindings of several versions; the libraries that they ask for are
compiled here from a few lines of C, so that no GPU and no TensorRT is needed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "starrygazer_ros" / "backends" / "tensorrt"
BINDINGS = Path(__file__).parents[1] / "build" / "tensorrt_bindings"
VERSIONS = sorted(path.name for path in BINDINGS.glob("*")) if BINDINGS.exists() else []
# Functions that the bindings look for when they are imported.
STUB = """
void *createInferBuilder_INTERNAL(void *logger, int version) { return 0; }
void *createInferRefitter_INTERNAL(void *engine, void *logger, int version) { return 0; }
void *createInferRuntime_INTERNAL(void *logger, int version) { return 0; }
void *createNvOnnxParserRefitter_INTERNAL(void *refitter, void *logger, int version) { return 0; }
void *createNvOnnxParser_INTERNAL(void *network, void *logger, int version) { return 0; }
void *getBuilderPluginRegistry(int capability) { return 0; }
void *getLogger(void) { return 0; }
void *getPluginRegistry(void) { return 0; }
int getInferLibVersion(void) { return 0; }
int getNvOnnxParserVersion(void) { return 0; }
int initLibNvInferPlugins(void *logger, const char *space) { return 1; }
"""
# What the back end calls things, and which class of TensorRT they are.
CLASSES = {
    "trt": "",
    "builder": "Builder",
    "parser": "OnnxParser",
    "config": "IBuilderConfig",
    "profile": "IOptimizationProfile",
    "self._runtime": "Runtime",
    "self._engine": "ICudaEngine",
    "self._context": "IExecutionContext",
}
# Arguments by position, as the docstrings of the bindings name them.
SIGNATURES = {
    "Builder.create_network": ["flags"],
    "Builder.build_serialized_network": ["network", "config"],
    "OnnxParser.parse": ["model"],
    "OnnxParser.get_error": ["index"],
    "IBuilderConfig.set_memory_pool_limit": ["pool", "pool_size"],
    "IBuilderConfig.clear_flag": ["flag"],
    "IBuilderConfig.add_optimization_profile": ["profile"],
    "IOptimizationProfile.set_shape": ["input", "min", "opt", "max"],
    "Runtime.deserialize_cuda_engine": ["serialized_engine"],
    "ICudaEngine.get_tensor_name": ["index"],
    "ICudaEngine.get_tensor_mode": ["name"],
    "ICudaEngine.get_tensor_profile_shape": ["name", "profile_index"],
    "IExecutionContext.set_input_shape": ["name", "shape"],
    "IExecutionContext.set_tensor_address": ["name", "memory"],
    "IExecutionContext.execute_async_v3": ["stream_handle"],
    "ILogger.log": ["severity", "msg"],
    "IProgressMonitor.phase_start": ["phase_name", "parent_phase", "num_steps"],
    "IProgressMonitor.step_complete": ["phase_name", "step"],
    "IProgressMonitor.phase_finish": ["phase_name"],
}
INSPECT = """
import json, sys
import tensorrt_bindings as trt

found = {"version": trt.__version__, "docs": {}, "missing": []}
for name in json.loads(sys.argv[1]):
    thing = trt
    try:
        for part in name.split("."):
            thing = getattr(thing, part)
        found["docs"][name] = getattr(thing, "__doc__", "") or ""
    except AttributeError:
        found["missing"].append(name)
print(json.dumps(found))
"""
BUILD = """
import tensorrt_bindings as trt
from starrygazer_ros.backends.tensorrt.building import (
    BuildOptions, InputShapes, _make_logger, _make_monitor, build_plan
)
from starrygazer_ros.backends.tensorrt.execution import PlanRunner
from starrygazer_ros.completion import BackendUnavailableError

logger = _make_logger(trt)
logger.log(trt.ILogger.WARNING, "a warning")
logger.log(trt.ILogger.ERROR, "an\\n error")
assert logger.errors == ["an error"], logger.errors
said = []
monitor = _make_monitor(trt, "graph", said.append)
monitor.phase_start("Building Engine", None, 3)
assert monitor.step_complete("Building Engine", 0) is True
monitor.phase_finish("Building Engine")
shapes = {"image": InputShapes((1, 3, 32, 32), (1, 3, 64, 64), (1, 3, 96, 96))}
for attempt in (
    lambda: build_plan(trt, b"", shapes, BuildOptions(), "graph", said.append),
    lambda: PlanRunner(trt, b"", None, "graph"),
):
    try:
        attempt()
    except BackendUnavailableError as error:
        assert "CUDA cannot be initialised" in str(error), error
    else:
        raise AssertionError("it did not raise")
print("done")
"""


def used():
    """Everything that the back end touches, by its name in TensorRT."""
    found = set()
    for source in SOURCES.glob("*.py"):
        text = source.read_text(encoding="utf-8")
        for name, of_class in CLASSES.items():
            pattern = rf"(?<![\w.]){re.escape(name)}\.(\w+)((?:\.\w+)*)"
            for attribute, rest in re.findall(pattern, text):
                if of_class:
                    found.add(f"{of_class}.{attribute}")
                elif attribute not in ("__name__",):
                    found.add(attribute + rest if rest and rest[1].isupper() else attribute)
    return found


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a C compiler is needed")
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "stub.c").write_text(STUB)
    for major in {version.split(".")[0] for version in VERSIONS}:
        for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
            library = folder / f"lib{name}.so.{major}"
            command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "stub.c")]
            subprocess.run(command, check=True)
    return folder


@pytest.fixture(params=VERSIONS or ["none"])
def run(request, libraries):
    if not VERSIONS:
        pytest.skip("no bindings in build/tensorrt_bindings: make test-gpu-code installs them")
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "PYTHONPATH": os.pathsep.join([str(BINDINGS / request.param), *sys.path]),
    }

    def run(program, *arguments):
        result = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    run.version = request.param
    return run


def test_every_name_is_there_with_the_arguments_that_are_given(run):
    names = sorted(used() | SIGNATURES.keys())
    assert {"Builder.create_network", "BuilderFlag.TF32", "ILogger.ERROR"} <= set(names)
    found = json.loads(run(INSPECT, json.dumps(names)))
    assert found["version"] == run.version
    assert found["missing"] == []
    for name, arguments in SIGNATURES.items():
        signature = found["docs"][name].split("->")[0]
        assert re.findall(r"(\w+): ", signature)[1:] == arguments or all(
            re.search(rf"\b{argument}\b", signature) for argument in arguments
        ), signature


def test_every_method_that_is_used_has_its_arguments_checked():
    attributes = {"OnnxParser.num_errors", "ICudaEngine.num_io_tensors"}
    attributes |= {"IBuilderConfig.builder_optimization_level", "IBuilderConfig.progress_monitor"}
    without = {"Builder.create_builder_config", "Builder.create_optimization_profile"}
    without |= {"ICudaEngine.create_execution_context", "IExecutionContext.infer_shapes"}
    methods = {n for n in used() if "." in n and n.split(".")[0] in CLASSES.values()}
    assert methods - attributes - without <= SIGNATURES.keys()


def test_loggers_and_monitors_are_taken_and_a_missing_gpu_is_told_in_words(run):
    assert run(BUILD).strip() == "done"
