"""Athena of the embedded account: real SQL on DuckDB over S3 and Glue, with the caller's rights."""
