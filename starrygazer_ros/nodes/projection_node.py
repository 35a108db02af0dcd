"""The executable ``projection_node``."""

from __future__ import annotations

import sys

from starrygazer_ros.nodes.stopping import stop_on_signals


def main() -> None:
    """Run the node until SIGINT or SIGTERM."""
    stop = stop_on_signals()
    # These take most of a second to import, and a signal may come before they are there.
    try:
        from starrygazer_ros.nodes.projection import ProjectionNode
        from starrygazer_ros.nodes.running import run
    except ModuleNotFoundError as error:
        sys.exit(f"projection_node needs ROS 2 ({error}): source its setup.bash first")

    sys.exit(run([ProjectionNode], stop))


if __name__ == "__main__":
    main()
