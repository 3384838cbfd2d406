"""Object search through the catalog's REST interface, as its web pages use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import requests

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps

TIMEOUT_S: Final = 30
MOST: Final = 1000


def find_documents(quilt_ops: QuiltOps, index: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the documents of an index that match an Elasticsearch query, with the caller's permissions.

    Raises ValueError if there are more documents than one answer holds (1,000).
    """
    url = f"{quilt_ops.get_graphql_endpoint().removesuffix('/graphql')}/api/search"
    asked = {"index": index, "action": "freeform", "body": json.dumps({"query": query, "size": MOST})}
    answer = requests.get(url, asked, headers=quilt_ops.get_graphql_auth_headers(), timeout=TIMEOUT_S)
    answer.raise_for_status()
    found = answer.json()["hits"]
    if found["total"] != len(found["hits"]):
        raise ValueError(f"The search counts {found['total']} documents and gives {len(found['hits'])}.")
    return [hit["_source"] for hit in found["hits"]]
