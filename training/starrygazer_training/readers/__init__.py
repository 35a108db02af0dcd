"""Readers for the official layouts of depth-completion data sets (docs/datasets.md)."""

from starrygazer_training.readers.errors import DatasetLayoutError, DatasetOptionError
from starrygazer_training.readers.folder import TripleFolder
from starrygazer_training.readers.kitti import KittiDrives, KittiSelection
from starrygazer_training.readers.layouts import READERS, open_dataset, parse_options, recognise
from starrygazer_training.readers.nyu import NyuFrames, NyuLabelled
from starrygazer_training.readers.sample import CompletionDataset, Sample
from starrygazer_training.readers.void import VoidRelease

__all__ = [
    "READERS",
    "CompletionDataset",
    "DatasetLayoutError",
    "DatasetOptionError",
    "KittiDrives",
    "KittiSelection",
    "NyuFrames",
    "NyuLabelled",
    "Sample",
    "TripleFolder",
    "VoidRelease",
    "open_dataset",
    "parse_options",
    "recognise",
]
