"""Damaged objects and a lost placement: found, repaired, reported; what is intact is left alone."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from nightproof.datasets import put
from nightproof.datasets.generators import BULK
from nightproof.datasets.generators import FILES
from nightproof.datasets.generators import generate
from nightproof.datasets.manifest import pinned
from nightproof.datasets.placement import Placement
from nightproof.datasets.put import Storage
from nightproof.datasets.put import put_dataset
from nightproof.errors import Blocked
from nightproof.profile import Names
from nightproof.profile import Profile
from nightproof.profile import Secrets
from nightproof.progress import LISTENERS
from nightproof.target import open_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.progress import News
    from nightproof.target import Target

    Damage = Callable[[Storage, str], object]

DECOYED, PLAIN = "simple-csv", "package-a"
BUCKET = Names().bucket_data
PATH = {DECOYED: "data3.csv", PLAIN: "only_a.csv"}


@pytest.fixture(scope="module")
def placed(embedded: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put two datasets in place and give their placement."""
    path = tmp_path_factory.mktemp("placed") / "placement.json"
    storage = Storage(embedded.seeder_s3(), Names(), Placement(path))
    for dataset in (DECOYED, PLAIN):
        put_dataset(storage, dataset)
    return path


@pytest.fixture
def storage(embedded: Target, placed: Path) -> Storage:
    """Return the storage as a new seeding would find it."""
    return Storage(embedded.seeder_s3(), Names(), Placement(placed))


def overwrite(storage: Storage, key: str) -> None:
    """Put other bytes of the same size."""
    size = storage.s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"]
    storage.s3.put_object(Bucket=BUCKET, Key=key, Body=b"y" * size)


def delete(storage: Storage, key: str) -> None:
    """Leave a delete marker."""
    storage.s3.delete_object(Bucket=BUCKET, Key=key)


def delete_version(storage: Storage, key: str) -> None:
    """Delete the newest version, so that an older one shows, if there is any."""
    version = storage.s3.head_object(Bucket=BUCKET, Key=key)["VersionId"]
    storage.s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)


def current(storage: Storage, dataset: str) -> dict[str, tuple[str, bytes]]:
    """Read a dataset's objects: version and bytes by path."""
    answers = {p: storage.s3.get_object(Bucket=BUCKET, Key=f"{dataset}/{p}") for p in FILES[dataset]}
    return {path: (answer["VersionId"], answer["Body"].read()) for path, answer in answers.items()}


def require_in_place(storage: Storage, dataset: str, placed: Path) -> None:
    """Compare objects, placement in memory and placement on disk with the generators."""
    noted = json.loads(placed.read_text(encoding="utf-8"))
    for path, (version, body) in current(storage, dataset).items():
        assert body == generate(dataset, path)
        assert storage.placement.version(dataset, path) == version
        assert noted[f"{dataset}/{path}"] == {"version_id": version}


def forget(storage: Storage, key: str) -> None:
    """Delete every version and delete marker of an object, as if it had never been."""
    listed = storage.s3.list_object_versions(Bucket=BUCKET, Prefix=key)
    for version in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        storage.s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version["VersionId"])


@pytest.mark.parametrize(
    ("dataset", "damage", "words"),
    [
        (DECOYED, overwrite, "the object was overwritten"),
        (DECOYED, delete, "the object was deleted"),
        (DECOYED, delete_version, "the version with the true bytes was deleted"),
        (DECOYED, forget, "the object was deleted"),
        (PLAIN, overwrite, "the object was overwritten"),
        (PLAIN, delete, "the object was deleted"),
        (PLAIN, delete_version, "the object was deleted"),
    ],
)
def test_a_damaged_object_is_repaired(storage: Storage, placed: Path, dataset: str, damage: Damage, words: str) -> None:
    """One object is generated and sent again, with its decoy where it has one, and is named with its damage."""
    path = PATH[dataset]
    forget(storage, f"{dataset}/{path}")
    put_dataset(storage, dataset)
    before = current(storage, dataset)
    damage(storage, f"{dataset}/{path}")

    result = put_dataset(storage, dataset)

    size = pinned()[f"{dataset}/{path}"]["bytes"]
    assert (result.repaired, result.generated_bytes) == (1, size)
    assert result.uploaded_bytes == size * (2 if dataset == DECOYED else 1)
    assert result.repairs == (f"{dataset}/{path}: {words}",)
    require_in_place(storage, dataset, placed)
    others = {name: fact for name, fact in before.items() if name != path}
    assert {name: fact for name, fact in current(storage, dataset).items() if name != path} == others


