"""Bundles with a monocular network of the user's own; needs the package onnx."""
