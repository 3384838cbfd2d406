"""From a folder of pytest tests to its first night: look, write, and say what was found and what comes next."""
