"""What is said of a night: catalogue, verdicts, gates, colour and the check of its own sums."""
