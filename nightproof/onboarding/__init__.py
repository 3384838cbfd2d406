"""Onboarding of a folder of pytest tests: read it, write its three files, and report findings and next steps."""
