"""Model files on this machine: the registry, verified downloads, locations."""
