"""Unfinished multipart uploads on disk: S3 keeps them, ministack 1.5.33 loses them at every stop, clean or killed.

ministack holds them in a module-level mapping. Ours writes each entry to disk and starts with what is there.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from ministack.core.responses import AccountScopedDict
from ministack.core.responses import get_account_id
from ministack.services import s3 as ministack_s3

if TYPE_CHECKING:
    from pathlib import Path

UPLOAD: Final = "upload.json"


def keep_uploads(folder: Path) -> None:
    """Replace ministack's uploads by ones stored in a folder, including those of earlier starts."""
    ministack_s3._multipart_uploads = KeptUploads(folder)  # noqa: SLF001 - it has no setting for this


class KeptUploads(AccountScopedDict):  # type: ignore[misc]  # untyped library
    """Uploads by account and id; each has a folder, deleted on completion or abort."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob(f"*/{UPLOAD}")):
            stored = json.loads(path.read_text(encoding="utf-8"))
            parts = {"parts": KeptParts(path.parent)}
            self._data[stored["account"], path.parent.name] = stored["upload"] | parts

    def __setitem__(self, key: str, upload: dict[str, Any]) -> None:
        """Store an upload; a later start sees it only once its description is complete."""
        folder = self._folder / key
        folder.mkdir()
        _write(folder / UPLOAD, {"account": get_account_id(), "upload": upload | {"parts": None}})
        super().__setitem__(key, upload | {"parts": KeptParts(folder)})

    def __delitem__(self, key: str) -> None:
        """Delete an upload that was completed or aborted."""
        super().__delitem__(key)
        shutil.rmtree(self._folder / key)


class KeptParts(dict[int, dict[str, Any]]):
    """Parts of one upload by number: each a file of bytes, then a description that names it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        for path in folder.glob("*.part.json"):
            number = int(path.name.partition(".")[0])
            part = json.loads(path.read_text(encoding="utf-8"))
            super().__setitem__(number, part | {"body": (folder / part["file"]).read_bytes()})

    def __setitem__(self, number: int, part: dict[str, Any]) -> None:
        """Store a part; a part that is sent again replaces the earlier one only when complete."""
        before = self.get(number, {}).get("file")
        name = f"{number}.{part['etag'].strip(chr(34))}"
        (self._folder / name).write_bytes(part["body"])
        described = {field: value for field, value in part.items() if field != "body"} | {"file": name}
        _write(self._folder / f"{number}.part.json", described)
        if before not in {None, name}:
            (self._folder / before).unlink()
        super().__setitem__(number, described | {"body": part["body"]})


def _write(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content), encoding="utf-8")
    fresh.replace(path)
