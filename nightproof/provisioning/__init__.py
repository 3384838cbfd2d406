"""Provisioning: checks that every system is ready for the night, before any test runs."""

from nightproof.provisioning.checks import KINDS
from nightproof.provisioning.checks import failed
from nightproof.provisioning.checks import probe
from nightproof.provisioning.checks import require_known
from nightproof.provisioning.checks import title
from nightproof.provisioning.checks import verify
from nightproof.provisioning.checks import verify_strictly
from nightproof.provisioning.finding import CheckFailed

__all__ = ["KINDS", "CheckFailed", "failed", "probe", "require_known", "title", "verify", "verify_strictly"]
