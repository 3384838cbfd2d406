"""Recorders: one small module per client library or interface, installed when that is imported."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.evidence.checks import MODULES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# A bare name is a module beside this one; recorders of our own interfaces live with them.
RECORDERS: Final = {
    "socket": "sockets",
    "ssl": "tls",
    "gevent.socket": "sockets",
    "gevent.ssl": "tls",
    "http.client": "http_client",
    "urllib3.connectionpool": "urllib3_pool",
    "botocore.httpsession": "botocore_session",
    "httpcore": "httpcore_pool",
    "aiohttp.client": "aiohttp_session",
    "websockets.sync.client": "websockets_sync",
    "websockets.asyncio.client": "websockets_asyncio",
    "nightproof.quilt.admin": "nightproof.quilt.recorder",
    "nightproof.quilt.platform_backend": "nightproof.quilt.recorder",
    "nightproof.quilt.quilt3_backend": "nightproof.quilt.recorder",
    **dict.fromkeys(MODULES, "nightproof.evidence.checks"),
}
MARK: Final = "__nightproof__"


def install() -> None:
    """Record every library that is imported by now, and the others once they are imported; safe to repeat."""
    for name in RECORDERS:
        module = sys.modules.get(name)
        if module is not None:
            _record(name, module)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _record(name: str, module: ModuleType) -> None:
    if not getattr(module, MARK, False):
        recorder = RECORDERS[name]
        importlib.import_module(recorder if "." in recorder else f"{__name__}.{recorder}").install(module)
        setattr(module, MARK, True)


class _Finder(MetaPathFinder):
    """An import finder that installs the recorder of a library after its import."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the library by the other finders and wrap its loader."""
        if name not in RECORDERS:
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next((found for finder in others if (found := finder.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _RecordingLoader(name, spec.loader)
        return spec


class _RecordingLoader(Loader):
    """A loader that delegates to the library's own loader and keeps its other attributes reachable."""

    def __init__(self, name: str, loader: Any) -> None:
        self._name = name
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module the library's own way."""
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        """Run the library's code, then record it."""
        self._loader.exec_module(module)
        _record(self._name, module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
