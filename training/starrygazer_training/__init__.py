"""Offline training of the model bundles that starrygazer_ros runs."""
