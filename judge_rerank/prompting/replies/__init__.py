"""Readers of replies: what a model said, as a judgment or as a typed failure."""