def test_every_damage_is_counted(storage: Storage, placed: Path) -> None:
    """Three damages of one dataset are three repairs, each by its name."""
    for path, damage in zip(("data1.csv", "data2.csv", "data5.csv"), (overwrite, delete, delete_version), strict=True):
        damage(storage, f"{DECOYED}/{path}")

    result = put_dataset(storage, DECOYED)

    assert result.repaired == 3
    assert [text.split("/")[1][:9] for text in result.repairs] == ["data1.csv", "data2.csv", "data5.csv"]
    require_in_place(storage, DECOYED, placed)


def test_what_is_in_place_is_left_alone(storage: Storage, placed: Path) -> None:
    """Nothing is generated, sent or written, not even the placement."""
    written = placed.stat().st_mtime_ns

    results = [put_dataset(storage, dataset) for dataset in (DECOYED, PLAIN)]

    assert [(r.generated_bytes, r.uploaded_bytes, r.repaired, r.repairs) for r in results] == [(0, 0, 0, ())] * 2
    assert placed.stat().st_mtime_ns == written


@pytest.mark.parametrize("dataset", [DECOYED, PLAIN])
def test_objects_of_others_are_left_alone(storage: Storage, dataset: str) -> None:
    """Objects that no generator makes, there or deleted, are neither damage nor touched."""
    key = f"{dataset}/by-somebody-else.txt"
    storage.s3.put_object(Bucket=BUCKET, Key=key, Body=b"mine")
    storage.s3.put_object(Bucket=BUCKET, Key=f"{key}.old", Body=b"mine")
    delete(storage, f"{key}.old")

    result = put_dataset(storage, dataset)

    assert (result.repaired, result.uploaded_bytes) == (0, 0)
    assert storage.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"mine"


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "{}", '{"packages": []}', '{"packages": {}, "a/b": {"version_id": 1}}', "\0\xff"]
)
def test_a_lost_placement_is_rebuilt(embedded: Target, placed: Path, tmp_path: Path, text: str | None) -> None:
    """Nothing is sent again; the versions are those from before, and the report says what happened."""
    path = tmp_path / "placement.json"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    storage = Storage(embedded.seeder_s3(), Names(), Placement(path))

    result = put_dataset(storage, PLAIN)

    assert (result.repaired, result.uploaded_bytes) == (3, 0)
    why = "did not name their versions" if text is None else "could not be read"
    assert result.repairs == (f"{PLAIN}: placement.json {why}, 3 intact objects are noted again",)
    require_in_place(storage, PLAIN, path)
    before = json.loads(placed.read_text(encoding="utf-8"))
    assert json.loads(path.read_text(encoding="utf-8")).items() <= (before | {"packages": {}}).items()


def test_with_the_placement_lost_damage_is_still_found(embedded: Target, placed: Path, tmp_path: Path) -> None:
    """An overwritten object, a deleted one and one whose decoy is gone are repaired, the others noted."""
    storage = Storage(embedded.seeder_s3(), Names(), Placement(tmp_path / "placement.json"))
    overwrite(storage, f"{DECOYED}/data1.csv")
    delete(storage, f"{DECOYED}/data2.csv")
    listed = storage.s3.list_object_versions(Bucket=BUCKET, Prefix=f"{DECOYED}/data3.csv")["Versions"]
    for version in listed:
        if not version["IsLatest"]:
            storage.s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])

    result = put_dataset(storage, DECOYED)

    assert [text.split("/", 1)[-1] for text in result.repairs] == [
        "data1.csv: the object was overwritten",
        "data2.csv: the object was deleted",
        "data3.csv: the older version with other bytes is gone",
        f"{DECOYED}: placement.json did not name their versions, 2 intact objects are noted again",
    ]
    assert result.repaired == 5
    require_in_place(storage, DECOYED, tmp_path / "placement.json")
    placed.write_bytes((tmp_path / "placement.json").read_bytes())
    assert put_dataset(Storage(storage.s3, Names(), Placement(placed)), PLAIN).repaired == 3


def test_a_first_seeding_is_no_repair(storage: Storage, placed: Path) -> None:
    """What was never there is put in place without a word about damage."""
    for path in FILES[PLAIN]:
        forget(storage, f"{PLAIN}/{path}")
    placed.unlink()
    fresh = Storage(storage.s3, Names(), Placement(placed))

    result = put_dataset(fresh, PLAIN)

    assert (result.repaired, result.repairs, result.uploaded_bytes) == (0, (), 30_000)
    require_in_place(fresh, PLAIN, placed)


def test_older_versions_tell_a_stale_read(storage: Storage) -> None:
    """Each decoyed object has an older version of the same length with other bytes."""
    put_dataset(storage, DECOYED)
    listed = storage.s3.list_object_versions(Bucket=BUCKET, Prefix=f"{DECOYED}/data4.csv")["Versions"]
    bodies = [
        storage.s3.get_object(Bucket=BUCKET, Key=v["Key"], VersionId=v["VersionId"])["Body"].read() for v in listed
    ]
    assert {len(body) for body in bodies} == {200_000}
    assert [hash_of == generate(DECOYED, "data4.csv") for hash_of in bodies] == [True] + [False] * (len(bodies) - 1)
    assert len(bodies) > 1


