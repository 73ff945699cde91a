"""Measuring rankings."""
