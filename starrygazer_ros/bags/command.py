"""The command ``starrygazer bag``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from starrygazer_ros import __version__
from starrygazer_ros.bags.assembly import Assembled, assemble
from starrygazer_ros.bags.completion import BagCompleter, Outcome
from starrygazer_ros.bags.messages import POINT_CLOUD
from starrygazer_ros.bags.outputs import OUTPUTS
from starrygazer_ros.bags.parameters import read_parameters
from starrygazer_ros.bags.partial import PartialBag, partial_folder
from starrygazer_ros.bags.recording import BagError, Recording, open_recording
from starrygazer_ros.bags.topics import InputTopics, choose_topics
from starrygazer_ros.bags.transform_topics import choose_transforms
from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.console import EXIT_INTERRUPTED, EXIT_OK, bar_interval, say
from starrygazer_ros.projection_parameters import TF


def complete_bag(options: argparse.Namespace) -> int:
    """Complete a bag as the options say; see ``starrygazer bag --help``.

    Raises:
        BagError: the bag cannot be completed.
        CompletionError: the model cannot be used.
    """
    output: Path = options.output
    if output.exists():
        raise BagError(f"{output} exists: choose another name, or remove it")
    if not output.absolute().parent.is_dir():
        raise BagError(f"there is no folder {output.parent}")
    namespace = _namespace(options.namespace)
    values = read_parameters(options.params_file, options.parameter, namespace)
    wanted = tuple(name for name in OUTPUTS if name.split("/")[1] in options.outputs)
    output_topics = {name: f"{namespace}/{name}" for name in wanted}
    kept = partial_folder(output)
    try:
        with open_recording(options.input) as recording:
            topics = choose_topics(
                recording, options.image, options.sparse_depth, options.camera_info
            )
            _require_free(recording, output_topics)
            if topics.sparse_depth.type == POINT_CLOUD and not values.rectified:
                raise BagError(
                    "point clouds need rectified:=true and the topic of the rectified image: depth "
                    "and cloud are those of that image"
                )
            if topics.sparse_depth.type == POINT_CLOUD and values.extrinsics_source == TF:
                transforms = choose_transforms(recording, options.tf_topic, options.tf_static_topic)
                topics = replace(topics, transforms=transforms)
            _make(recording, topics, values, output, output_topics)
    except KeyboardInterrupt:
        if kept.exists():
            say(f"interrupted: {kept} keeps what is done; the same command continues it")
        return EXIT_INTERRUPTED
    except CompletionError:  # some of which are errors of the system, too
        raise
    except OSError as error:
        done = ": what is done is kept there; mend that and repeat the command"
        raise BagError(
            f"{kept} cannot be written ({error}){done if kept.exists() else ''}"
        ) from error
    return EXIT_OK


def _make(
    recording: Recording,
    topics: InputTopics,
    values: CompletionParameters,
    output: Path,
    output_topics: dict[str, str],
) -> None:
    """Complete the frames, then write the bag."""
    completer = DepthCompleter.from_bundle(
        values.model,
        values.backend,
        values.threads,
        values.min_sparse_points,
        values.filter_occluded,
        options=values.engine_options(),
        say=say,
    )
    completer.self_check()
    job = _job(recording, topics, values, completer, output_topics)
    with PartialBag(output, job) as partial:
        _announce(topics, partial)
        bag_completer = BagCompleter(
            recording, topics, values, completer, partial, tuple(output_topics)
        )
        with _bar(topics.image.count, "completing", "image") as on_image:
            bag_completer.run(on_image)
        outcome = bag_completer.outcome
        if not outcome.completed:
            partial.remove()
            reasons = "; ".join(outcome.reasons.values()) or "it has no image and sparse depth"
            raise BagError(f"no frame of {recording.path} could be completed: {reasons}")
        with _bar(recording.message_count, "writing", "message") as on_message:
            assembled = assemble(recording, topics, partial, output_topics, on_message)
        partial.finish()
    _report(recording, output, outcome, assembled)


def _namespace(given: str) -> str:
    """With a slash in front, as ROS takes it; empty for none."""
    bare = given.strip("/")
    if bare and not re.fullmatch(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", bare, re.ASCII):
        raise BagError(
            f"--namespace {given}: names have letters, digits and underscores, no digit in front"
        )
    return f"/{bare}" if bare else ""


def _require_free(recording: Recording, output_topics: dict[str, str]) -> None:
    taken = [topic for topic in output_topics.values() if recording.of_topic(topic)]
    if taken:
        raise BagError(
            f"the bag has {', '.join(taken)} already: choose other names with --namespace"
        )


def _job(
    recording: Recording,
    topics: InputTopics,
    values: CompletionParameters,
    completer: DepthCompleter,
    output_topics: dict[str, str],
) -> dict[str, Any]:
    """All that the outputs depend on."""
    without = {entry.name for entry in fields(CommonParameters)} | {"threads", "model", "backend"}
    stats = [(file.name, file.stat()) for file in recording.files]
    bundle = completer.bundle
    return {
        "version": __version__,
        "input": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats],
        "image": topics.image.name,
        "sparse depth": topics.sparse_depth.name,
        "camera_info": topics.camera_info and topics.camera_info.name,
        "transforms": sorted(topics.transforms),
        "outputs": list(output_topics.values()),
        "model": [bundle.mde.sha256, bundle.refinement.sha256],
        **{
            entry.metadata["name"]: getattr(values, entry.name)
            for entry in fields(values)
            if entry.name not in without
        },
    }


def _announce(topics: InputTopics, partial: PartialBag) -> None:
    for what, topic in (
        ("image", topics.image),
        ("sparse depth", topics.sparse_depth),
        ("camera_info", topics.camera_info),
    ):
        found = f"{topic.name} ({topic.count} of {topic.type})" if topic else "none in the bag"
        say(f"{what}: {found}")
    if topics.transforms:
        say(f"transforms: {', '.join(topics.transforms)}")
    if topics.passed_over:
        say(
            "it was projected into the image already; --sparse-depth takes "
            f"{' or '.join(topics.passed_over)} instead"
        )
    if partial.resumed:
        say(f"continues {partial.folder}")


@contextmanager
def _bar(total: int, what: str, unit: str) -> Iterator[Callable[[], None]]:
    """A progress bar; gives what advances it by one."""
    with tqdm(total=total, desc=what, unit=f" {unit}s", mininterval=bar_interval()) as bar:
        yield lambda: bar.update() and None


def _report(recording: Recording, output: Path, outcome: Outcome, assembled: Assembled) -> None:
    for cause, count in sorted(outcome.skipped.items()):
        reason = outcome.reasons.get(cause)
        say(f"skipped: {count} {cause}{f': {reason}' if reason else ''}")
    for cause, reason in outcome.reasons.items():
        if cause not in outcome.skipped:
            say(f"{cause}: {reason}")
    if assembled.damage:
        behind = f", and of what lies behind it {assembled.behind} messages of the inputs"
        say(
            f"{assembled.damage}: what came before is in {output}"
            f"{behind if assembled.behind else ''}"
        )
        if lost := outcome.completed - max(assembled.added.values(), default=0):
            say(f"{lost} completed frames lie behind the damage and are lost")
    elif missing := recording.message_count - assembled.copied:
        say(f"{missing} messages that {recording.path} says it has could not be found in it")
    added = ", ".join(f"{topic} ({count})" for topic, count in assembled.added.items())
    print(
        f"completed {outcome.completed} of {outcome.images} images with "
        f"{outcome.sparse_depths} sparse depths -> {output}: "
        f"{assembled.copied} messages copied; added {added}"
    )
