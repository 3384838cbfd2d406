"""Client-side defects, for the proof that the suites notice them; nothing of a normal run loads this."""
