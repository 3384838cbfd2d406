"""QuiltOps: one contract over the quilt3 library and over the platform's GraphQL API."""

from nightproof.quilt.admin_contract import AdminOps
from nightproof.quilt.contract import QuiltOps
from nightproof.quilt.differences import DIFFERENCES
from nightproof.quilt.exceptions import AuthenticationError
from nightproof.quilt.exceptions import BackendError
from nightproof.quilt.exceptions import NotFoundError
from nightproof.quilt.exceptions import PermissionError  # noqa: A004 - the contract's name
from nightproof.quilt.exceptions import QuiltOpsError
from nightproof.quilt.exceptions import ValidationError
from nightproof.quilt.factory import create_quilt_ops
from nightproof.quilt.records import Credentials
from nightproof.quilt.records import Timeouts

__all__ = [
    "DIFFERENCES",
    "AdminOps",
    "AuthenticationError",
    "BackendError",
    "Credentials",
    "NotFoundError",
    "PermissionError",
    "QuiltOps",
    "QuiltOpsError",
    "Timeouts",
    "ValidationError",
    "create_quilt_ops",
]
