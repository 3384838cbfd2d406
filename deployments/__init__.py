"""How nightproof is started: command line, supervisor, profiles."""
