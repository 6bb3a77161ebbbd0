"""The model zoo: what was published, what is counted and measured here, and the page that shows it."""
