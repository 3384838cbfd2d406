"""Inputs that no night can work with, each with words that its error sentence must contain."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.nightproof.foreign import Foreign

    Damage = Callable[[Foreign], Any]


@dataclass(frozen=True)
class Bad:
    """One wrong input: lines for the profile's head, lines for its suite, or whatever else is done to the files."""

    name: str
    words: str
    head: str = ""
    suite: str = ""
    damage: Damage | None = None


WORDS = {"history_url": "history", "datasets": "dataset", "checks": "check", "backends": "", "secrets": "secret"}


def heads() -> list[Bad]:
    """Top-level keys of the profile with wrong values."""
    numbers = ("nan", "inf", "-inf", "-1", "0", '"60"', "true", "[]", "1e300")
    wrong = {
        "gates.wall_s": numbers, "time_factor": numbers, "gates.cost_usd": ("nan", "inf", "-inf", "-1", '"5"', "true"),
        "gates.critical": ("nan", "-0.1", "1.1", '"1"'), "gates.high": ("nan", "2", "inf"),
        "gates.normal": ("-1", "nan", "false"), "gates.flaky": ("nan", "-1e-9", "1.01"),
        "gates.quarantine": ("nan", "7", "[1]"), "journeys.pay": ("nan", "-1", "inf", '"much"'),
        "testbed_aws_port": ("-1", "65536", "1.5", '"80"', "true", "1" + "0" * 30), "testbed_catalog_port": ("99999",),
        "cron": ('""', '"daily"', '"0 2 * *"', '"61 2 * * *"', '"0 25 * * *"', '"0 2 32 * *"', '"0 2 30 2 *"',
                 '"0 2 * 13 *"', '"0 2 * * 8"', '"0 5-2 * * *"', '"*/0 * * * *"', '"R 2 * * *"', '"0 2 * * * *"', "7",
                 '"0 2 31 4,6,9,11 *"', '"a b c d e"', '"0 ² * * *"'),
        "timezone": ('""', '"Berlin"', '"Europe/Berln"', '"../etc/passwd"', '"Europe"', '"UTC+1"', "1"),
        "endpoints.catalog": ('"catalog"', '"ftp://x"', '"http://"', '"http://x:port"', '"http://x:99999"',
                              '"http://[::1"', '"http://a b"', "3"),
        "endpoints.aws": ('"localhost:4566"', '"s3://x"'), "report_base_url": ('"reports"', '"file:///x"'),
        "slack.base_url": ('"slack.com"', '"ws://x"'),
        "slack.mention": ('"<!channel>"', '"!channel"', '"<!here>"', '"@team"', '"S1> <!everyone"', '"s012345"'),
        "slack.channel": ('"#a b"', "1"),
        "artifact_store": ('"gs://bucket/x"', '"https://x/y"', '"s3://"', '"s3://B_B/x"', '"file:///tmp/x"', "1"),
        "history_url": ('"history.sqlite"', '"nosuch://x"', '"oracle://x"', '"sqlite:///h.sqlite?password=Secret99"',
                        '"postgresql://h:port/x"', "4"),
        "name": ('"a/b"', '"../x"', '".x"', '"a b"', '"é"', '"-x"', f'"{"x" * 65}"', "1"),
        "environment": ('"a/b"', '".."', '"x\\u0000y"'),
        "datasets": ('["no-such"]', '["simple-csv", "simple-csv"]', '["../x"]', "3", "[1]"),
        "needs": ('["fly"]', '"write"'), "target": ('"moon"', "1", '""'), "owner": ("1", '"a\\nb"'),
        "names.region": ('""', '"a b"'), "names.bucket_data": ('""', "2"), "state_dir": ("1", '"a\\u0000b"', '"a\\nb"'),
        "endpoints.urls.api": ('""', '"http://"', '"http://x:1000000"', '"a b"', "[]"),
        'endpoints.urls."a/b"': ('"http://x"',), 'endpoints.urls.""': ('"http://x"',),
        "checks": ('[{kind = "htpp"}]', "[{}]", '[{kind = "http", url = "ftp://x"}]', '[{kind = "http", requires = 1}]',
                   '[{kind = "http", required = "yes"}]', "3", '[{kind = "http", url = "http://x:port/"}]'),
        "nmae": ("1",), "suites": ("[]",), "gates.crit": ("1",), "slack.token": ('"x"',),
    }  # fmt: skip
    return [
        Bad(f"{key}={value}"[:70], WORDS.get(key, key.split(".")[0]), head=f"{key} = {value}")
        for key, values in wrong.items()
        for value in values
    ]


