"""Configuration: one loader reads everything that a night is told, and refuses it before anything starts."""
