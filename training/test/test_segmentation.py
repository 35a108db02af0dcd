"""Segments follow relative depth, SAM's masks become labels, the cache forgets nothing in use."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from small_data import PHOTOS, write_data
from starrygazer_training import sam, segment_cache
from starrygazer_training.config import ConfigError, RefineConfig
from starrygazer_training.pair_files import prepare
from starrygazer_training.sam import SamParams, labels_from_masks, segment_with_sam
from starrygazer_training.segment_cache import SegmentCache
from starrygazer_training.segmentation import (
    SegmentParams,
    distance_to_border,
    segment,
    snap,
)

SHAPE = (96, 128)
INSIDE, OUTSIDE = (50, 65), (5, 5)


def photograph() -> tuple[np.ndarray, np.ndarray]:
    """A near box before a far wall: image uint8 [H, W, 3], relative inverse depth."""
    image = np.full((*SHAPE, 3), 200, np.uint8)
    relative = np.full(SHAPE, 0.1, np.float32)
    image[30:70, 40:90] = (30, 60, 120)
    relative[30:70, 40:90] = 0.8
    return image, relative


def test_segments_follow_relative_depth_without_an_image() -> None:
    _, relative = photograph()
    segments = segment(relative)
    assert segments.shape == SHAPE
    assert segments.dtype == np.int32
    assert segments[INSIDE] != segments[OUTSIDE]
    assert (segments[34:66, 44:86] == segments[INSIDE]).mean() > 0.95


def test_depth_ignores_an_image_with_other_edges() -> None:
    image, relative = photograph()
    other = np.roll(image, 30, axis=1)
    np.testing.assert_array_equal(segment(relative), segment(relative, other))


@pytest.mark.parametrize(("factor", "offset"), [(1e-4, 0.0), (1e3, -400.0), (1.0, 1e4)])
def test_scale_and_offset_of_relative_depth_do_not_matter(factor: float, offset: float) -> None:
    _, relative = photograph()
    changed = (factor * relative.astype(np.float64) + offset).astype(np.float32)
    np.testing.assert_array_equal(segment(relative), segment(changed))


def test_a_road_is_one_segment() -> None:
    relative = np.repeat(np.linspace(0, 1, 200, dtype=np.float32)[:, None], 260, axis=1)
    assert segment(relative).max() == 0
    relative[60:120, 100:160] += 0.5
    assert len(np.unique(segment(relative)[[190, 10, 90], [20, 20, 130]])) == 2


def test_flat_relative_depth_is_one_segment() -> None:
    assert (segment(np.full(SHAPE, 3.0, np.float32)) == 0).all()


def test_colour_separates_what_relative_depth_does_not() -> None:
    image, _ = photograph()
    flat = np.zeros(SHAPE, np.float32)
    for channels in ("rgb", "depth+rgb"):
        segments = segment(flat, image, SegmentParams(channels))
        assert segments[INSIDE] != segments[OUTSIDE]


def test_colour_alone_ignores_relative_depth() -> None:
    image, relative = photograph()
    params = SegmentParams("rgb")
    np.testing.assert_array_equal(
        segment(relative, image, params), segment(relative[::-1].copy(), image, params)
    )


def test_a_large_photograph_keeps_its_size_and_every_label() -> None:
    _, relative = photograph()
    large = cv2.resize(relative, (1280, 960), interpolation=cv2.INTER_NEAREST)
    segments = segment(large)
    assert segments.shape == (960, 1280)
    assert set(np.unique(segments)) == set(range(segments.max() + 1))


def test_borders_move_to_the_edges_of_the_photograph() -> None:
    image, relative = photograph()
    beside = np.roll(relative, 3, axis=1)
    plain = segment(beside, image)
    snapped = segment(beside, image, SegmentParams(snap_band=6))
    wrong = [((s == s[INSIDE]) != (relative > 0.5)).mean() for s in (plain, snapped)]
    assert wrong[0] > 0.01  # without, a strip is lost on the left
    assert wrong[1] < 0.001  # corners are rounded


def test_the_ramp_of_a_blurred_edge_is_no_segment() -> None:
    image, relative = photograph()
    labels = np.where(relative > 0.5, 2, 0).astype(np.int32)
    labels[27:30, 40:90] = 1
    blurred = np.where(labels == 1, 0.45, relative).astype(np.float32)
    snapped = snap(labels, blurred, image, band=8)
    assert snapped.max() == 1
    assert (snapped != (relative > 0.5)).mean() < 0.001  # corners are rounded


def test_all_thin_segments_stay_if_they_are_no_ramps() -> None:
    labels = np.repeat(np.arange(32, dtype=np.int32), 4)[None].repeat(96, axis=0)
    image, _ = photograph()
    near_and_far = (labels % 2).astype(np.float32)
    assert snap(labels, near_and_far, image, band=8).max() == labels.max()


@pytest.mark.parametrize("width", [2, 4, 6])
def test_a_pole_before_a_wall_stays_whole(width: int) -> None:
    labels = np.zeros(SHAPE, np.int32)
    labels[20:, 60 : 60 + width] = 1
    image = np.where(labels[..., None] == 1, 40, 200).astype(np.uint8).repeat(3, axis=2)
    snapped = snap(labels, labels.astype(np.float32), image, band=5)
    assert ((snapped == snapped[60, 60]) == (labels == 1)).mean() > 0.999


def test_the_arm_of_a_large_segment_stays() -> None:
    image, relative = photograph()
    relative[48:54, 90:120], image[48:54, 90:120] = 0.8, (30, 60, 120)
    labels = (relative > 0.5).astype(np.int32)
    assert (snap(labels, relative, image, band=5) != labels).mean() < 0.001


def test_borders_move_by_the_band_at_most() -> None:
    image, relative = photograph()
    labels = np.roll(relative > 0.5, 12, axis=1).astype(np.int32)
    far = distance_to_border(labels) >= 5
    np.testing.assert_array_equal(snap(labels, relative, image, band=5)[far], labels[far])


def test_snapping_needs_the_image() -> None:
    _, relative = photograph()
    with pytest.raises(ValueError, match="need the image"):
        segment(relative, params=SegmentParams(snap_band=5))


def test_refuses_what_cannot_be_segmented() -> None:
    image, relative = photograph()
    with pytest.raises(ValueError, match="need the image"):
        segment(relative, params=SegmentParams("depth+rgb"))
    with pytest.raises(ValueError, match="image is"):
        segment(relative, image[:-1], SegmentParams("rgb"))
    with pytest.raises(ValueError, match="choose one of depth"):
        SegmentParams("colour")  # type: ignore[arg-type]
    relative[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        segment(relative)


def box(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def test_the_smaller_mask_lies_on_top() -> None:
    large, small = box(slice(10, 80), slice(10, 100)), box(slice(20, 40), slice(20, 50))
    for masks in ([large, small], [small, large]):
        labels = labels_from_masks(masks, SHAPE)
        assert len(np.unique(labels)) == 3
        np.testing.assert_array_equal(labels == labels[30, 30], small)
        np.testing.assert_array_equal(labels == labels[70, 60], large & ~small)


def test_every_uncovered_part_is_a_segment_of_its_own() -> None:
    wall = box(slice(0, 96), slice(60, 70))
    labels = labels_from_masks([wall], SHAPE)
    assert labels.dtype == np.int32
    assert len({int(labels[5, 5]), int(labels[5, 65]), int(labels[5, 120])}) == 3


def test_small_gaps_join_their_neighbour() -> None:
    mask = box(slice(0, 96), slice(0, 128))
    mask[40:43, 40:43] = False
    assert (labels_from_masks([mask], SHAPE) == 0).all()


def test_without_masks_there_is_one_segment() -> None:
    assert (labels_from_masks([], SHAPE) == 0).all()
    assert (labels_from_masks([], (4, 4)) == 0).all()  # smaller than any segment


@pytest.fixture
def fake_transformers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package whose SAM is :class:`HalfSam`."""

    class SamModel:
        @staticmethod
        def from_pretrained(checkpoint: Path, **options: bool) -> HalfSam:
            assert options == {"local_files_only": True, "use_safetensors": True}
            if (checkpoint / "model.safetensors").read_bytes() != b"weights":
                raise OSError("header\ntoo large")
            return HalfSam()

    package = ModuleType("transformers")
    package.SamModel = SamModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", package)
    sam._load_sam.cache_clear()
    return package


