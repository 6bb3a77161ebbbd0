"""Layers and blocks that the network families share."""
