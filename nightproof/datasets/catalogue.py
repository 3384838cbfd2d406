"""The packages of the seeds with their registries, entries, messages and metadata."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.datasets.generators import ALWAYS
from nightproof.datasets.generators import BULK
from nightproof.datasets.generators import BULK_FILES_EACH
from nightproof.datasets.generators import FILES
from nightproof.datasets.hashing import top_hash
from nightproof.datasets.metadata import metadata_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping

    from nightproof.profile import Names

Pin = tuple[str, int]
BY_QUILT3: Final = frozenset({"metadata-rich", "mixed-formats", "package-a", "simple-csv", "versioned-data"})
BASELINE: Final = (
    "empty-package", "large-package", "metadata-rich", "mixed-formats", "nested-structure", "package-a", "package-b",
    "simple-csv", "single-file", "versioned-data",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision to push; `entries` map logical keys to `<dataset>/<path>` of the seeds."""

    package: str
    label: str
    bucket: str
    message: str
    metadata: dict[str, Any] | None
    entries: Mapping[str, str] = field(repr=False)
    by_quilt3: bool = False
    _known: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def sources(self) -> set[str]:
        """Return the datasets that hold its entries; an empty package is a dataset of its own."""
        return {source.split("/", 1)[0] for source in self.entries.values()} or {self.package.rsplit("/", 1)[-1]}

    def expected(self, pins: Mapping[str, Pin]) -> str:
        """Return the top hash that it must have, computed once: the large packages need it again and again."""
        if id(pins) not in self._known:
            pinned = {key: pins[source] for key, source in self.entries.items()}
            self._known[id(pins)] = top_hash(self.message, self.metadata, pinned)
        return self._known[id(pins)]


def baseline(names: Names) -> tuple[Revision, ...]:
    """Return the baseline revisions in seeding order."""
    found: list[Revision] = []
    for dataset in BASELINE:
        for label, entries in _entries(dataset).items():
            found.append(
                Revision(f"test-user/{dataset}", label, names.bucket_packages, f"Baseline: {dataset}",
                         metadata_of(dataset), entries, by_quilt3=dataset in BY_QUILT3)
            )  # fmt: skip
    return tuple(found)


def _entries(dataset: str) -> dict[str, dict[str, str]]:
    paths = list(FILES.get(dataset, {}))
    if dataset == "versioned-data":
        return {v: {p.split("/", 1)[1]: f"{dataset}/{p}" for p in paths if p.startswith(v)} for v in ("v1", "v2")}
    entries = {path: f"{dataset}/{path}" for path in paths}
    if dataset == "package-b":
        entries["shared_same.csv"] = "package-a/shared_same.csv"
    return {"latest": entries}


def baseline_over(names: Names, datasets: Iterable[str]) -> tuple[Revision, ...]:
    """Return the baseline revisions whose objects all lie in the given datasets, or among what is always seeded."""
    return _over(baseline(names), datasets)


def tabular_over(names: Names, datasets: Iterable[str]) -> tuple[Revision, ...]:
    """Return the seeded packages that the Tabulator tables read; their registry is the data bucket."""
    sources = {"simple": "simple-csv", "nested": "nested-structure", "events": "tabular"}
    packages = tuple(
        Revision(f"tab/{name}", "latest", names.bucket_data, f"Tabular: {name}", {"tags": ["tabular"]},
                 {path: f"{dataset}/{path}" for path in FILES[dataset]})
        for name, dataset in sources.items()
    )  # fmt: skip
    return _over(packages, datasets)


def _over(revisions: tuple[Revision, ...], datasets: Iterable[str]) -> tuple[Revision, ...]:
    seeded = {*datasets, *ALWAYS}
    return tuple(revision for revision in revisions if revision.sources() <= seeded)


def bulk(names: Names) -> tuple[Revision, ...]:
    """Return the large packages, which share the bulk objects, and the one with three revisions."""
    paths = list(FILES[BULK])
    flat = {path.split("/")[1]: f"{BULK}/{path}" for path in paths[:BULK_FILES_EACH]}
    found = [
        ("files-1000", "latest", flat),
        ("files-10000", "latest", {path: f"{BULK}/{path}" for path in paths}),
        *(("one", f"v{n + 1}", {"data.bin": f"{BULK}/{paths[n]}"}) for n in range(3)),
    ]
    return tuple(
        Revision(f"bulk/{name}", label, names.bucket_perf, f"Bulk: {name} {label}", None, entries)
        for name, label, entries in found
    )


def others(names: Names) -> tuple[Revision, ...]:
    """Return the performance packages and the hidden one."""
    perf = [
        Revision(f"perf/pkg-{n:03d}", "latest", names.bucket_perf, f"Performance: {n:03d}", {"tags": ["perfpkg"]},
                 {"data.txt": f"perf/pkg-{n:03d}/data.txt"})
        for n in range(100)
    ]  # fmt: skip
    hidden = Revision(
        "secret/hidden", "latest", names.bucket_private, "Hidden", None, {"hidden.txt": "secret/hidden.txt"}
    )
    return (*perf, hidden)


def bucket_of(dataset: str, names: Names) -> str:
    """Return the bucket that holds a dataset."""
    perf = {"perf": names.bucket_perf, BULK: names.bucket_perf}
    special = perf | {"west": names.bucket_west, "secret": names.bucket_private}
    return special.get(dataset, names.bucket_data)


def key_of(dataset: str, path: str) -> str:
    """Return a file's key: below the name of its dataset; a path of `west` or `documents` is its own key."""
    return path if dataset in {"west", "documents"} else f"{dataset}/{path}"
