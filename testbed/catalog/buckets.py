"""The mutations that add, update and remove the catalog's buckets; objects in S3 are not touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from botocore.exceptions import ClientError

from testbed.catalog import database as db
from testbed.catalog import roles
from testbed.catalog.arms import MarkedError
from testbed.catalog.arms import marked
from testbed.catalog.arns import account
from testbed.catalog.descriptions import bucket_of
from testbed.catalog.errors import InputError
from testbed.catalog.people import BUCKET_DEFAULTS
from testbed.catalog.people import INDEXED_BYTES

if TYPE_CHECKING:
    from testbed.catalog.registry import Registry
    from testbed.catalog.resolvers import Context

Answer = dict[str, Any]
NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
EXTENSION: Final = re.compile(r"\.[a-z0-9][a-z0-9.]{0,31}", re.ASCII)
TOPIC: Final = re.compile(r"arn:aws:sns:[a-z0-9-]+:(\d{12}):[\w-]{1,256}(\.fifo)?", re.ASCII)
NO_TOPIC: Final = "DO_NOT_SUBSCRIBE"
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404


class Buckets:
    """The mutations of buckets; graphql-core calls them with the request's info."""

    def bucketAdd(self, info: Any, input: Answer) -> Answer:
        """Add a bucket to the catalog; policies grant it to roles."""
        info.context.who.require_admin()
        return marked(info, lambda: _add(info.context, input))

    def bucketUpdate(self, info: Any, name: str, input: Answer) -> Answer:
        """Replace the configuration of a bucket."""
        info.context.who.require_admin()
        return marked(info, lambda: _update(info.context, name, input))

    def bucketRemove(self, info: Any, name: str) -> Answer:
        """Remove a bucket from the catalog, with its tables, permissions, sessions and index rows."""
        info.context.who.require_admin()
        return marked(info, lambda: _remove(info.context, name))


def _add(context: Context, given: Answer) -> Answer:
    name = given["name"]
    if name in context.who.catalog:
        raise MarkedError("BucketAlreadyAdded")
    if context.is_unsubscribed:
        raise MarkedError("SubscriptionInvalid")
    config = _checked(given)
    _probe(context.registry, name, config["prefixes"])
    with context.engine.begin() as connection:
        db.hold(connection)
        if name in roles.buckets(connection):
            raise MarkedError("BucketAlreadyAdded")
        connection.execute(db.buckets.insert().values(name=name, config=config))
    return {"__typename": "BucketAddSuccess", "bucketConfig": bucket_of(context.engine, name)}


def _update(context: Context, name: str, given: Answer) -> Answer:
    if name not in context.who.catalog:
        raise MarkedError("BucketNotFound")
    config = _checked(given)
    _probe(context.registry, name, config["prefixes"])
    with context.engine.begin() as connection:
        changed = connection.execute(db.buckets.update().where(db.buckets.c.name == name).values(config=config))
        if not changed.rowcount:
            raise MarkedError("BucketNotFound")
    return {"__typename": "BucketUpdateSuccess", "bucketConfig": bucket_of(context.engine, name)}


def _remove(context: Context, name: str) -> Answer:
    if name == context.indexed_now:
        raise MarkedError("IndexingInProgress")
    with context.engine.begin() as connection:
        if not connection.execute(db.buckets.delete().where(db.buckets.c.name == name)).rowcount:
            raise MarkedError("BucketNotFound")
        for table in (db.permissions, db.tabulator_tables, db.index, db.sessions):
            connection.execute(table.delete().where(table.c.bucket == name))
    return {"__typename": "BucketRemoveSuccess"}


def _checked(given: Answer) -> Answer:
    """Return the bucket configuration to store; null members get their defaults.

    Raise InputError or MarkedError for an invalid member.
    """
    config: Answer = {**BUCKET_DEFAULTS} | {field: value for field, value in given.items() if value is not None}
    config.pop("name", None)
    config.pop("delayScan", None)
    if not config["title"].strip():
        raise InputError("input.title", "InvalidTitle", "A bucket's title is not empty.")
    if not all(EXTENSION.fullmatch(extension) for extension in config.get("fileExtensionsToIndex", ())):
        raise MarkedError("BucketFileExtensionsToIndexInvalid")
    if config.get("indexContentBytes", 0) not in INDEXED_BYTES:
        raise MarkedError("BucketIndexContentBytesInvalid")
    _check_topic(config.get("snsNotificationArn", NO_TOPIC))
    return config


def _check_topic(arn: str) -> None:
    """Raise MarkedError for any SNS topic: the account has none, and another account's cannot be configured."""
    if arn == NO_TOPIC:
        return
    found = TOPIC.fullmatch(arn)
    if found is None:
        raise MarkedError("SnsInvalid")
    raise MarkedError("NotificationTopicNotFound" if found[1] == account() else "NotificationConfigurationError")


def _probe(registry: Registry, name: str, prefixes: list[str]) -> None:
    """Raise MarkedError unless the catalog can list the bucket under every prefix."""
    if not NAME.fullmatch(name):
        raise MarkedError("BucketDoesNotExist")
    try:
        registry.s3.head_bucket(Bucket=name)  # 404 for a missing bucket, 403 for a forbidden one
        for prefix in prefixes or [""]:
            registry.s3.list_objects_v2(Bucket=name, Prefix=prefix, MaxKeys=1)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == NOT_FOUND:
            raise MarkedError("BucketDoesNotExist") from error
        if status == FORBIDDEN:
            message = f"The catalog may not read the bucket `{name}`. Allow its IAM user to list and get objects."
            raise MarkedError("InsufficientPermissions", message) from error
        raise
