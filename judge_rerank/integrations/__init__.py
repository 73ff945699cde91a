"""Adapters for frameworks, one a file, on the public API alone; each is imported by its own name.

`from judge_rerank.integrations.langchain import JudgeReranker`. A module imports its framework, and says what to
install where it is missing.
"""
