"""The seed jobs of a target, in dependency order: datasets first, then the packages that point at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.datasets.catalogue import baseline_over
from nightproof.datasets.catalogue import bulk
from nightproof.datasets.catalogue import others
from nightproof.datasets.catalogue import tabular_over
from nightproof.datasets.generators import ALWAYS
from nightproof.datasets.generators import BULK
from nightproof.datasets.generators import DATASETS
from nightproof.datasets.packages import put_packages
from nightproof.datasets.push import create_and_delete
from nightproof.datasets.put import put_dataset
from nightproof.datasets.tables import put_tables
from nightproof.errors import UsageError
from nightproof.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from nightproof.datasets.push import Catalog
    from nightproof.datasets.put import Storage
    from nightproof.records import SeedResult

Job = tuple[str, "Callable[[], SeedResult]"]


def jobs(storage: Storage, catalog: Callable[[], Catalog], datasets: Sequence[str]) -> tuple[Job, ...]:
    """Return the jobs; `catalog` is not called before the first package job."""
    require_known(datasets)
    wanted = [*datasets, *ALWAYS]
    found: list[Job] = [(name, lambda name=name: put_dataset(storage, name)) for name in wanted]  # type: ignore[misc]

    def seed_baseline() -> SeedResult:
        create_and_delete(storage, catalog(), storage.names.bucket_packages)
        known = baseline_over(storage.names, datasets)
        return put_packages(storage, catalog(), "baseline-packages", known, in_order=True)

    def seed_others() -> SeedResult:
        known = (*others(storage.names), *tabular_over(storage.names, datasets))
        return put_packages(storage, catalog(), "other-packages", known, in_order=False)

    def seed_bulk() -> SeedResult:
        return put_packages(storage, catalog(), "bulk-packages", bulk(storage.names), in_order=True)

    def seed_tables() -> SeedResult:
        return put_tables(catalog(), storage.names, datasets)

    found += [("baseline-packages", seed_baseline), ("other-packages", seed_others)]
    if BULK in datasets:
        found.append(("bulk-packages", seed_bulk))
    return (*found, ("tabulator-tables", seed_tables))


def require_known(datasets: Sequence[str]) -> None:
    """Raise UsageError for a dataset without a generator."""
    known = (*DATASETS, BULK)
    unknown = sorted(set(datasets) - set(known))
    if unknown:
        raise UsageError(
            f"There is no dataset `{unknown[0]}`: give some of {', '.join(known)}.{nearest(unknown[0], known)}"
        )
