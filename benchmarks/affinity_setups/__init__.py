"""Problems and measurements of ``benchmarks/affinity.py``."""
