# ROS 2 and TensorRT on a PC with an NVIDIA GPU:
#   docker build -f docker/desktop.Dockerfile -t starrygazer .
#   docker run --rm -it --gpus all --network host --ipc host \
#       -v starrygazer_cache:/cache starrygazer ros2 launch starrygazer_ros complete.launch.py
ARG DISTRO=jazzy
FROM ros:${DISTRO}-ros-base

# Ubuntu 24.04 lets pip install beside apt only when it is told so.
ENV PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_NO_CACHE_DIR=1 \
    XDG_CACHE_HOME=/cache

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/*
RUN pip3 install torch==2.13.0 tensorrt==10.16.1.11

WORKDIR /ws
COPY . src/starrygazer_ros
# onnxruntime comes from rosdep's pip key; the lists of apt are fetched anew for it.
RUN apt-get update \
    && rosdep update --rosdistro "${ROS_DISTRO}" \
    && rosdep install --from-paths src --ignore-src -y \
    && rm -rf /var/lib/apt/lists/*
SHELL ["/bin/bash", "-c"]
RUN source "/opt/ros/${ROS_DISTRO}/setup.bash" \
    && colcon build --packages-select starrygazer_ros

# Of both names the one counts that the distribution's Fast DDS knows.
ENV FASTDDS_DEFAULT_PROFILES_FILE=/ws/install/starrygazer_ros/share/starrygazer_ros/config/fastdds_large_images.xml \
    FASTRTPS_DEFAULT_PROFILES_FILE=/ws/install/starrygazer_ros/share/starrygazer_ros/config/fastdds_large_images.xml
COPY docker/entrypoint.sh /entrypoint.sh
# Plans depend on the GPU: they are built at the first start and kept in this volume.
VOLUME /cache
ENTRYPOINT ["/entrypoint.sh"]
CMD ["starrygazer", "doctor"]
