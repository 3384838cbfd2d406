"""Shapes of the registry's GraphQL answers to each of our documents."""

from __future__ import annotations

from typing import Annotated
from typing import Literal

from pydantic import Field

from nightproof.quilt.answers import Answer
from nightproof.quilt.answers import JsonText
from nightproof.quilt.answers import Moment
from nightproof.quilt.answers import Record
from nightproof.quilt.answers import Size
from nightproof.quilt.answers import Text
from nightproof.quilt.answers import TopHash


class InputError(Answer):
    """One rejected argument."""

    path: str | None
    message: str
    name: str


class InvalidInput(Answer):
    """The union member for rejected arguments."""

    typename: Literal["InvalidInput"] = Field(alias="__typename")
    errors: list[InputError] = Field(min_length=1)


class OperationError(Answer):
    """The union member for a failed operation."""

    typename: Literal["OperationError"] = Field(alias="__typename")
    name: str
    message: str
    context: Record | None = None


class Named(Answer):
    """An object of which we need only the name."""

    name: Text


class PackageList(Answer):
    """One page of packages."""

    total: int
    page: list[Named]


class Packages(Answer):
    """Data of `Packages`."""

    packages: PackageList | None


class Revision(Answer):
    """One revision, without its content."""

    hash: TopHash
    modified: Moment
    message: str | None


class RevisionInfo(Revision):
    """One revision with its user metadata."""

    user_meta: Record | None


class PackageFacts(Answer):
    """A package at one revision."""

    bucket: Text
    name: Text
    modified: Moment
    revision: RevisionInfo | None


class PackageInfo(Answer):
    """Data of `PackageInfo`."""

    package: PackageFacts | None


class PackageExists(Answer):
    """Data of `PackageExists`."""

    package: Named | None


class RevisionList(Answer):
    """One page of revisions."""

    total: int
    page: list[Revision]


class PackageWithRevisions(Answer):
    """A package with its revisions."""

    revisions: RevisionList


class Revisions(Answer):
    """Data of `PackageRevisions`."""

    package: PackageWithRevisions | None


class File(Answer):
    """A file of a package."""

    path: Text
    size: Size
    physical_key: Text
    metadata: Record | None


class PackageFile(File):
    """A file among the children of a directory."""

    typename: Literal["PackageFile"] = Field(alias="__typename")


class PackageDir(Answer):
    """A directory among the children of a directory."""

    typename: Literal["PackageDir"] = Field(alias="__typename")
    path: Text
    metadata: Record | None


class Directory(Answer):
    """A directory with its children."""

    path: str
    children: list[Annotated[PackageFile | PackageDir, Field(discriminator="typename")]]


class BrowsedRevision(Answer):
    """A revision seen at one path."""

    hash: TopHash
    modified: Moment
    dir: Directory | None
    file: File | None


class BrowsedPackage(Answer):
    """A package seen at one path."""

    revision: BrowsedRevision | None


class Browsed(Answer):
    """Data of `BrowseContent`."""

    package: BrowsedPackage | None


class EntryHash(Answer):
    """The hash of an entry."""

    type: Text
    value: Text


class FlatEntry(Answer):
    """One file of the flat map."""

    physical_key: Text
    size: Size
    hash: EntryHash
    meta: Record | None


class FlatRevision(Answer):
    """A revision with all its files, or without them if they are more than 20,000."""

    hash: TopHash
    user_meta: Record | None
    contents_flat_map: dict[str, FlatEntry] | None


class FlatPackage(Answer):
    """A package with all its files."""

    revision: FlatRevision | None


class Flat(Answer):
    """Data of `GetPackage`."""

    package: FlatPackage | None


class PushedRevision(Answer):
    """The revision that a push made."""

    hash: TopHash
    total_entries: int


class PushSuccess(Answer):
    """The union member for a push that succeeded."""

    typename: Literal["PackagePushSuccess"] = Field(alias="__typename")
    revision: PushedRevision


Pushed = Annotated[PushSuccess | InvalidInput | OperationError, Field(discriminator="typename")]


class Constructed(Answer):
    """Data of `PackageConstruct`."""

    package_construct: Pushed


class Promoted(Answer):
    """Data of `PackagePromote`."""

    package_promote: Pushed


class DeleteSuccess(Answer):
    """The union member for a revision that was deleted."""

    typename: Literal["PackageRevisionDeleteSuccess"] = Field(alias="__typename")


class Deleted(Answer):
    """Data of `DeleteRevision`."""

    package_revision_delete: Annotated[DeleteSuccess | OperationError, Field(discriminator="typename")]


class BrowsingSession(Answer):
    """The union member for an opened session."""

    typename: Literal["BrowsingSession"] = Field(alias="__typename")
    id: Text
    expires: Moment


class Opened(Answer):
    """Data of `BrowsingSessionCreate`."""

    browsing_session_create: Annotated[BrowsingSession | InvalidInput | OperationError, Field(discriminator="typename")]


class Hit(Answer):
    """One package found."""

    bucket: Text
    name: Text
    hash: TopHash
    modified: Moment
    comment: str | None
    meta: JsonText


class HitsPage(Answer):
    """The first page of a result."""

    hits: list[Hit]


class ResultSet(Answer):
    """The union member for a search with results; in the new dialect, its page can be an error."""

    typename: Literal["PackagesSearchResultSet"] = Field(alias="__typename")
    total: int
    first_page: HitsPage | InvalidInput | OperationError


class EmptyResultSet(Answer):
    """The union member for a search without results."""

    typename: Literal["EmptySearchResultSet"] = Field(alias="__typename")


class Found(Answer):
    """Data of `SearchPackages`."""

    search_packages: Annotated[
        ResultSet | EmptyResultSet | InvalidInput | OperationError, Field(discriminator="typename")
    ]
