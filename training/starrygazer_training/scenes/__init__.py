"""Rendered scenes: rooms, streets and heaps with textured images and exact depth."""
