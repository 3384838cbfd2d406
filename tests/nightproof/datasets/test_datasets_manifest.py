"""The committed manifest and checksums: whole, in step with each other and with the generators."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.datasets import manifest
from nightproof.datasets.catalogue import baseline
from nightproof.datasets.catalogue import bulk
from nightproof.datasets.catalogue import key_of
from nightproof.datasets.catalogue import others
from nightproof.datasets.catalogue import tabular_over
from nightproof.datasets.generators import BULK
from nightproof.datasets.generators import DATASETS
from nightproof.datasets.generators import FILES
from nightproof.datasets.generators import generate
from nightproof.errors import Blocked
from nightproof.profile import Names

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("single-file", "package-a", "package-b", "west", "athena", "readme", "documents")


def committed(path: Path) -> Any:
    """Read a committed file."""
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [manifest.MANIFEST, manifest.CHECKSUMS])
def test_committed_files_are_in_their_one_form(path: Path) -> None:
    """Keys are sorted, the indent is two, and the file ends in a newline, so that a difference reads like code."""
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_the_manifest_lists_exactly_the_generators_files() -> None:
    """Every generated file has a pin and every pin a generator, ascending by path."""
    found = manifest.read_manifest()
    sections = found["datasets"] | found["extras"]
    assert sorted(found["datasets"]) == sorted(DATASETS)
    assert {name: [entry["path"] for entry in section["entries"]] for name, section in sections.items()} == {
        name: sorted(files) for name, files in FILES.items() if name != BULK
    }


def test_sums_are_those_of_the_entries() -> None:
    """File counts and bytes add up, per dataset and in all."""
    found = manifest.read_manifest()
    for section in (found["datasets"] | found["extras"]).values():
        assert section["files"] == len(section["entries"])
        assert section["bytes"] == sum(entry["bytes"] for entry in section["entries"])
    assert found["total_files"] == 179 == sum(section["files"] for section in found["datasets"].values())
    assert found["total_bytes"] == sum(section["bytes"] for section in found["datasets"].values())


def test_checksums_repeat_the_manifest() -> None:
    """Both files state the same hash for the same file; the bulk objects are not listed one by one."""
    stated = committed(manifest.CHECKSUMS)["files"]
    expected = {
        "west.txt" if key == "west/west.txt" else key: fact["sha256"]
        for key, fact in manifest.pinned().items()
        if not key.startswith(f"{BULK}/")
    }
    encoded = {key: fact for key, fact in manifest.pinned().items() if fact["pin"] == "content"}
    assert len(encoded) == 5
    assert stated == expected | {f"{key}#content": fact["content_sha256"] for key, fact in encoded.items()}


def test_packages_are_those_that_will_be_pushed() -> None:
    """Names, messages, metadata, hashes, counts and sizes come from the revisions themselves."""
    packages, facts = manifest.read_manifest()["packages"], manifest.pins()
    names = Names()
    revisions = (*baseline(names), *others(names), *bulk(names), *tabular_over(names, DATASETS))
    assert sorted(packages) == sorted({revision.package for revision in revisions})
    for revision in revisions:
        package = packages[revision.package]
        stated = {entry["label"]: entry for entry in package["revisions"]}[revision.label]
        newest = "Bulk: one v3" if revision.package == "bulk/one" else revision.message
        assert package["message"] == newest
        assert package["metadata"] == revision.metadata
        assert package["registry"] == f"s3://{revision.bucket}"
        assert stated["top_hash"] == revision.expected(facts)
        assert stated["file_count"] == len(revision.entries)
        assert stated["total_bytes"] == sum(facts[source][1] for source in revision.entries.values())


def test_revisions_are_listed_oldest_first() -> None:
    """The revisions of the packages with several stand in the order of their pushes."""
    packages = manifest.read_manifest()["packages"]
    labels = {name: [each["label"] for each in package["revisions"]] for name, package in packages.items()}
    assert {name: found for name, found in labels.items() if len(found) > 1} == {
        "test-user/versioned-data": ["v1", "v2"],
        "bulk/one": ["v1", "v2", "v3"],
    }


def test_search_words_are_where_they_are_promised() -> None:
    """The word of the search test occurs in exactly the three packages, newest first, and `nested` in one."""
    packages = {name: found for name, found in manifest.read_manifest()["packages"].items() if "test-user/" in name}

    def holding(word: str) -> list[str]:
        return [
            name
            for name in packages
            if word in json.dumps([name, packages[name]["message"], packages[name]["metadata"]])
        ]

    order = [revision.package for revision in baseline(Names())]
    assert manifest.read_manifest()["search"]["csv"] == sorted(holding("csv"), key=order.index, reverse=True)
    assert holding("nested") == ["test-user/nested-structure"]
    assert all("baseline" in package["metadata"]["tags"] for package in packages.values())


def test_the_difference_of_the_pair_is_its_content() -> None:
    """What the manifest states of package-a and package-b follows from their entries."""
    pair = {
        revision.package[-1]: revision.entries
        for revision in baseline(Names())
        if "package-" in revision.package and revision.package[-2] == "-"
    }
    facts = manifest.pins()
    both = pair["a"].keys() & pair["b"].keys()
    assert manifest.read_manifest()["diff"]["a_b"] == {
        "added": sorted(pair["b"].keys() - both),
        "removed": sorted(pair["a"].keys() - both),
        "modified": sorted(key for key in both if facts[pair["a"][key]] != facts[pair["b"][key]]),
    }


def test_half_of_the_packages_are_pushed_by_the_library() -> None:
    """Five baseline packages come from quilt3 and five from the catalog; none elsewhere comes from quilt3."""
    by_quilt3 = {revision.package for revision in baseline(Names()) if revision.by_quilt3}
    assert len(by_quilt3) == 5
    assert len({revision.package for revision in baseline(Names())}) == 10
    assert not any(revision.by_quilt3 for revision in others(Names()))


@pytest.mark.parametrize("dataset", SMALL)
def test_a_description_is_the_committed_one(dataset: str) -> None:
    """Describing a file anew gives its committed facts."""
    for path in FILES[dataset]:
        fact = manifest.describe(dataset, path)
        committed_fact = manifest.pinned()[f"{dataset}/{path}"]
        if fact["pin"] == "content":
            fact, committed_fact = (
                {k: v for k, v in each.items() if k in {"path", "content_sha256", "pin"}}
                for each in (fact, committed_fact)
            )
        assert fact == committed_fact


def test_the_bulk_is_pinned_by_its_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand files of a hundred bytes follow the pattern; other bytes than the pinned ones block the seeding."""
    stated = manifest.read_manifest()["bulk"]
    paths = [f"dir_{n:02d}/file_{m:03d}.bin" for n in range(10) for m in range(1000)]
    digests = [hashlib.sha256(generate(BULK, path)).hexdigest() for path in paths]
    assert stated["sha256"] == hashlib.sha256("".join(digests).encode()).hexdigest()
    assert list(FILES[BULK]) == paths
    assert {fact["bytes"] for key, fact in manifest.pinned().items() if key.startswith(BULK)} == {100}
    assert (stated["directory"].format(3), stated["file"].format(7)) == ("dir_03", "file_007.bin")
    monkeypatch.setattr(manifest, "_bulk_facts", lambda: (manifest.describe(BULK, paths[0]),))
    with pytest.raises(Blocked, match=r"^The generator of `bulk-src` does not give its pinned bytes"):
        manifest.pinned.__wrapped__()


