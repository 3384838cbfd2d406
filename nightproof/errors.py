"""Errors, by what they lead to.

NightproofError
├── UsageError        wrong configuration or command line     -> exit 3
├── Blocked           provisioning, secrets or seeding        -> BLOCKED, exit 2
│                     a server or flow that does not start    -> no night, exit 2
├── SuiteTimeout      a process group ended at its limit      -> RED, timeout
├── SuiteError        our own test or harness is wrong        -> RED, error
└── Interrupted       a signal or a cancel ended the night    -> exit 130 / 143
"""


class NightproofError(Exception):
    """Base of every error whose message is one sentence for a user."""


class UsageError(NightproofError):
    """The configuration or the command line is wrong; nothing was started."""


class Blocked(NightproofError):  # noqa: N818 - the field's word, and the verdict it maps to
    """The systems under test cannot be used now."""


class SuiteTimeout(NightproofError):  # noqa: N818 - named after its verdict
    """A cell's process group was ended by its kill timer."""


class SuiteError(NightproofError):
    """A cell could not report: the harness or the suite itself is wrong."""


class Interrupted(NightproofError):  # noqa: N818 - a state, not a fault
    """A signal or a cancel ended the night; `signal_name` is its name in the report."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"The night was interrupted: {signal_name}.")
        self.signal_name = signal_name
