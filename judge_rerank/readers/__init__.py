"""Documents, queries and runs from files: JSON, CSV, TSV, Parquet, TREC runs, text and Markdown, YAML.

Every reader raises `DataError` with the file and the line when something is not as expected. What is left out without
being an error (a binary file in a folder) is logged as a warning on the logger `judge_rerank.readers`.
"""

from __future__ import annotations

from judge_rerank.readers.checked_yaml import checked, first_problem, read_yaml
from judge_rerank.readers.files import holds_records, numbered_documents, read_documents
from judge_rerank.readers.folder import TEXT_SUFFIXES, read_folder, read_text
from judge_rerank.readers.jsonl import document_of, iter_jsonl, json_value, read_jsonl, record_id
from judge_rerank.readers.lines import numbered_lines, reading, suffix_of, whole
from judge_rerank.readers.passages import passages
from judge_rerank.readers.records import RECORD_SUFFIXES, columns_of, numbered_records
from judge_rerank.readers.trec import read_qrels, read_queries, read_run, read_trec
from judge_rerank.readers.yaml_source import Located, NotYaml, parse_yaml

__all__ = [
    "RECORD_SUFFIXES",
    "TEXT_SUFFIXES",
    "Located",
    "NotYaml",
    "checked",
    "columns_of",
    "document_of",
    "first_problem",
    "holds_records",
    "iter_jsonl",
    "json_value",
    "numbered_documents",
    "numbered_lines",
    "numbered_records",
    "parse_yaml",
    "passages",
    "read_documents",
    "read_folder",
    "read_jsonl",
    "read_qrels",
    "read_queries",
    "read_run",
    "read_text",
    "read_trec",
    "read_yaml",
    "reading",
    "record_id",
    "suffix_of",
    "whole",
]
