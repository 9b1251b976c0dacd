"""Copies of a trained model for other runtimes than PyTorch: ONNX Runtime and OpenVINO."""