def suite_lines() -> list[Bad]:
    """Keys of a [[suite]] section with wrong values."""
    wrong = {
        "select": ('"("', '"[a"', '"*"', '"(?P<a"', '"a{2,1}"', "1"),
        "timeout_s": ("nan", "inf", "-1", "0", '"9"', "1e12", "false"),
        "backends": ('["quilt9"]', '["default", "default"]', '["../x"]', '"default"', "[1]"),
        "secrets": ('["A-B"]', '["9A"]', '[""]', '["HOME", "HOME"]', '["NO_SUCH_SECRET_HERE"]', "[1]"),
        "relay": (
            '"yes"',
            "1",
            "[]",
            "[1]",
            '[""]',
            '["a b"]',
            '["http://x"]',
            '["nobody.example:443"]',
            '["x:99999"]',
        ),
        "tiemout_s": ("1",),
    }
    return [
        Bad(f"suite.{key}={value}", WORDS.get(key, key), suite=f"{key} = {value}")
        for key, values in wrong.items()
        for value in values
    ]


def _write(name: str, content: bytes | str) -> Damage:
    def damage(foreign: Foreign) -> None:
        path = foreign.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return damage


def _folder(name: str) -> Damage:
    def damage(foreign: Foreign) -> None:
        path = foreign.folder / name
        path.unlink(missing_ok=True)
        path.mkdir(parents=True)

    return damage


def _state(path: str) -> Damage:
    """Return a spoiler that sets another state directory, relative to the profile's folder."""

    def damage(foreign: Foreign) -> None:
        text = foreign.profile_path.read_text()
        foreign.profile_path.write_text(text.replace(str(foreign.state), path))

    return damage


def both(*damages: Damage) -> Damage:
    """Do one after the other."""

    def damage(foreign: Foreign) -> None:
        for one in damages:
            one(foreign)

    return damage


def _link(name: str, to: str) -> Damage:
    return lambda foreign: (foreign.folder / name).symlink_to(to)


def files() -> list[Bad]:
    """Damaged files beside the profile."""
    torn = (b"\xff\xfe\x00", b"[[", b"a = ", b"\x00", b"x = " + b"9" * 5000, b"a = " + b"[" * 4000, b'"\xe9" = 1')
    found = [
        Bad(f"{name} {i}", name.rpartition("/")[2], damage=_write(name, content))
        for name in ("shop.toml", "shop/suite.toml", "shop/quarantine.toml")
        for i, content in enumerate(torn)
    ]
    entry = '[[test]]\nid = "shop/test_it::test_front"\nowner = "x"\nreason = "r"\nexpires = {}\n'
    dates = ('"31/12/2026"', "20261231", '"tomorrow"', "nan", "2026-12-31T10:00:00", '""', "true")
    found += [
        Bad(f"expires {day}", "expires", damage=_write("shop/quarantine.toml", entry.format(day))) for day in dates
    ]
    locks: tuple[Any, ...] = (
        [], {}, {"schema": 9, "suites": {}}, {"schema": 1, "suites": []}, {"schema": 1, "suites": {}},
        {"schema": 1, "suites": {"shop": {"backends": "default", "tests": {}}}},
        {"schema": 1, "suites": {"shop": {"backends": ["../x"], "tests": {"shop/a": {}}}}},
        {"schema": 1, "suites": {"shop": {"backends": [], "tests": {"shop/a": []}}}},
        {"schema": 1, "suites": {"shop": {"backends": [], "tests": {"shop/a": {"needs": 3}}}}},
        {"schema": 1, "suites": {"shop": {"backends": [], "tests": []}}}, {"schema": 1, "suites": {"shop": 1}},
    )  # fmt: skip
    lock = "shop/catalogue.lock.json"
    found += [Bad(f"lock {i}", "catalogue", damage=_write(lock, json.dumps(data))) for i, data in enumerate(locks)]
    found += [
        Bad(f"lock torn {i}", "catalogue", damage=_write(lock, data)) for i, data in enumerate((b"", b"{", b"\xff"))
    ]
    suite = ("name = 3", 'name = "../../../../evil"', 'name = "a/b"', 'name = ""', 'name = ".."', 'backends = ["a/b"]',
             "backends = [1]", 'backends = "x"', "test_timeout_s = nan", "test_timeout_s = -1", "test_timeout_s = inf",
             'test_timeout_s = "2"', "workers = 0", "workers = 17", "workers = true", 'datasets = ["no-such"]',
             "datasets = [1]", "unsupported = {a = 1}", "nmae = 1", "owner = 1", 'backends = ["a", "a"]')  # fmt: skip
    found += [Bad(f"suite.toml {line}", "", damage=_write("shop/suite.toml", line)) for line in suite]
    return [
        *found,
        Bad("suite.toml a folder", "suite.toml", damage=_folder("shop/suite.toml")),
        Bad("quarantine a folder", "quarantine.toml", damage=_folder("shop/quarantine.toml")),
        Bad("quarantine a dangling link", "quarantine.toml", damage=_link("shop/quarantine.toml", "gone")),
        Bad("lock a folder", "catalogue", damage=_folder(lock)),
        Bad(
            "suite a file",
            "suite folder",
            damage=both(_state("state"), lambda f: f.suite.rename(f.folder / "x"), _write("shop", "")),
        ),
        Bad("suite gone", "suite folder", damage=lambda f: f.suite.rename(f.folder / "x")),
    ]


