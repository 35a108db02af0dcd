"""Package starrygazer_ros, for colcon (ament_python) and for plain pip."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "starrygazer_ros"
SHARE = f"share/{PACKAGE}"


def files(folder: str) -> list[str]:
    """Files of a folder, none if it does not exist (a checkout without a trained model)."""
    return sorted(str(path) for path in Path(folder).glob("*") if path.is_file())


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Depth completion for ROS 2: camera image and sparse LiDAR depth to dense depth",
    license="Apache-2.0",
    maintainer="starrygazer_ros maintainers",
    maintainer_email="maintainers@starrygazer.invalid",
    python_requires=">=3.10",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", files("launch")),
        (f"{SHARE}/config", files("config")),
        (f"{SHARE}/models/default", files("models/default")),
        (f"{SHARE}/models/fast", files("models/fast")),
        (f"{SHARE}/models/fine", files("models/fine")),
        (f"{SHARE}/models/instant", files("models/instant")),
    ],
    install_requires=[
        "numpy>=1.21",
        "onnxruntime>=1.16",
        "opencv-python-headless>=4.5.4",
        "PyYAML>=5.4",
    ],
    extras_require={
        "bags": ["rosbags>=0.11.9,<0.12", "tqdm>=4.66"],
        "models": ["onnx>=1.16", "scikit-image>=0.25"],
        "gpu": ["tensorrt>=10.3", "torch>=2.4"],
        "openvino": ["openvino>=2025.4"],
        "tensorrt": ["tensorrt>=10.3", "torch>=2.4"],
        "tensorrt_rtx": ["tensorrt-rtx>=1.4", "torch>=2.4"],
        "demo": ["scikit-image>=0.25"],
        "test": ["onnx", "pytest"],
    },
    zip_safe=True,
    entry_points={
        "console_scripts": [
            "completion_node = starrygazer_ros.nodes.completion_node:main",
            "projection_node = starrygazer_ros.nodes.projection_node:main",
            "demo_camera = starrygazer_ros.demo.camera:main",
            "starrygazer = starrygazer_ros.cli:main",
        ],
    },
)
