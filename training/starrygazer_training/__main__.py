"""``python -m starrygazer_training`` is ``starrygazer-train``."""

import sys

from starrygazer_training.cli import main

if __name__ == "__main__":
    sys.exit(main())
