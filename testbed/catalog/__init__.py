"""A Quilt catalog for the testbed: GraphQL and REST over packages in the real S3 layout."""
