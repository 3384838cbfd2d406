"""The write-ahead ledger: every resource is recorded before it is created, and proved gone afterwards."""

from nightproof.ledger.audit import audit
from nightproof.ledger.audit import sums
from nightproof.ledger.catalog import CatalogAdmin
from nightproof.ledger.clean import CleanContext
from nightproof.ledger.clean import Planned
from nightproof.ledger.clean import clean_run
from nightproof.ledger.clean import open_runs
from nightproof.ledger.clean import plan
from nightproof.ledger.clean import sweep
from nightproof.ledger.glue import GlueDatabase
from nightproof.ledger.journal import Entry
from nightproof.ledger.journal import Ledger
from nightproof.ledger.journal import read_entries
from nightproof.ledger.recover import recover
from nightproof.names import run_tag

__all__ = [
    "CatalogAdmin",
    "CleanContext",
    "Entry",
    "GlueDatabase",
    "Ledger",
    "Planned",
    "audit",
    "clean_run",
    "open_runs",
    "plan",
    "read_entries",
    "recover",
    "run_tag",
    "sums",
    "sweep",
]
