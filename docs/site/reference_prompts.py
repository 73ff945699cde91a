"""The page of built-in prompts: what each asks, what a template may use, and the file itself."""

from __future__ import annotations

from collections.abc import Iterable

from judge_rerank.prompting import TASKS, Library, Template

MEANING = {
    "query": "the query's text (user part and state only)",
    "documents": "the documents, each with `id` (from 1), `title` (or None) and `text` (user part and state only)",
    "n": "how many documents there are",
    "levels": "the grades in words, from the front matter, from the lowest to the highest",
    "examples": "the solved cases of the front matter",
    "options": "the words among which the judge chooses: classes of queries, or letters of documents",
    "reply_format": "the sentence that says how to answer, which the reader of replies understands",
    "explain": "whether reasons are asked for",
    "labels": "whether one word is asked for, whose log-probabilities are read",
    "instruction": "what is to be heeded beside the query; without it in a template, it stands before the user part",
    "fence": "`fence(text)` puts a text between marks that it cannot close",
}

_HEAD = """# Prompts

A prompt is a Jinja file with YAML front matter. [Prompts](../prompts.md) describes how to write one and how to prove
that it is better. `judge-rerank prompts show NAME` prints a prompt with an example of what is sent.

## Variables

| variable | what it holds |
|---|---|
"""


def prompts_page() -> str:
    """The variables, then every built-in prompt by its task."""
    from judge_rerank.prompting.template import VARIABLES

    rows = [f"| `{name}` | {MEANING[name]} |" for name in sorted(VARIABLES)]
    library = Library([])
    found = [library.find(name) for name in library.names()]
    tasks = [_task(name, [each for each in found if each.task == name], library) for name in sorted(TASKS)]
    return _HEAD + "\n".join(rows) + "\n\n" + "\n".join(filter(None, tasks))


def _task(task: str, templates: Iterable[Template], library: Library) -> str:
    parts = [
        f"### `{each.name}`\n\n{each.description}{_default(each, library)}\n\n{_source(each)}" for each in templates
    ]
    return f"## {task}\n\n" + "\n".join(parts) if parts else ""


def _default(template: Template, library: Library) -> str:
    return " The default." if library.get(template.task, None).name == template.name else ""


def _source(template: Template) -> str:
    return (
        f'??? note "The file, version {template.version}, {template.hash[:12]}"\n\n    ```jinja\n'
        + "".join(f"    {line}\n" if line else "\n" for line in template.source.splitlines())
        + "    ```\n"
    )
