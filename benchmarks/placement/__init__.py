"""Where ONNX Runtime's CUDA provider puts the nodes of files, asked of that provider itself, on a machine without a card.

`python -m benchmarks.placement` writes `docs/cuda.md`, `python -m benchmarks.placement.registry` the table of kernels that the
compiler reads.
"""
