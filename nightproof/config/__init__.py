"""Configuration: one loader reads all settings of a night and refuses wrong ones before anything starts."""
