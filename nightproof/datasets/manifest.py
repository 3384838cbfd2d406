"""manifest.json and checksums.json: the pinned content of every seed, hashed into the run key."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.datasets.catalogue import Pin
from nightproof.datasets.catalogue import baseline
from nightproof.datasets.catalogue import bulk
from nightproof.datasets.catalogue import others
from nightproof.datasets.catalogue import tabular_over
from nightproof.datasets.content import CONTENT_PINNED
from nightproof.datasets.content import content_sha256
from nightproof.datasets.generators import BULK
from nightproof.datasets.generators import BULK_DIRECTORIES
from nightproof.datasets.generators import BULK_FILES_EACH
from nightproof.datasets.generators import BULK_SIZE
from nightproof.datasets.generators import DATASETS
from nightproof.datasets.generators import FILES
from nightproof.datasets.generators import generate
from nightproof.datasets.hashing import chunked
from nightproof.datasets.inventory import inventory
from nightproof.datasets.stream import DATA_VERSION
from nightproof.datasets.stream import seed_text
from nightproof.datasets.table_specs import described
from nightproof.errors import Blocked
from nightproof.profile import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = Path(__file__).parent
MANIFEST: Final = FOLDER / "manifest.json"
CHECKSUMS: Final = FOLDER / "checksums.json"
GENERATED: Final = "2024-01-01T00:00:00Z"
Facts = dict[tuple[str, str], dict[str, Any]]


@cache
def read_manifest() -> dict[str, Any]:
    """Read the committed manifest."""
    found: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return found


@cache
def pinned() -> dict[str, dict[str, Any]]:
    """Return the pinned facts of every file by `<dataset>/<path>`; raise Blocked if the bulk is not as pinned."""
    facts = _bulk_facts()
    if _bulk_section(facts) != read_manifest()["bulk"]:
        raise Blocked(
            f"The generator of `{BULK}` does not give its pinned bytes: undo its change, "
            "or pin them with `python -m nightproof.datasets.manifest`."
        )
    return _listed() | {f"{BULK}/{fact['path']}": fact for fact in facts}


@cache
def _listed() -> dict[str, dict[str, Any]]:
    sections = read_manifest()["datasets"] | read_manifest()["extras"]
    return {f"{name}/{entry['path']}": entry for name, section in sections.items() for entry in section["entries"]}


@cache
def _bulk_facts() -> tuple[dict[str, Any], ...]:
    """Return the facts of the bulk objects: too many to list, so they are generated and pinned by their sum."""
    return tuple(describe(BULK, path) for path in FILES[BULK])


def _bulk_section(facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "seed": seed_text(BULK), "directory": "dir_{:02d}", "directories": BULK_DIRECTORIES,
        "file": "file_{:03d}.bin", "files_each": BULK_FILES_EACH, "bytes_each": BULK_SIZE,
        "sha256": hashlib.sha256("".join(fact["sha256"] for fact in facts).encode()).hexdigest(),
    }  # fmt: skip


@cache
def pins() -> dict[str, Pin]:
    """Return chunked hash and size in bytes of every file by `<dataset>/<path>`."""
    return {key: (entry["sha2_256_chunked"], entry["bytes"]) for key, entry in pinned().items()}


def update() -> None:
    """Generate every file anew and write both committed files; review the difference like code."""
    write(describe_all())


def differences() -> list[str]:
    """Generate every file anew and return what is not as committed; encoded files are compared by their content."""
    facts = describe_all()
    for key, committed in _listed().items():
        name = tuple(key.split("/", 1))
        if name in facts and committed["pin"] == "content":
            same = facts[name]["content_sha256"] == committed["content_sha256"]
            facts[name] = committed if same else facts[name]
    wrong = [f"{name}/{path}" for (name, path), fact in facts.items() if _listed().get(f"{name}/{path}") != fact]
    texts = zip((MANIFEST, CHECKSUMS), _texts(facts), strict=True)
    return wrong + [path.name for path, text in texts if path.read_text(encoding="utf-8") != text]


def describe_all() -> Facts:
    """Generate every file, in parallel, and return their facts."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = {(name, path): pool.submit(describe, name, path) for name in _entered() for path in FILES[name]}
        return {key: job.result() for key, job in jobs.items()}


