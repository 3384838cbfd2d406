"""Athena of the embedded account: SQL on DuckDB over S3 and Glue, with the rights of the caller."""
