"""Earlier nights: an index over the report.json files, rebuildable at any time."""
