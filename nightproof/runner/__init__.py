"""Owns the child processes of cells and reads their event logs."""
