"""The embedded systems: started as processes, reached over the wire only; they share no code with the harness."""
