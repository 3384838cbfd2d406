"""The fixtures of the Quilt suites."""

from suites._support.fixtures import *  # noqa: F403 - pytest finds fixtures by the names in a conftest