def every_fact() -> manifest.Facts:
    """Return the committed facts in the form in which they are written."""
    keys = [(name, path) for name, files in FILES.items() if name != BULK for path in files]
    return {(name, path): manifest.pinned()[f"{name}/{path}"] for name, path in keys}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let both files be written elsewhere, and spare the generation of the big datasets."""
    for name in ("MANIFEST", "CHECKSUMS"):
        copy = tmp_path / getattr(manifest, name).name
        copy.write_bytes(getattr(manifest, name).read_bytes())
        monkeypatch.setattr(manifest, name, copy)
    monkeypatch.setattr(manifest, "describe_all", every_fact)
    return tmp_path


def test_an_update_writes_what_is_committed(elsewhere: Path) -> None:
    """Both files come out byte for byte as committed."""
    before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
    for path in elsewhere.iterdir():
        path.write_text("lost")
    assert manifest.main([]) == 0
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before


@pytest.mark.usefixtures("elsewhere")
def test_a_check_names_what_does_not_reproduce(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changed bytes and a changed file fail; an encoder's other bytes of the same content do not."""
    assert manifest.main(["--check"]) == 0
    facts = every_fact()
    facts["mixed-formats", "image.png"] = facts["mixed-formats", "image.png"] | {"sha256": "another encoder's"}
    monkeypatch.setattr(manifest, "describe_all", lambda: facts)
    assert manifest.main(["--check"]) == 0
    facts["mixed-formats", "image.jpg"] = facts["mixed-formats", "image.jpg"] | {"content_sha256": "other pixels"}
    facts["simple-csv", "data1.csv"] = facts["simple-csv", "data1.csv"] | {"sha256": "other bytes"}
    capsys.readouterr()
    assert manifest.main(["--check"]) == 1
    names = [line.removeprefix("not as committed: ") for line in capsys.readouterr().out.splitlines()]
    assert names == ["simple-csv/data1.csv", "mixed-formats/image.jpg", "manifest.json", "checksums.json"]


