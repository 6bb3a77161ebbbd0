"""Lists of encoded images, and their bytes: class-folder trees, tar shards with an index."""
