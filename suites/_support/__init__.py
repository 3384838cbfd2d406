"""Shared parts of the Quilt suites: target, sessions, independent observer, seeds, work space, faults, call log."""
