"""Accuracy and speed measurements; run from the repository root, never installed."""
