"""Parameters of the completion node: one table for declaration, validation and documentation."""

from __future__ import annotations

from dataclasses import dataclass

from starrygazer_ros.backends.names import AUTO, BACKENDS, PRECISIONS
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.clouds import CLOUD_FIELDS, XYZRGB, CloudOptions
from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.completion.completer import DEFAULT_MIN_SPARSE_POINTS
from starrygazer_ros.completion.doubts import DoubtLimits
from starrygazer_ros.completion.edge_alignment import FARTHEST
from starrygazer_ros.compressed import IMAGE_TRANSPORTS, RAW, SPARSE_DEPTH_TRANSPORTS
from starrygazer_ros.depth_encodings import DEPTH_ENCODINGS
from starrygazer_ros.matching import APPROXIMATE, LATEST, POLICIES, Rule
from starrygazer_ros.parameters import When, parameter
from starrygazer_ros.projection_parameters import CloudParameters

POINTS = "points"


@dataclass(frozen=True)
class CompletionParameters(CommonParameters, CloudParameters):
    """Values of all parameters of the completion node, which may also project point clouds.

    Raises:
        ValueError: a value is not allowed, or the values do not go together.
    """

    model: str = parameter(
        "model",
        "default",
        "Model bundle: name of an installed bundle or path of its folder.",
        When.CONFIGURE,
    )
    backend: str = parameter(
        # Checked on configure like the model, so that the node stays alive to be told better.
        "backend",
        "auto",
        f"Inference back end, one of {', '.join(BACKENDS)}; auto takes the fastest usable one.",
        When.CONFIGURE,
    )
    threads: int = parameter(
        "threads", 2, "CPU threads of one inference.", When.CONFIGURE, limits=(1, 256)
    )
    precision: str = parameter(
        "precision",
        AUTO,
        "What the back end computes in; auto is, where the model has graphs of it that pass the "
        "self-check, int8 on a CPU with fast products of bytes and fp16 on a GPU; else fp32.",
        When.CONFIGURE,
        choices=PRECISIONS,
    )
    tensorrt_max_height: int = parameter(
        "tensorrt.max_height",
        EngineOptions.max_height,
        "Largest height of images with TensorRT [pixels].",
        When.CONFIGURE,
        limits=(32, 4096),
    )
    tensorrt_max_width: int = parameter(
        "tensorrt.max_width",
        EngineOptions.max_width,
        "Largest width of images with TensorRT [pixels].",
        When.CONFIGURE,
        limits=(32, 4096),
    )
    tensorrt_workspace_mib: int = parameter(
        "tensorrt.workspace_mib",
        EngineOptions.workspace_mib,
        "GPU memory that a layer may use while TensorRT builds and runs [MiB].",
        When.CONFIGURE,
        limits=(16, 65_536),
    )
    watchdog_timeout: float = parameter(
        "watchdog.timeout",
        30.0,
        "A pair that is longer in work is given up, and the model is loaded again [s]; 0 = never.",
        When.RUNNING,
        limits=(0.0, 3600.0),
    )
    min_sparse_points: int = parameter(
        "min_sparse_points",
        DEFAULT_MIN_SPARSE_POINTS,
        "Sparse depth images with fewer valid points are refused.",
        When.RUNNING,
        limits=(1, 1_000_000),
    )
    filter_occluded: bool = parameter(
        "filter_occluded",
        True,
        "Leave out background points seen past edges where the sparse depth is full of them; of "
        "point clouds those that the LiDAR sees and the camera does not.",
        When.RUNNING,
    )
    image_transport: str = parameter(
        "input.image_transport",
        RAW,
        "How images arrive: on image (raw) or on image/compressed (JPEG, PNG).",
        When.CONFIGURE,
        choices=IMAGE_TRANSPORTS,
    )
    sparse_depth_transport: str = parameter(
        "input.sparse_depth_transport",
        RAW,
        "How sparse depth arrives: raw, as 16-bit PNG on sparse_depth/compressed or "
        "sparse_depth/compressedDepth, or as point clouds on points, which this node projects.",
        When.CONFIGURE,
        choices=(*SPARSE_DEPTH_TRANSPORTS, POINTS),
    )
    sync_policy: str = parameter(
        "sync.policy",
        APPROXIMATE,
        "Which sparse depth an image gets: that of the same stamp (exact), that of the nearest "
        "stamp (approximate), or the newest, also several times (latest).",
        When.RUNNING,
        choices=POLICIES,
    )
    sync_slop: float = parameter(
        "sync.slop",
        0.05,
        "For approximate: stamps of a pair differ by less than this [s]; 0 = by nothing.",
        When.RUNNING,
        limits=(0.0, 10.0),
    )
    sync_queue_size: int = parameter(
        "sync.queue_size",
        10,
        "Images and sparse depth images that wait for their partner, each.",
        When.RUNNING,
        limits=(1, 1000),
    )
    sync_max_age: float = parameter(
        "sync.max_age",
        0.2,
        "For latest: stamps of a pair differ by no more than this [s].",
        When.RUNNING,
        limits=(0.0, 3600.0),
    )
    depth_encoding: str = parameter(
        "depth_encoding",
        "32FC1",
        "Dense depth as 32FC1 (metres, NaN = unknown) or 16UC1 (millimetres, 0 = unknown).",
        When.RUNNING,
        choices=DEPTH_ENCODINGS,
    )
    output_scale: float = parameter(
        "output.scale",
        1.0,
        "Size of depth, confidence and cloud over that of the image; depth/camera_info follows.",
        When.RUNNING,
        limits=(0.05, 1.0),
    )
    points_fields: str = parameter(
        "points.fields",
        XYZRGB,
        "Fields of the cloud: with the image's colour (xyzrgb), or with the confidence as "
        "intensity (xyzi).",
        When.RUNNING,
        choices=CLOUD_FIELDS,
    )
    points_organized: bool = parameter(
        "points.organized",
        True,
        "Keep rows and columns in the cloud; otherwise leave out unknown points.",
        When.RUNNING,
    )
    points_stride: int = parameter(
        "points.stride",
        1,
        "The cloud has every so many rows and columns.",
        When.RUNNING,
        limits=(1, 64),
    )
    points_min_confidence: float = parameter(
        "points.min_confidence",
        0.0,
        "Points of less confidence are left out of the cloud.",
        When.RUNNING,
        limits=(0.0, 1.0),
    )
    points_edge_ratio: float = parameter(
        "points.edge_ratio",
        0.0,
        "Points between the two sides of a depth edge are left out of the cloud, this share of "
        "depth from both; 0 = none are.",
        When.RUNNING,
        limits=(0.0, 1.0),
    )

    max_offset: float = parameter(
        "diagnostics.max_offset",
        0.018,  # images of 30 Hz are at most 17 ms from any stamp
        "Diagnostics warn of pairs whose stamps differ by more, except with sync.policy latest "
        "[s]; 0 = never.",
        When.RUNNING,
        limits=(0.0, 10.0),
    )
    max_contradicted_share: float = parameter(
        "diagnostics.max_contradicted_share",
        DoubtLimits.contradicted,
        "Diagnostics warn when a larger share of the sparse points is overruled by what is around "
        "them, 0..1; 0 = never.",
        When.RUNNING,
        limits=(0.0, 1.0),
    )
    max_far_share: float = parameter(
        "diagnostics.max_far_share",
        DoubtLimits.far,
        "Diagnostics warn when a larger share of the image is far from any sparse point, 0..1; 0 = "
        "never.",
        When.RUNNING,
        limits=(0.0, 1.0),
    )
    max_lost_share: float = parameter(
        "diagnostics.max_lost_share",
        DoubtLimits.lost,
        "Diagnostics warn when a larger share of the usual number of sparse points is missing, "
        "0..1; 0 = never.",
        When.RUNNING,
        limits=(0.0, 1.0),
    )
    max_shift: float = parameter(
        "diagnostics.max_shift",
        DoubtLimits.shift,
        "Diagnostics warn when the sparse depth jumps farther than this beside the image's edges "
        "[pixels]; 0 = never.",
        When.RUNNING,
        limits=(0.0, FARTHEST - 1.0),
    )
    check_image: bool = parameter(
        "diagnostics.check_image",
        DoubtLimits.image,
        "Diagnostics warn of dark, overexposed and blurred images.",
        When.RUNNING,
    )

    def check_together(self) -> None:
        """See :meth:`Parameters.check_together`."""
        super().check_together()
        if self.sparse_depth_transport == POINTS and not self.rectified:
            raise ValueError(
                "input.sparse_depth_transport points needs rectified true: depth and cloud are "
                "those of the rectified image"
            )

    def engine_options(self) -> EngineOptions:
        """Settings of the engines beside back end and threads."""
        return EngineOptions(
            self.precision,
            self.tensorrt_max_height,
            self.tensorrt_max_width,
            self.tensorrt_workspace_mib,
        )

    def largest_offset(self) -> float:
        """From when on the stamps of a pair differ by much [s]; 0 = it is meant to be so."""
        return 0.0 if self.sync_policy == LATEST else self.max_offset

    def doubt_limits(self) -> DoubtLimits:
        """From when on a depth may be wrong."""
        return DoubtLimits(
            self.max_contradicted_share,
            self.max_far_share,
            self.max_lost_share,
            self.max_shift,
            self.check_image,
        )

    def cloud_options(self) -> CloudOptions:
        """What the point cloud holds."""
        return CloudOptions(
            self.points_fields,
            self.points_organized,
            self.points_stride,
            self.points_min_confidence,
            self.points_edge_ratio,
        )

    def sync_rule(self) -> Rule:
        """What a pair of image and sparse depth is."""
        return Rule(self.sync_policy, self.sync_slop, self.sync_queue_size, self.sync_max_age)
