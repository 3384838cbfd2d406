"""Copies of run directories in the artifact store, a directory or `s3://bucket/prefix`, and their links."""

from __future__ import annotations

import mimetypes
import os
import shutil
from pathlib import Path
from typing import Any
from typing import Final

from nightproof.errors import UsageError

FOLDER_FOR_ALL: Final = 0o755
FILE_FOR_ALL: Final = 0o644


def copy_run(run_dir: Path, store: str, base_url: str = "", s3_client: Any = None) -> str:
    """Copy every file below `run_dir` to `<store>/<run id>/`; return the link of report.html.

    Safe to repeat: files are overwritten. In a directory the copies are readable for everybody, as a web server needs.
    `s3_client` is a boto3 S3 client, required for an s3:// store.
    """
    if not store:
        return link(run_dir, "", base_url)
    if store.startswith("s3://"):
        _to_bucket(run_dir, store, s3_client)
    else:
        _open_to_readers(Path(shutil.copytree(run_dir, Path(store) / run_dir.name, dirs_exist_ok=True)))
    return link(run_dir, store, base_url)


def link(run_dir: Path, store: str, base_url: str) -> str:
    """Return the address of report.html for a reader: the served URL, else its place in the store or on disk."""
    if base_url:
        return f"{base_url.rstrip('/')}/{run_dir.name}/report.html"
    if store:
        return f"{store.rstrip('/')}/{run_dir.name}/report.html"
    return str(run_dir / "report.html")


def _open_to_readers(copy: Path) -> None:
    """Grant everybody read access to a copied run: a store is there to be served; run directories are private."""
    for folder, _, names in os.walk(copy):
        Path(folder).chmod(FOLDER_FOR_ALL)
        for file in (Path(folder, name) for name in names):
            if not file.is_symlink():
                file.chmod(FILE_FOR_ALL)


def _to_bucket(run_dir: Path, store: str, s3_client: Any) -> None:
    if s3_client is None:
        raise UsageError(f"The artifact store `{store}` needs AWS credentials. Set them, or name a directory instead.")
    bucket, _, prefix = store.removeprefix("s3://").partition("/")
    for path in sorted(run_dir.rglob("*")):
        if path.is_file():
            key = "/".join(
                part for part in (prefix.strip("/"), run_dir.name, path.relative_to(run_dir).as_posix()) if part
            )
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            s3_client.upload_file(str(path), bucket, key, ExtraArgs={"ContentType": kind})
