"""The processes of a run: how they start, how they notice that another one is gone, how they end."""
