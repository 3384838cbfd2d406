"""Write what a night said: HTML, Markdown, JUnit, Slack, terminal; each writer is small and pure."""
