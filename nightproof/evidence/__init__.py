"""Evidence that a test reached the system under test: the names that suites import, cheap for any other pytest run."""

from nightproof.evidence.cases import Case
from nightproof.evidence.cases import case
from nightproof.evidence.notes import checked
from nightproof.evidence.notes import finding
from nightproof.evidence.notes import note
from nightproof.evidence.observations import observe
from nightproof.evidence.observations import own_words
from nightproof.evidence.observations import polling
from nightproof.evidence.observations import unobserved
from nightproof.evidence.state import channel
from nightproof.evidence.vouching import vouch

__all__ = [
    "Case", "case", "channel", "checked", "finding", "note", "observe", "own_words", "polling", "unobserved", "vouch",
]  # fmt: skip
