"""Facts of blobs, kept: the cache of a repository, where caches stay between pods, and looking after them."""
