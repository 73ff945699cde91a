"""The reference: pages made from the package itself, so that they are complete and cannot drift."""

from __future__ import annotations

from reference_api import api_pages
from reference_commands import command_pages
from reference_errors import errors_page
from reference_prompts import prompts_page
from reference_yaml import yaml_pages


def pages() -> dict[str, str]:
    """The text of every reference page, by its place in docs/."""
    return {
        **api_pages(),
        **command_pages(),
        **yaml_pages(),
        "reference/errors.md": errors_page(),
        "reference/prompts.md": prompts_page(),
    }
