"""Prefect tasks: thin shells around plain functions."""
