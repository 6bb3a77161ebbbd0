"""pycls: image classification from YAML files."""

__version__ = "0.1.0"
