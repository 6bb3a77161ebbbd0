"""The pixels that a network was made for, and those that it is shown."""
