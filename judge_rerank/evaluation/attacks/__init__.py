"""Hostile documents: families of published attacks, and the audit that measures what they do to a judge."""
