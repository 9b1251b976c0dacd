"""What runs a model on one clip after the other: PyTorch, ONNX Runtime or OpenVINO."""
