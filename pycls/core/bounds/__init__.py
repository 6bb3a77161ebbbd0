"""How much of what comes from outside is taken in: files, YAML, addresses, memory."""
