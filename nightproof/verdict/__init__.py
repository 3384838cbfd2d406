"""The verdict of a night: catalogue, test verdicts, gates, colour and the check of its own sums."""
