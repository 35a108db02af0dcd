"""Arguments of the benchmarks that say what runs the networks."""

from __future__ import annotations

import argparse

from starrygazer_ros.backends.names import AUTO, BACKENDS, ONNXRUNTIME, PRECISIONS


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add --backend and --precision; what is published comes from ONNX Runtime."""
    parser.add_argument(
        "--backend", choices=BACKENDS, default=ONNXRUNTIME, help="default: %(default)s"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=AUTO, help="default: %(default)s"
    )
