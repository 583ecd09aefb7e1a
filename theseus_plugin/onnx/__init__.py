"""Checkpoint to ONNX: export, parity check, sessions."""
