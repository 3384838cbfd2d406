"""The child processes of cells, and the reading of their event logs."""
