"""Measuring rankings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judge_rerank.core import lazy_names

if TYPE_CHECKING:
    from judge_rerank.evaluation.ab_statistics import fixed_effect
    from judge_rerank.evaluation.abreport import reported
    from judge_rerank.evaluation.agreement import Agreement, Run, kendalls_tau, measure_agreement, shared, system_scores
    from judge_rerank.evaluation.answering import Answers, answers
    from judge_rerank.evaluation.attacks.audit import Audit, attack
    from judge_rerank.evaluation.attacks.collection import collection, read_questions
    from judge_rerank.evaluation.attacks.drawing import drawn_topics
    from judge_rerank.evaluation.attacks.family import CONTROL, chosen_families, families, family_names
    from judge_rerank.evaluation.attacks.folder import is_audit
    from judge_rerank.evaluation.attacks.options import CUTOFFS, AttackOptions, AttackProgress
    from judge_rerank.evaluation.attacks.record import AttackInfo
    from judge_rerank.evaluation.attacks.results import Beside, beside
    from judge_rerank.evaluation.bias import BiasProbe, PositionBias, Task, position_bias
    from judge_rerank.evaluation.complete_runs import CompleteRuns
    from judge_rerank.evaluation.datasets import Dataset, NoRelevant, Topic, overview, selected
    from judge_rerank.evaluation.experiment import Experiment, schema
    from judge_rerank.evaluation.grading import Grader, Grades, Qrels, qrels_lines
    from judge_rerank.evaluation.interleaving import outcome
    from judge_rerank.evaluation.judges import Forecast, Judges, forecast
    from judge_rerank.evaluation.metrics import Metrics
    from judge_rerank.evaluation.outcomes import Exposed
    from judge_rerank.evaluation.planning import Measured, measured_plan
    from judge_rerank.evaluation.power import queries_needed
    from judge_rerank.evaluation.preparing import prepare
    from judge_rerank.evaluation.racing import Race
    from judge_rerank.evaluation.record import Result, RunInfo
    from judge_rerank.evaluation.report.answering import ANSWERS_NOTE, answer_headings, answer_lines
    from judge_rerank.evaluation.report.attacks import (
        AUDIT_NOTE,
        BESIDE_NOTE,
        audit_as_json,
        audit_as_markdown,
        audit_facts,
        audit_headings,
        audit_headline,
        audit_lines,
        audit_page,
        beside_headings,
        beside_lines,
    )
    from judge_rerank.evaluation.report.cascades import CASCADE_NOTE, cascade_headings, cascade_lines
    from judge_rerank.evaluation.report.diff import Pair, Side, pairs, side
    from judge_rerank.evaluation.report.figures import shown_change, shown_probability, shown_quality
    from judge_rerank.evaluation.report.page import page
    from judge_rerank.evaluation.report.scope import Scope, scopes
    from judge_rerank.evaluation.report.texts import run_as_csv, run_as_json, run_as_latex, run_as_markdown, trec_runs
    from judge_rerank.evaluation.report.verdict import too_few
    from judge_rerank.evaluation.route_fitting import FittedClass, FittedRoutes, fit_routes
    from judge_rerank.evaluation.runfolder import RunFolder
    from judge_rerank.evaluation.runner import Evaluation, RunProgress, evaluate
    from judge_rerank.evaluation.significance import bootstrap_interval, holm, randomization_test
    from judge_rerank.evaluation.sources import Files, is_dataset, load
    from judge_rerank.evaluation.summary import Row, Summary, summarize
    from judge_rerank.evaluation.tuning import Tuned, shuffled, tune

_LAZY = {
    "CONTROL": "attacks.family",
    "family_names": "attacks.family",
    "CUTOFFS": "attacks.options",
    "chosen_families": "attacks.family",
    "drawn_topics": "attacks.drawing",
    "audit_facts": "report.attacks",
    "is_dataset": "sources",
    "AUDIT_NOTE": "report.attacks",
    "BESIDE_NOTE": "report.attacks",
    "audit_as_json": "report.attacks",
    "audit_as_markdown": "report.attacks",
    "audit_headings": "report.attacks",
    "audit_headline": "report.attacks",
    "audit_lines": "report.attacks",
    "audit_page": "report.attacks",
    "beside_headings": "report.attacks",
    "beside_lines": "report.attacks",
    "AttackInfo": "attacks.record",
    "AttackOptions": "attacks.options",
    "AttackProgress": "attacks.options",
    "Audit": "attacks.audit",
    "attack": "attacks.audit",
    "Beside": "attacks.results",
    "beside": "attacks.results",
    "collection": "attacks.collection",
    "read_questions": "attacks.collection",
    "families": "attacks.family",
    "is_audit": "attacks.folder",
    "shown_quality": "report.figures",
    "shown_probability": "report.figures",
    "shown_change": "report.figures",
    "run_as_markdown": "report.texts",
    "run_as_latex": "report.texts",
    "run_as_json": "report.texts",
    "run_as_csv": "report.texts",
    "fit_routes": "route_fitting",
    "cascade_lines": "report.cascades",
    "cascade_headings": "report.cascades",
    "CASCADE_NOTE": "report.cascades",
    "ANSWERS_NOTE": "report.answering",
    "Agreement": "agreement",
    "Answers": "answering",
    "answer_headings": "report.answering",
    "answer_lines": "report.answering",
    "answers": "answering",
    "BiasProbe": "bias",
    "CompleteRuns": "complete_runs",
    "Dataset": "datasets",
    "Evaluation": "runner",
    "Experiment": "experiment",
    "Exposed": "outcomes",
    "Files": "sources",
    "FittedClass": "route_fitting",
    "FittedRoutes": "route_fitting",
    "Forecast": "judges",
    "Grader": "grading",
    "Grades": "grading",
    "Judges": "judges",
    "Measured": "planning",
    "Metrics": "metrics",
    "NoRelevant": "datasets",
    "Pair": "report.diff",
    "PositionBias": "bias",
    "Qrels": "grading",
    "Race": "racing",
    "Result": "record",
    "Row": "summary",
    "Run": "agreement",
    "RunFolder": "runfolder",
    "RunInfo": "record",
    "Scope": "report.scope",
    "Side": "report.diff",
    "RunProgress": "runner",
    "Summary": "summary",
    "Task": "bias",
    "Topic": "datasets",
    "Tuned": "tuning",
    "measure_agreement": "agreement",
    "measured_plan": "planning",
    "bootstrap_interval": "significance",
    "prepare": "preparing",
    "evaluate": "runner",
    "fixed_effect": "ab_statistics",
    "forecast": "judges",
    "holm": "significance",
    "kendalls_tau": "agreement",
    "load": "sources",
    "outcome": "interleaving",
    "overview": "datasets",
    "page": "report.page",
    "pairs": "report.diff",
    "position_bias": "bias",
    "qrels_lines": "grading",
    "queries_needed": "power",
    "randomization_test": "significance",
    "reported": "abreport",
    "schema": "experiment",
    "scopes": "report.scope",
    "selected": "datasets",
    "shared": "agreement",
    "shuffled": "tuning",
    "side": "report.diff",
    "summarize": "summary",
    "system_scores": "agreement",
    "too_few": "report.verdict",
    "trec_runs": "report.texts",
    "tune": "tuning",
}

__all__ = [
    "ANSWERS_NOTE",
    "AUDIT_NOTE",
    "BESIDE_NOTE",
    "CASCADE_NOTE",
    "CONTROL",
    "CUTOFFS",
    "Agreement",
    "Answers",
    "AttackInfo",
    "AttackOptions",
    "AttackProgress",
    "Audit",
    "Beside",
    "BiasProbe",
    "CompleteRuns",
    "Dataset",
    "Evaluation",
    "Experiment",
    "Exposed",
    "Files",
    "FittedClass",
    "FittedRoutes",
    "Forecast",
    "Grader",
    "Grades",
    "Judges",
    "Measured",
    "Metrics",
    "NoRelevant",
    "Pair",
    "PositionBias",
    "Qrels",
    "Race",
    "Result",
    "Row",
    "Run",
    "RunFolder",
    "RunInfo",
    "RunProgress",
    "Scope",
    "Side",
    "Summary",
    "Task",
    "Topic",
    "Tuned",
    "answer_headings",
    "answer_lines",
    "answers",
    "attack",
    "audit_as_json",
    "audit_as_markdown",
    "audit_facts",
    "audit_headings",
    "audit_headline",
    "audit_lines",
    "audit_page",
    "beside",
    "beside_headings",
    "beside_lines",
    "bootstrap_interval",
    "cascade_headings",
    "cascade_lines",
    "chosen_families",
    "collection",
    "drawn_topics",
    "evaluate",
    "families",
    "family_names",
    "fit_routes",
    "fixed_effect",
    "forecast",
    "holm",
    "is_audit",
    "is_dataset",
    "kendalls_tau",
    "load",
    "measure_agreement",
    "measured_plan",
    "outcome",
    "overview",
    "page",
    "pairs",
    "position_bias",
    "prepare",
    "qrels_lines",
    "queries_needed",
    "randomization_test",
    "read_questions",
    "reported",
    "run_as_csv",
    "run_as_json",
    "run_as_latex",
    "run_as_markdown",
    "schema",
    "scopes",
    "selected",
    "shared",
    "shown_change",
    "shown_probability",
    "shown_quality",
    "shuffled",
    "side",
    "summarize",
    "system_scores",
    "too_few",
    "trec_runs",
    "tune",
]


__getattr__, __dir__ = lazy_names(__name__, _LAZY)
