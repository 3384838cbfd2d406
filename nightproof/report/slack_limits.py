"""Checks of Slack messages against Slack's limits: nothing else validates plain dictionaries before Slack does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Block = dict[str, Any]

OUR_BLOCKS: Final = 12
BLOCKS: Final = 50
HEADER: Final = 150
SECTION: Final = 3000
FIELDS: Final = 10
FIELD: Final = 2000
CONTEXT_ELEMENTS: Final = 10
ACTIONS: Final = 25
BUTTON_TEXT: Final = 75
URL: Final = 3000
LINK: Final = 1000  # our own, for an address in the context line
ALL_BLOCKS: Final = 13_000  # then `msg_blocks_too_long`, slackapi/bolt-js #2509, undocumented
TEXT: Final = 4000
REPLIES: Final = 5


def check(text: str, blocks: Sequence[Block], replies: Sequence[str] = ()) -> list[str]:
    """Return one sentence per limit that a message breaks."""
    rules = [
        (0 < len(text) <= TEXT, f"the text has {len(text)} characters, allowed are 1 to {TEXT}"),
        (len(blocks) <= OUR_BLOCKS, f"the message has {len(blocks)} blocks, allowed are {OUR_BLOCKS}"),
        (len(replies) <= REPLIES, f"the thread has {len(replies)} replies, allowed are {REPLIES}"),
        (all(0 < len(reply) <= TEXT for reply in replies), f"a reply has not 1 to {TEXT} characters"),
        (len(json.dumps(blocks, ensure_ascii=False)) <= ALL_BLOCKS, f"all blocks together exceed {ALL_BLOCKS}"),
    ]
    return [sentence for holds, sentence in rules if not holds] + [s for block in blocks for s in _block(block)]


def _block(block: Block) -> list[str]:
    kind = block["type"]
    if kind == "header":
        return _length("header", block["text"]["text"], HEADER)
    if kind == "section":
        text = _length("section", block["text"]["text"], SECTION) if "text" in block else []
        fields = block.get("fields", [])
        many = [f"a section has {len(fields)} fields, allowed are {FIELDS}"] if len(fields) > FIELDS else []
        return [*text, *many, *[s for field in fields for s in _length("field", field["text"], FIELD)]]
    if kind == "context":
        elements = block["elements"]
        many = [f"a context has {len(elements)} elements"] if not 0 < len(elements) <= CONTEXT_ELEMENTS else []
        return [*many, *[s for element in elements for s in _length("context", element["text"], SECTION)]]
    if kind == "actions":
        return [s for button in block["elements"][: ACTIONS + 1] for s in _button(button)]
    return [] if kind == "divider" else [f"the block type `{kind}` is not one of ours"]


def _button(button: Block) -> list[str]:
    return [*_length("button", button["text"]["text"], BUTTON_TEXT), *_length("button URL", button["url"], URL)]


def _length(name: str, text: str, limit: int) -> list[str]:
    return [] if 0 < len(text) <= limit else [f"a {name} has {len(text)} characters, allowed are 1 to {limit}"]
