"""JSON responses with object members in reverse order; valid, so that no client may depend on the order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.responses import Response


def turned(response: Response) -> Response:
    """Return a JSON response with the members of its objects reversed; return other responses unchanged."""
    if response.media_type != JSONResponse.media_type:
        return response
    kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
    return JSONResponse(_opposite(json.loads(bytes(response.body))), response.status_code, kept)


def _opposite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _opposite(value[name]) for name in reversed(value)}
    return [_opposite(item) for item in value] if isinstance(value, list) else value