def write_checkpoint(folder: Path, config: str = '{"model_type": "sam"}') -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def sam_recipe(checkpoint: Path) -> RefineConfig:
    return RefineConfig(
        mde="default", segments="sam", sam_checkpoint=str(checkpoint), renders=0, render_share=0
    )


def test_the_recipe_chooses_sam(tmp_path: Path, fake_transformers: ModuleType) -> None:
    write_data(tmp_path / "data")
    recipe = sam_recipe(write_checkpoint(tmp_path / "sam"))
    pairs = prepare(tmp_path / "data", tmp_path / "work", recipe)
    assert len(pairs.photographs) == PHOTOS
    for photograph in pairs.photographs:
        labels = photograph.segments
        assert labels.max() == 1
        assert (labels[:, :62] == labels[0, 0]).all()
        assert (labels[:, 66:] == labels[0, -1]).all()


def test_what_sam_lacks_is_said_before_any_work(
    tmp_path: Path, fake_transformers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, work, folder = tmp_path / "data", tmp_path / "work", tmp_path / "sam"
    for config, message in (
        (None, r"sam holds no config\.json and no model\.safetensors: .*pickles"),
        ("{", r"config\.json is damaged .*download the checkpoint again"),
        ('{"model_type": "bert"}', "sam holds a model of type bert, not sam"),
    ):
        if config:
            write_checkpoint(folder, config)
        with pytest.raises(ConfigError, match=message):
            prepare(data, work, sam_recipe(folder))
    (write_checkpoint(folder) / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ConfigError, match=r"cannot be loaded as SAM \(header too large\)"):
        prepare(data, work, sam_recipe(folder))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match="pip install transformers"):
        prepare(data, work, sam_recipe(folder))
    assert not work.exists()


