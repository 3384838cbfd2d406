"""Benchmarks: the testbed's catalog beside quilt3, and nightproof beside plain pytest."""
