"""What a config leaves to the data, and which classes of a network they have."""
