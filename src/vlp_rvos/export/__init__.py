"""Export a trained model for ONNX Runtime or OpenVINO."""
