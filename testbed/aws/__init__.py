"""AWS for the testbed: ministack with permission checks on, inside our corrections, log and faults."""
