"""Tabulator's tables in Athena: the rows of the latest revisions, as the catalog's tables and the caller's rights say."""

# ruff: noqa: S608 - statements put together are what is tested here

from __future__ import annotations
