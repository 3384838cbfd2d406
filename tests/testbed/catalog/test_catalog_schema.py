from __future__ import annotations

import re
from pathlib import Path

import pytest
import quilt3
from graphql import parse
from graphql import validate

from nightproof.quilt import documents
from testbed.catalog.schema import NEW
from testbed.catalog.schema import OLD

CLIENT = (Path(quilt3.__file__).parent / "_graphql_client" / "client.py").read_text(encoding="utf-8")
WRITTEN = {match[2]: match[1] for match in re.finditer(r'"""(\s*(?:query|mutation) (\w+).*?)"""', CLIENT, re.DOTALL)}
OURS = {
    name: text for name, text in vars(documents).items() if name.isupper() and name[0] != "_" and isinstance(text, str)
}


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_a_document_of_quilt3s_own_client_is_valid(name: str) -> None:
    """Every document of quilt3's client is valid against the new schema."""
    assert validate(NEW, parse(WRITTEN[name])) == []


def test_enough_documents_were_found() -> None:
    """The search for documents in the clients' source finds enough of them, so that the other tests are not empty."""
    assert len(WRITTEN) >= 40
    assert len(OURS) >= 10


@pytest.mark.parametrize(
    "name", sorted(name for name, text in OURS.items() if re.match(r"\s*(query|mutation)\b", text))
)
def test_a_document_of_our_own_client_is_valid_in_one_dialect(name: str) -> None:
    """Each document of our client is valid in the new or the old schema. A search document fits only its own."""
    document = parse(OURS[name])
    assert [] in (validate(NEW, document), validate(OLD, document))
    assert name != "SEARCH_OLD" or validate(NEW, document)
    assert name != "SEARCH_NEW" or validate(OLD, document)
