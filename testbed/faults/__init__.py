"""The control surface of the testbed: call log, faults and named defects, on loopback behind a token."""