def _entered() -> list[str]:
    return [name for name in FILES if name != BULK]


def write(facts: Facts) -> None:
    """Write both committed files."""
    for path, text in zip((MANIFEST, CHECKSUMS), _texts(facts), strict=True):
        path.write_text(text, encoding="utf-8")


def _texts(facts: Facts) -> tuple[str, str]:
    sections = {name: _section(name, facts) for name in _entered()}
    by_key = {f"{name}/{path}": fact for (name, path), fact in facts.items()}
    datasets = {name: sections[name] for name in DATASETS}
    placed = by_key | {f"{BULK}/{fact['path']}": fact for fact in _bulk_facts()}
    manifest = {
        "format": 1, "data_version": DATA_VERSION, "generated": GENERATED, "datasets": datasets,
        "extras": {name: section for name, section in sections.items() if name not in DATASETS},
        "total_files": sum(section["files"] for section in datasets.values()),
        "total_bytes": sum(section["bytes"] for section in datasets.values()),
        "bulk": _bulk_section(_bulk_facts()),
        "packages": _packages({key: (fact["sha2_256_chunked"], fact["bytes"]) for key, fact in placed.items()}),
        "search": {"csv": ["test-user/single-file", "test-user/simple-csv", "test-user/mixed-formats"]},
        "diff": {"a_b": {"added": ["only_b.csv"], "removed": ["only_a.csv"], "modified": ["shared_changed.csv"]}},
    } | inventory(Names())  # fmt: skip
    manifest["tables"] |= described(Names())
    files = {("west.txt" if key == "west/west.txt" else key): fact["sha256"] for key, fact in by_key.items()}
    files |= {f"{key}#content": fact["content_sha256"] for key, fact in by_key.items() if fact["pin"] == "content"}
    return _text(manifest), _text({"format": 1, "algorithm": "sha256", "files": files})


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def describe(dataset: str, path: str) -> dict[str, Any]:
    """Generate one file and return its facts."""
    data = generate(dataset, path)
    is_encoded = path.endswith(CONTENT_PINNED)
    fact = {
        "path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        "sha2_256_chunked": chunked(data), "pin": "content" if is_encoded else "bytes",
    }  # fmt: skip
    return fact | {"content_sha256": content_sha256(path, data)} if is_encoded else fact


def _section(name: str, facts: Facts) -> dict[str, Any]:
    entries = sorted((fact for (owner, _), fact in facts.items() if owner == name), key=lambda fact: fact["path"])
    return {
        "seed": seed_text(name),
        "files": len(entries),
        "bytes": sum(e["bytes"] for e in entries),
        "entries": entries,
    }


def _packages(facts: dict[str, Pin]) -> dict[str, Any]:
    packages: dict[str, Any] = {}
    names = Names()
    for revision in (*baseline(names), *others(names), *bulk(names), *tabular_over(names, DATASETS)):
        package = packages.setdefault(
            revision.package,
            {
                "registry": f"s3://{revision.bucket}",
                "message": revision.message,
                "metadata": revision.metadata,
                "revisions": [],
            },
        )
        total = sum(facts[source][1] for source in revision.entries.values())
        package["message"] = revision.message  # that of the newest, where they differ
        package["revisions"].append({
            "label": revision.label, "top_hash": revision.expected(facts), "file_count": len(revision.entries),
            "total_bytes": total,
        })  # fmt: skip
    return packages


def main(arguments: Sequence[str]) -> int:
    """Write both files, or with `--check` compare them with what the generators make now."""
    if "--check" not in arguments:
        update()
        return 0
    wrong = differences()
    sys.stdout.write("".join(f"not as committed: {name}\n" for name in wrong) or "all pins reproduce\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
