"""Relevance models that run on this machine, or somewhere cheap: what comes before the LLM."""
