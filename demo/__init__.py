"""A camera, the completion node and a recorder as three processes: ``python -m demo``."""

import benchmarks  # noqa: F401  its environment must be set before NumPy is imported
