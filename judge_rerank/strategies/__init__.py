"""Ways to put candidates in order, one file each."""
