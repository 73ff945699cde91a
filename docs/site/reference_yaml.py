"""The pages of YAML files: every key, from the models that read them, and the JSON schemas for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from judge_rerank.evaluation.experiment import schema as experiment_schema
from judge_rerank.server import ServerConfig

_FOLDER = "reference/yaml"


def yaml_pages() -> dict[str, str]:
    """A page for each kind of file, and its schema beside it."""
    files = {
        "experiment": (
            "Experiments",
            "`judge-rerank eval FILE` ([Evaluation](../../evaluation.md)).",
            experiment_schema(),
        ),
        "server": (
            "Servers",
            "`judge-rerank serve --config FILE` ([A server](../../server.md)).",
            ServerConfig.model_json_schema(),
        ),
    }
    made: dict[str, str] = {}
    for name, (title, used, schema) in files.items():
        made[f"{_FOLDER}/{name}.md"] = _page(title, used, name, schema)
        made[f"{_FOLDER}/{name}.schema.json"] = json.dumps(schema, indent=1)
    return made


def _page(title: str, used: str, name: str, schema: Mapping[str, Any]) -> str:
    first = f"# {title}\n\nRead by {used} [The JSON schema]({name}.schema.json) is for editors that check YAML.\n\n"
    parts = [_table("The file", schema)]
    parts += [_table(called, part) for called, part in schema.get("$defs", {}).items() if "properties" in part]
    return first + "\n".join(parts)


def _table(called: str, part: Mapping[str, Any]) -> str:
    about = " ".join(str(part.get("description", "")).split())
    needed = set(part.get("required", ()))
    rows = [
        f"| `{key}` | {_type(value)} | {'required' if key in needed else _default(value)} | {_meaning(value)} |"
        for key, value in part.get("properties", {}).items()
    ]
    head = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {called}", "", about, "", *head, *rows, ""])


def _type(value: Mapping[str, Any]) -> str:
    return " or ".join(dict.fromkeys(_types(value)))


def _types(value: Mapping[str, Any]) -> Iterator[str]:
    choices = value.get("anyOf") or value.get("oneOf") or value.get("allOf")
    if choices:
        for each in choices:
            if each.get("type") != "null":
                yield from _types(each)
    elif "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        yield f"[{name}](#{name.lower()})"
    elif "enum" in value or "const" in value:
        yield ", ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    elif value.get("type") == "array":
        yield f"list of {_type(value.get('items', {}))}"
    elif value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        yield f"mapping of {_type(value['additionalProperties'])}"
    else:
        yield str(value.get("type", "any"))


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    return "" if default in (None, {}, []) or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _meaning(value: Mapping[str, Any]) -> str:
    return " ".join(str(value.get("description", "")).split()).replace("|", "\\|")
