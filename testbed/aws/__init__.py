"""AWS for the testbed: ministack with permission checks, wrapped in our corrections, call log and faults."""
