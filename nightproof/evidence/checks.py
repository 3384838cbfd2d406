"""Libraries with checking functions: each is wrapped once the suite imports it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.evidence.assertions import counting
from nightproof.evidence.assertions import counting_exit
from nightproof.evidence.assertions import counting_where
from nightproof.evidence.assertions import wrap
from nightproof.evidence.scope import SCOPE

if TYPE_CHECKING:
    from types import ModuleType

RAISE: Final = "raise_for_status"
# Modules that define the checking functions of a library, with the modules that offer them.
FUNCTIONS: Final = {
    "numpy.testing._private.utils": ("numpy.testing",),
    "numpy.testing.utils": ("numpy.testing",),
    "pandas._testing.asserters": ("pandas._testing", "pandas.testing"),
    "hamcrest.core.assert_that": ("hamcrest.core", "hamcrest"),
    "pytest_check.check_functions": ("pytest_check",),
}
MOCKS: Final = ("unittest.mock", "mock.mock")
# Response classes with the method that raises for a bad status: a check if the suite's own code calls it.
ANSWERS: Final = {
    "requests.models": ("Response", RAISE),
    "httpx._models": ("Response", RAISE),
    "aiohttp.client_reqrep": ("ClientResponse", RAISE),
    "curl_cffi.requests.models": ("Response", RAISE),
    "niquests.models": ("Response", RAISE),
    "tornado.httpclient": ("HTTPResponse", "rethrow"),
}
MODULES: Final = (
    *FUNCTIONS,
    *MOCKS,
    *ANSWERS,
    "assertpy.assertpy",
    "jsonschema.validators",
    "pytest_check.check_raises",
)
DESCRIPTIONS: Final = frozenset({"described_as", "builder", "error", "extracting", "raises"})  # of assertpy: no checks


def install(module: ModuleType) -> None:
    """Wrap the checking functions of a module; safe to repeat."""
    name = module.__name__
    if name in FUNCTIONS:
        _wrap_functions(module)
    elif name in MOCKS:
        _wrap_methods(vars(module).values(), "assert_")
    elif name in ANSWERS:
        kind, method = ANSWERS[name]
        wrap(getattr(module, kind), method, counting_where(SCOPE.is_own_frame))
    elif name == "assertpy.assertpy":
        _wrap_assertpy(module.AssertionBuilder)
    elif name == "jsonschema.validators":
        _wrap_jsonschema(module)
    else:
        wrap(module.CheckRaisesContext, "__exit__", counting_exit)


def _wrap_functions(module: ModuleType) -> None:
    """Wrap the checking functions of a module, also in modules that imported them before."""
    public = getattr(module, "__all__", None) if module.__name__.startswith("pytest_check") else None
    names = public or [name for name in vars(module) if name.startswith("assert")]
    for name in names:
        original = getattr(module, name)
        if not callable(original) or isinstance(original, type):
            continue
        wrap(module, name, counting)
        for owner in _owners(module.__name__):
            if vars(owner).get(name) is original:
                setattr(owner, name, getattr(module, name))


def _owners(name: str) -> list[Any]:
    modules = [sys.modules[owner] for owner in FUNCTIONS[name] if owner in sys.modules]
    return modules + [
        module.check for module in modules if name.startswith("pytest_check") and hasattr(module, "check")
    ]


def _wrap_methods(values: Any, prefix: str) -> None:
    for kind in [value for value in values if isinstance(value, type)]:
        for name in [name for name in vars(kind) if name.startswith(prefix)]:
            wrap(kind, name, counting)


def _wrap_assertpy(builder: Any) -> None:
    """Wrap each method of assertpy's builder that checks, also those that it creates on access (`has_name("x")`)."""
    for name in dir(builder):
        if not name.startswith("_") and name not in DESCRIPTIONS:
            wrap(builder, name, counting)
    if hasattr(builder, "__getattr__"):
        original = builder.__getattr__
        builder.__getattr__ = lambda self, name: counting(original(self, name))


def _wrap_jsonschema(module: ModuleType) -> None:
    ours = counting_where(SCOPE.is_own_frame)
    original = module.validate
    wrap(module, "validate", ours)
    package = sys.modules.get("jsonschema")
    if package is not None and vars(package).get("validate") is original:
        package.validate = module.validate  # type: ignore[attr-defined]  # the package's own name for it
    for kind in list(vars(module).values()):
        if isinstance(kind, type) and hasattr(kind, "iter_errors"):
            wrap(kind, "validate", ours)
