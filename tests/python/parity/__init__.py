"""Comparison with PyTorch over its operator database: every sample, forward and backward, and every error.

    cd tests/python && PYTHONPATH=../../build/release/python python -m parity [--full] [NAME ...]

runs it by hand; `test_parity.py` runs it under pytest and holds it to its thresholds.
"""
