"""From a question to a request, and from a reply to a judgment: templates, escaping, rendering, tasks and readers."""

from __future__ import annotations

from judge_rerank.prompting.api_rendering import ApiRenderer
from judge_rerank.prompting.decision_rendering import DecisionRenderer
from judge_rerank.prompting.delimiters import weak_delimiters
from judge_rerank.prompting.escaping import quote
from judge_rerank.prompting.library import Library, load, prompt_folders, template_files
from judge_rerank.prompting.rendering import COUNT_MARGIN, MARGIN_TOKENS, Prepared, Renderer
from judge_rerank.prompting.starting import start_prompt
from judge_rerank.prompting.tasks import PARSER_VERSION, TASKS, compares, neutral, stating, task
from judge_rerank.prompting.tasks.embedding import Vectors, compared, packed
from judge_rerank.prompting.template import Shown, Template

__all__ = [
    "COUNT_MARGIN",
    "MARGIN_TOKENS",
    "PARSER_VERSION",
    "TASKS",
    "ApiRenderer",
    "DecisionRenderer",
    "Library",
    "Prepared",
    "Renderer",
    "Shown",
    "Template",
    "Vectors",
    "compared",
    "compares",
    "load",
    "neutral",
    "packed",
    "prompt_folders",
    "quote",
    "start_prompt",
    "stating",
    "task",
    "template_files",
    "weak_delimiters",
]
