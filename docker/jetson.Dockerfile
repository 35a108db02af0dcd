# ROS 2 and TensorRT on a Jetson. BASE is an image for the JetPack of the device that holds TensorRT's
# Python package, PyTorch with CUDA, and ROS 2 in /opt/ros, such as those of the project
# jetson-containers (jetson-containers build pytorch tensorrt ros:humble-ros-base):
#   docker build -f docker/jetson.Dockerfile --build-arg BASE=IMAGE:TAG -t starrygazer .
#   docker run --rm -it --runtime nvidia --network host --ipc host \
#       -v starrygazer_cache:/cache starrygazer ros2 launch starrygazer_ros complete.launch.py
ARG BASE
# hadolint ignore=DL3006
FROM ${BASE}

ENV PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_NO_CACHE_DIR=1 \
    XDG_CACHE_HOME=/cache

WORKDIR /ws
COPY . src/starrygazer_ros
# ONNX Runtime is the reference of the self-check and what runs where TensorRT cannot. PyTorch and
# TensorRT stay those of the base image. 1.23.2 is the last for Python 3.10 (JetPack 6).
RUN pip3 install onnxruntime==1.23.2
SHELL ["/bin/bash", "-c"]
RUN source "/opt/ros/${ROS_DISTRO}/setup.bash" \
    && colcon build --packages-select starrygazer_ros

ENV FASTDDS_DEFAULT_PROFILES_FILE=/ws/install/starrygazer_ros/share/starrygazer_ros/config/fastdds_large_images.xml \
    FASTRTPS_DEFAULT_PROFILES_FILE=/ws/install/starrygazer_ros/share/starrygazer_ros/config/fastdds_large_images.xml
COPY docker/entrypoint.sh /entrypoint.sh
VOLUME /cache
ENTRYPOINT ["/entrypoint.sh"]
CMD ["starrygazer", "doctor"]
