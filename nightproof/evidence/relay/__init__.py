"""A relay on loopback for programs outside Python: it forwards bytes, never opens TLS, and counts answers by test."""
