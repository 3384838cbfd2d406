"""Benchmarks: what the testbed's catalog costs beside the quilt3 library that reads the same from S3."""