def test_every_file_is_described_in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The facts of all files come back under their names."""
    monkeypatch.setattr(manifest, "FILES", {name: FILES[name] for name in ("readme", "west")})
    found = manifest.describe_all()
    assert set(found) == {("west", "west.txt"), *(("readme", f"{name}.md") for name in DATASETS)}
    assert all(fact == manifest.pinned()[f"{name}/{path}"] for (name, path), fact in found.items())


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_readme_states_what_is_there(dataset: str) -> None:
    """Name, seed, counts and the files that are not one of many stand in its description."""
    text = (manifest.FOLDER / "readme" / f"{dataset}.md").read_text(encoding="utf-8")
    section = manifest.read_manifest()["datasets"][dataset]
    files = "1 file" if section["files"] == 1 else f"{section['files']} files"
    assert text.startswith(f"# {dataset}\n")
    assert f"- Size: {files}, {section['bytes']:,} bytes." in text
    assert f"- Seed: `{section['seed']}`" in text
    for name in (entry["path"].rsplit("/", 1)[-1] for entry in section["entries"]):
        is_one_of_many = any(character.isdigit() for character in name)
        assert is_one_of_many or f"{name}`" in text, name


@pytest.mark.parametrize("dataset", ["metadata-rich", "empty-package"])
def test_a_document_is_the_packages_metadata(dataset: str) -> None:
    """The file beside a dataset says what its package says, and lies at the dataset's own prefix."""
    path = f"{dataset}/quilt_metadata.json"
    content = json.loads(generate("documents", path))
    assert content == manifest.read_manifest()["packages"][f"test-user/{dataset}"]["metadata"]
    assert key_of("documents", path) == path
    assert path.split("/")[1] not in FILES[dataset]


def test_rich_metadata_has_every_shape_of_value() -> None:
    """What a round trip may lose is there: unicode, the absent, the empty, the tiny and the exact large."""
    rich = manifest.read_manifest()["packages"]["test-user/metadata-rich"]["metadata"]
    custom = rich["custom_fields"]
    assert custom["experiment_id"] == "EXP-001"
    assert (custom["small"], custom["large"]) == (1e-7, 2**53 - 1)
    assert None in custom["inner"].values()
    assert [] in custom.values()
    assert not custom["unicode"].isascii()
    assert len(rich["authors"]) == 2
    assert rich["schema"]["fields"][0]["constraints"]
    assert set(rich["provenance"]) == {"source", "method", "seed"}
