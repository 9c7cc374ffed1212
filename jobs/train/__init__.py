"""Training of the small networks that ship with Sunroom; needs the extra `train` (torch, onnx)."""
