"""The embedded systems: started as processes, reached over the wire only; shares no code with the harness."""
