"""Performs the rounds of strategies: the one place where a model is called."""
