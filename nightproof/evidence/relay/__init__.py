"""A relay on loopback for what leaves Python: it forwards bytes, never opens TLS, and counts answers by test."""
