"""Ways to start nightproof: command line, supervisor, profiles."""
