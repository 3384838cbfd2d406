"""Evidence that a test asked the system under test: what suites import, kept cheap for every other pytest run."""

from nightproof.evidence.cases import Case
from nightproof.evidence.cases import case
from nightproof.evidence.state import channel
from nightproof.evidence.state import observe

__all__ = ["Case", "case", "channel", "observe"]