def test_sam_needs_its_checkpoint_and_changes_no_other_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sam_checkpoint is not given, but segments is sam"):
        RefineConfig(segments="sam")
    assert "sam_checkpoint" not in RefineConfig().identity  # runs from before SAM go on
    assert sam_recipe(tmp_path).identity["sam_checkpoint"] == str(tmp_path)


def test_sam_does_not_load_pickles(tmp_path: Path, fake_transformers: ModuleType) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"no model\.safetensors.*pickles"):
        segment_with_sam(photograph()[0], tmp_path)


def test_sam_of_first_weights_labels_every_pixel(tmp_path: Path) -> None:
    """The whole way through transformers' SamModel; its masks mean nothing before training."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.SamConfig(
        vision_config={
            "image_size": 64,
            "patch_size": 8,
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "output_channels": 32,
            "global_attn_indexes": [0],
            "window_size": 0,
            "mlp_dim": 32,
            "num_pos_feats": 16,
        },
        prompt_encoder_config={
            "hidden_size": 32,
            "image_size": 64,
            "patch_size": 8,
            "image_embedding_size": 8,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
    )
    transformers.SamModel(config).save_pretrained(tmp_path, safe_serialization=True)
    params = SamParams(tmp_path, points_per_side=4, quality=-10.0, stability=0.0)
    image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    labels = segment_with_sam(image, params)
    assert labels.shape == SHAPE
    assert labels.dtype == np.int32
    assert set(np.unique(labels)) == set(range(labels.max() + 1))


class HalfSam(torch.nn.Module):
    """Answers every point with the half of the image, left or right, in which it lies."""

    def __init__(self) -> None:
        super().__init__()
        vision = type("Vision", (), {"image_size": 64})()
        self.config = type("Config", (), {"vision_config": vision})()

    def get_image_embeddings(self, pixels: torch.Tensor) -> torch.Tensor:
        assert pixels.shape == (1, 3, 64, 64)
        assert (pixels[..., 48:, :] == 0).all()  # 96x128 fills three quarters of the square
        return pixels

    def forward(self, image_embeddings: torch.Tensor, input_points: torch.Tensor) -> object:
        assert input_points.ndim == 4
        assert input_points[..., 1].max() < 48
        left = input_points[0, :, 0, 0] < 32
        halves = torch.full((len(left), 3, 16, 16), -5.0)
        halves[left, :, :, :8] = 5.0
        halves[~left, :, :, 8:] = 5.0
        quality = torch.tensor([0.95, 0.9, 0.5]).expand(1, len(left), 3)
        return type("Output", (), {"pred_masks": halves[None], "iou_scores": quality})()


def test_sam_masks_come_back_in_the_photograph_without_duplicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam, "_load_sam", lambda _: HalfSam())
    labels = segment_with_sam(photograph()[0], tmp_path)
    assert labels.max() == 1
    assert (labels[:, :62] == labels[0, 0]).all()
    assert (labels[:, 66:] == labels[0, -1]).all()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[SegmentParams]:
    """Options of every segmentation that was really made."""
    made: list[SegmentParams] = []
    real = segment_cache.segment

    def counting(depth: np.ndarray, image: np.ndarray | None, params: SegmentParams) -> np.ndarray:
        made.append(params)
        return real(depth, image, params)

    monkeypatch.setattr(segment_cache, "segment", counting)
    return made


def test_the_cache_segments_once(tmp_path: Path, calls: list[SegmentParams]) -> None:
    _, relative = photograph()
    first = SegmentCache(tmp_path).labels("a/photo", relative)
    second = SegmentCache(tmp_path).labels("a/photo", relative)
    np.testing.assert_array_equal(first, second)
    assert second.dtype == np.int32
    assert len(calls) == 1
    assert not list(tmp_path.rglob("*.partial"))


def test_the_cache_tells_photographs_options_and_depths_apart(
    tmp_path: Path, calls: list[SegmentParams]
) -> None:
    image, relative = photograph()
    SegmentCache(tmp_path).labels("a", relative)
    SegmentCache(tmp_path).labels("b", relative)
    SegmentCache(tmp_path).labels("a", relative + np.eye(*SHAPE, dtype=np.float32))
    SegmentCache(tmp_path, SegmentParams(scale=20)).labels("a", relative)
    assert len(calls) == 4
    SegmentCache(tmp_path).labels("a", relative, image)  # depth alone does not see the image
    assert len(calls) == 4
    colour = SegmentCache(tmp_path, SegmentParams("rgb"))
    colour.labels("a", relative, image)
    colour.labels("a", relative, image + np.uint8(1))
    assert len(calls) == 6
    snapped = SegmentCache(tmp_path, SegmentParams(snap_band=5))
    snapped.labels("a", relative, image)
    snapped.labels("a", relative, image + np.uint8(1))
    assert len(calls) == 8


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_entry_is_made_again(
    tmp_path: Path,
    calls: list[SegmentParams],
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
) -> None:
    _, relative = photograph()
    cache = SegmentCache(tmp_path)
    first = cache.labels("a", relative)
    path = cache.path("a", relative)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(cache.labels("a", relative), first)
    assert len(calls) == 2
    assert [r.getMessage().startswith(f"{path} is damaged") for r in caplog.records] == [True]
    caplog.clear()
    cache.labels("a", relative)
    assert len(calls) == 2
    assert not caplog.records


def test_an_entry_of_another_kind_is_made_again(
    tmp_path: Path, calls: list[SegmentParams], caplog: pytest.LogCaptureFixture
) -> None:
    _, relative = photograph()
    cache = SegmentCache(tmp_path)
    path = cache.path("a", relative)
    path.parent.mkdir(parents=True)
    np.savez(path, labels=np.array([{"a": 1}], dtype=object))  # needs a pickle: not loaded
    assert cache.labels("a", relative).shape == SHAPE
    np.savez(path, labels=np.zeros((2, 2), np.uint8))
    assert cache.labels("a", relative).shape == SHAPE
    assert len(calls) == 2
    assert len(caplog.records) == 2


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SegmentCache(tmp_path).labels("a", photograph()[1])
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize("key", ["", "/etc/a", "../a", "a/../../b"])
def test_a_key_stays_inside_the_cache(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="no name inside the cache"):
        SegmentCache(tmp_path).labels(key, photograph()[1])


def test_sam_segments_are_cached_by_their_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, relative = photograph()
    monkeypatch.setattr(sam, "_load_sam", lambda _: HalfSam())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    first = SegmentCache(tmp_path / "cache", SamParams(tmp_path))
    assert first.labels("a", relative, image).max() == 1
    weights.write_bytes(b"two")
    second = SegmentCache(tmp_path / "cache", SamParams(tmp_path))
    assert first.path("a", relative, image) != second.path("a", relative, image)
    with pytest.raises(ValueError, match="need the image"):
        second.labels("b", relative)
