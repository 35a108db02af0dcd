"""Which topics of a bag are the transforms."""

from __future__ import annotations

from starrygazer_ros.bags.messages import TF_MESSAGE
from starrygazer_ros.bags.recording import BagError, Recording
from starrygazer_ros.bags.topics import Topic, given_topic, recorded_topics

USUAL, USUAL_STATIC = "/tf", "/tf_static"


def choose_transforms(
    recording: Recording, moving: str | None = None, static: str | None = None
) -> dict[str, bool]:
    """The given topics, else the usual ones, else the only ones of the type, as in a namespace.

    Args:
        recording: an open bag.
        moving: name of the topic of transforms that change.
        static: name of the topic of transforms that do not; it is told from the others by the
            word static in its name.

    Returns:
        Whether they are static by topic; none for what was not recorded.

    Raises:
        BagError: a topic was not recorded, is of another type, or has to be given.
    """
    topics = recorded_topics(recording)
    of_type = [topic for topic in topics.values() if topic.type == TF_MESSAGE]
    chosen: dict[str, bool] = {}
    for given, usual, option, is_static in (
        (moving, USUAL, "--tf-topic", False),
        (static, USUAL_STATIC, "--tf-static-topic", True),
    ):
        others = [moving, static]
        candidates = [
            topic
            for topic in of_type
            if _is_static(topic) == is_static and topic.name not in others
        ]
        if given:
            found: Topic | None = given_topic(topics, given, option, (TF_MESSAGE,))
        else:
            found = _usual_or_only(candidates, usual, option)
        if found is not None:
            if found.name in chosen:
                raise BagError(f"{found.name} cannot be both --tf-topic and --tf-static-topic")
            chosen[found.name] = is_static
    return chosen


def _is_static(topic: Topic) -> bool:
    return "static" in topic.name.rsplit("/", 1)[-1]


def _usual_or_only(candidates: list[Topic], usual: str, option: str) -> Topic | None:
    names = sorted(topic.name for topic in candidates)
    if usual in names or len(names) == 1:
        name = usual if usual in names else names[0]
        return next(topic for topic in candidates if topic.name == name)
    if not names:
        return None
    choice = " or ".join(f"{option} {name}" for name in names)
    raise BagError(
        f"which topic are the transforms? The bag has {len(names)}: choose with {choice}"
    )
