"""The writers of a night's report: HTML, Markdown, JUnit, Slack, terminal; each is small and pure."""
