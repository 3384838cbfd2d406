"""nightproof: the domain of a nightly verification pipeline; imports no Prefect. PYTEST_DONT_REWRITE."""