def test_a_changed_generator_blocks_the_night(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is not pinned is sent, and what was sent before is still noted."""
    overwrite(storage, f"{PLAIN}/only_a.csv")
    with monkeypatch.context() as patch:
        patch.setattr(put, "generate", lambda *_: b"other")
        with pytest.raises(Blocked, match=r"^The generator of `package-a/only_a.csv` does not give its pinned bytes: "):
            put_dataset(storage, PLAIN)
    assert put_dataset(storage, PLAIN).repaired == 1


def test_progress_counts_files_and_bytes(storage: Storage) -> None:
    """Listeners hear of each tenth, the last line is the whole."""
    heard: list[News] = []
    for path in FILES[DECOYED]:
        overwrite(storage, f"{DECOYED}/{path}")
    LISTENERS.append(heard.append)
    try:
        put_dataset(storage, DECOYED)
    finally:
        LISTENERS.remove(heard.append)
    assert [(news.stage, news.done, news.of) for news in heard] == [(f"seed {DECOYED}", n, 5) for n in range(1, 6)]
    assert [news.text for news in heard][-1] == "1.0 of 1.0 MB"


def test_much_is_generated_in_other_processes(storage: Storage, placed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes arrive from processes, and one that dies gives nothing that is sent."""
    for path in FILES[DECOYED]:
        overwrite(storage, f"{DECOYED}/{path}")
    with monkeypatch.context() as patch:
        patch.setattr(put, "WORTH_A_PROCESS", 1)
        patch.setattr(sys, "executable", "/bin/true")
        with pytest.raises(Blocked, match=r"^The generator of `simple-csv/data\d.csv` does not give its pinned bytes"):
            put_dataset(storage, DECOYED)
    monkeypatch.setattr(put, "WORTH_A_PROCESS", 1)
    assert put_dataset(storage, DECOYED).repaired == 5
    require_in_place(storage, DECOYED, placed)


def test_what_cannot_be_read_has_no_digest(storage: Storage) -> None:
    """A version that is not there is damage, not an error."""
    assert put.digest(storage, PLAIN, PATH[PLAIN], "no-such-version") == ""


def test_bytes_that_changed_on_disk_are_found(tmp_path: Path) -> None:
    """While the systems are down one byte of a stored file flips, and half of another is lost."""
    profile = Profile.model_validate({"target": "embedded", "state_dir": str(tmp_path)})
    results = []
    for _ in range(2):
        target = open_target(profile, Secrets())
        storage = Storage(target.seeder_s3(), Names(), Placement(tmp_path / "placement.json"))
        results.append(put_dataset(storage, PLAIN))
        require_in_place(storage, PLAIN, tmp_path / "placement.json")
        target.stop()
        [store] = tmp_path.rglob(f"s3/*/{BUCKET}")
        flipped, cut = store / PLAIN / "only_a.csv", store / PLAIN / "shared_same.csv"
        flipped.write_bytes(b"!" + flipped.read_bytes()[1:])
        cut.write_bytes(cut.read_bytes()[:5000])

    assert [result.uploaded_bytes for result in results] == [30_000, 20_000]
    assert results[1].repairs == (
        f"{PLAIN}/only_a.csv: the stored bytes were changed",
        f"{PLAIN}/shared_same.csv: the stored bytes were changed",
    )


def test_bulk_objects_are_compared_as_listed(embedded: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in a hundred is read back, the others by the MD5 that the store lists; a damaged one is found and sent."""
    assert len(pinned()) > 10_000
    monkeypatch.setitem(FILES, BULK, dict(list(FILES[BULK].items())[:102]))
    storage, read = Storage(embedded.seeder_s3(), Names(), Placement(tmp_path / "placement.json")), []
    put_dataset(storage, BULK)
    digest = put.digest

    def noted(storage: Storage, dataset: str, path: str, version: str) -> str:
        read.append(path)
        return digest(storage, dataset, path, version)

    monkeypatch.setattr(put, "digest", noted)
    assert put_dataset(storage, BULK).uploaded_bytes == 0
    assert sorted(read) == [f"dir_00/file_{number:03d}.bin" for number in (0, 100)]
    storage.s3.put_object(Bucket=Names().bucket_perf, Key=f"{BULK}/dir_00/file_007.bin", Body=b"y" * 100)
    repaired = put_dataset(storage, BULK)
    assert repaired.repairs == ("bulk-src/dir_00/file_007.bin: the object was overwritten",)
    assert (repaired.uploaded_bytes, put_dataset(storage, BULK).repaired) == (100, 0)
