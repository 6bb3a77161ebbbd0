"""The network that the config in a file describes, beside that of another config."""
