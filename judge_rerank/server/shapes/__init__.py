"""Requests and replies in the shapes of other rerank APIs, one a file, around one request and one answer."""

from __future__ import annotations

from judge_rerank.server.shapes.base import Shape
from judge_rerank.server.shapes.choosing import AT, shape_for, shapes_at

__all__ = ["AT", "Shape", "shape_for", "shapes_at"]
