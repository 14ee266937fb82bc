"""Models that are trained in the benchmarks, each a function of the library."""
