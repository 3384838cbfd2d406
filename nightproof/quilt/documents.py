"""GraphQL documents of the platform backend, limited to the union members and fields that every registry has."""

from __future__ import annotations

from typing import Final

PACKAGES: Final = """
query Packages($bucket: String!, $page: Int!) {
  packages(bucket: $bucket) { total page(number: $page, perPage: 100, order: NAME) { name } }
}"""
PACKAGE_INFO: Final = """
query PackageInfo($bucket: String!, $name: String!, $hash: String!) {
  package(bucket: $bucket, name: $name) {
    bucket name modified revision(hashOrTag: $hash) { hash modified message userMeta }
  }
}"""
REVISIONS: Final = """
query PackageRevisions($bucket: String!, $name: String!, $page: Int!) {
  package(bucket: $bucket, name: $name) {
    revisions { total page(number: $page, perPage: 100) { hash modified message } }
  }
}"""
BROWSE: Final = """
query BrowseContent($bucket: String!, $name: String!, $hash: String!, $path: String!) {
  package(bucket: $bucket, name: $name) {
    revision(hashOrTag: $hash) {
      hash modified
      dir(path: $path) {
        path
        children {
          __typename
          ... on PackageFile { path size physicalKey metadata }
          ... on PackageDir { path metadata }
        }
      }
      file(path: $path) { path size physicalKey metadata }
    }
  }
}"""
GET_PACKAGE: Final = """
query GetPackage($bucket: String!, $name: String!, $hash: String!) {
  package(bucket: $bucket, name: $name) {
    revision(hashOrTag: $hash) { hash userMeta totalEntries contentsFlatMap(max: 20000) }
  }
}"""
PACKAGE_EXISTS: Final = """
query PackageExists($bucket: String!, $name: String!) { package(bucket: $bucket, name: $name) { name } }"""
_PUSH_ARMS: Final = """{
    __typename
    ... on PackagePushSuccess { package { name } revision { hash totalEntries } }
    ... on InvalidInput { errors { path message name context } }
    ... on OperationError { message name context }
  }"""
CONSTRUCT: Final = (
    "mutation PackageConstruct($params: PackagePushParams!, $src: PackageConstructSource!) {\n"
    f"  packageConstruct(params: $params, src: $src) {_PUSH_ARMS}\n}}"
)
PROMOTE: Final = (
    "mutation PackagePromote($params: PackagePushParams!, $src: PackagePromoteSource!) {\n"
    f"  packagePromote(params: $params, src: $src) {_PUSH_ARMS}\n}}"
)
DELETE_REVISION: Final = """
mutation DeleteRevision($bucket: String!, $name: String!, $hash: String!) {
  packageRevisionDelete(bucket: $bucket, name: $name, hash: $hash) {
    __typename
    ... on PackageRevisionDeleteSuccess { _ }
    ... on OperationError { message name context }
  }
}"""
BROWSING_SESSION: Final = """
mutation BrowsingSessionCreate($scope: String!, $ttl: Int!) {
  browsingSessionCreate(scope: $scope, ttl: $ttl) {
    __typename
    ... on BrowsingSession { id expires }
    ... on InvalidInput { errors { path message name context } }
    ... on OperationError { message name context }
  }
}"""
_HITS: Final = "hits { bucket name hash modified comment meta }"
_SEARCH: Final = """
query SearchPackages($buckets: [String!], $text: String, $size: Int!) {
  searchPackages(buckets: $buckets, searchString: $text, latestOnly: true) {
    __typename
    ... on PackagesSearchResultSet { total firstPage(%s) { %s } }
    ... on EmptySearchResultSet { _ }
    ... on InvalidInput { errors { path message name context } }
    ... on OperationError { message name context }
  }
}"""
SEARCH_NEW: Final = _SEARCH % (
    'size: $size, ordering: "sys:modified:desc"',
    f"""__typename ... on PackagesSearchResultSetPage {{ cursor {_HITS} }}
      ... on InvalidInput {{ errors {{ path message name context }} }}
      ... on OperationError {{ message name context }}""",
)
SEARCH_OLD: Final = _SEARCH % ("size: $size, order: NEWEST", f"cursor {_HITS}")