def secrets() -> list[Bad]:
    """Invalid files of secrets; no error sentence may quote their contents."""
    texts = (
        b"\xff\xfe",
        b"NIGHTPROOF_SLACK_TOKEN='\xe9'",
        b"no equals sign here!\n",
        b'A="open',
        b"=x\n",
        b"A='b\n\nc",
    )
    found = [Bad(f".env {i}", "secret", damage=_write(".env", text)) for i, text in enumerate(texts)]
    values = {
        "NIGHTPROOF_JWT_SECRET": ("abcd", "x"), "NIGHTPROOF_SLACK_TOKEN": ('"xoxb 1234"', "'xoxb-é1234'"),
        "NIGHTPROOF_SLACK_WEBHOOK": ('"http://x y"', "abc"),
    }  # fmt: skip
    found += [Bad(f".env {name}={value}", name, damage=_write(".env", f"{name}={value}\n".encode()))
              for name, some in values.items() for value in some]  # fmt: skip
    return [*found, Bad(".env a folder", ".env", damage=_folder(".env"))]


def places() -> list[Bad]:
    """Places that cannot be written."""
    deep = "/".join(["d" * 200] * 19)
    paths = {
        "a file": _write("bad", ""), "below a file": _write("bad", ""), "a dangling link": _link("bad", "gone"),
        "a loop": _link("bad", "bad"), "a link to a file": both(_write("f", ""), _link("bad", "f")),
    }  # fmt: skip
    state = [
        Bad(f"state_dir {name}", "state directory", damage=both(make, _state("bad/x" if "below" in name else "bad")))
        for name, make in paths.items()
    ]
    more = ("/proc/nightproof", "/dev/null", "/dev/null/x", "/sys/nightproof", deep, "n" * 256, f"ok/{'n' * 300}")
    state += [Bad(f"state_dir {path[:20]}", "state directory", damage=_state(path)) for path in more]
    inside = [Bad(f"state/{name} a file", name, damage=_write(f"state/{name}", ""))
              for name in ("runs", "testbed", "prefect", "prove")]  # fmt: skip
    inside += [
        Bad(f"state/{name} a folder", name, damage=_folder(f"state/{name}"))
        for name in ("environment.lock", "supervisor.lock", "history.sqlite", "runs/latest", "placement.json")
    ]
    rubbish = (b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 5000)
    inside += [
        Bad(f"history {i}", "history", damage=_write("state/history.sqlite", data)) for i, data in enumerate(rubbish)
    ]
    stores = [Bad(f"store {place[:20]}", "artifact store", head=f'artifact_store = "{place}"')
              for place in ("/proc/x", "/dev/null", "shop.toml", "shop.toml/x", "state/runs/x", "n" * 300)]  # fmt: skip
    return [*state, *inside, *stores]


def collisions() -> list[Bad]:
    """Pairs of settings that collide in one name or path."""
    twin = '\n[[suite]]\npath = "{}"\n'

    def twins(foreign: Foreign) -> None:
        other = foreign.folder / "b" / "shop"
        other.mkdir(parents=True)
        (other / "test_it.py").write_text("def test_a(): pass\n")

    return [
        Bad("urls of one variable", "NIGHTPROOF_URL_A_B", head='endpoints.urls = {"a-b" = "http://x", "a_b" = "http://y"}'),
        Bad("urls by case", "NIGHTPROOF_URL_AB", head='endpoints.urls = {"ab" = "http://x", "AB" = "http://y"}'),
        Bad("one port twice", "same port", head="testbed_aws_port = 4000\ntestbed_catalog_port = 4000"),
        Bad("suites of one name", "both called `shop`", suite=twin.format("b/shop"), damage=twins),
        Bad("one suite twice", "both called `shop`", suite=twin.format("shop")),
        Bad("one suite by two paths", "both called `shop`", suite=twin.format("b/../shop")),
    ]  # fmt: skip


def every() -> list[Bad]:
    """Every bad input, under a name of its own."""
    groups = (heads(), suite_lines(), files(), secrets(), places(), collisions())
    return list(itertools.chain.from_iterable(groups))
