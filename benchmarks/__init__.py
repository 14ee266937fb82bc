"""Benchmarks that back the numbers in README.md."""
