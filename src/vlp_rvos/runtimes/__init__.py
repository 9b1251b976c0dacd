"""Runtimes: PyTorch, ONNX Runtime and OpenVINO, each of which runs a model clip by clip."""
