"""TensorRT 10.3 to 11.x, and TensorRT-RTX through the same API: build, cache, run on the GPU."""
