"""What may be wrong with bundles that users make."""

from __future__ import annotations

from starrygazer_ros.completion import CompletionError


class OwnModelError(CompletionError):
    """A user's network or bundle cannot be used or made."""

    cause = "own_model"
