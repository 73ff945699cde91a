"""The command line: commands put together, errors turned into messages and exit codes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from judge_rerank.cli.exit_codes import EXIT_CODES, INTERRUPTED, of_error
from judge_rerank.cli.notes import show_logs
from judge_rerank.cli.terminal import prepare_streams
from judge_rerank.core import IncompleteRankings, RerankError

if TYPE_CHECKING:
    import typer


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. Errors of this package become one line on standard error."""
    prepare_streams()
    show_logs(logging.WARNING)
    try:
        _call(build(), arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except RerankError as error:
        from judge_rerank.cli.output import costs, error_line

        if isinstance(error, IncompleteRankings):
            costs(error.rankings)  # what was made was paid for; the error says why it is not enough
        error_line(error)
        return of_error(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def build() -> typer.Typer:
    """The application with all its commands, in the order in which the help lists them."""
    import typer

    from judge_rerank.cli import version

    app = typer.Typer(
        epilog=f"{EXIT_CODES}\n\nThe manual: judge-rerank docs",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(version.root)
    _add_ranking(app)
    _add_evaluation(app)
    _add_upkeep(app)
    return app


def _add_ranking(app: typer.Typer) -> None:
    """What ranks, plans and serves."""
    from judge_rerank.cli import bulk, estimate, mcp, plan, rerank, serve

    app.command("rerank", epilog=EXIT_CODES)(rerank.rerank)
    app.command("estimate")(estimate.estimate)
    app.command("plan")(plan.plan)
    app.command("bulk", epilog=EXIT_CODES)(bulk.bulk)
    app.command("serve")(serve.serve)
    app.command("mcp")(mcp.mcp)


def _add_evaluation(app: typer.Typer) -> None:
    """What measures a judge, and what learns from its judgments."""
    from judge_rerank.cli import (
        agreement,
        attack,
        bias,
        calibrate,
        classify,
        data,
        diff,
        distill,
        evaluate,
        grade,
        report,
        routes,
        tune,
    )

    app.command("bias")(bias.bias)
    app.command("attack")(attack.attack)
    app.command("calibrate")(calibrate.calibrate)
    app.command("tune")(tune.tune)
    app.add_typer(routes.app, name="routes")
    app.command("eval")(evaluate.evaluate)
    app.command("report")(report.report)
    app.command("diff")(diff.diff)
    app.add_typer(data.app, name="data")
    app.command("grade")(grade.grade)
    app.command("agreement")(agreement.agreement)
    app.command("classify")(classify.classify)
    app.command("distill")(distill.distill)


def _add_upkeep(app: typer.Typer) -> None:
    """What looks after models, prompts, replies, jobs and traces."""
    from judge_rerank.cli import batch, cache, doctor, logs, manual, models, prompts

    parts = {"models": models.app, "prompts": prompts.app, "cache": cache.app, "batch": batch.app}
    for name, part in parts.items():
        app.add_typer(part, name=name)
    app.add_typer(logs.app)
    app.command("doctor")(doctor.doctor)
    app.command("docs")(manual.docs)


def _call(app: typer.Typer, arguments: Sequence[str]) -> None:
    from typer.main import get_command

    get_command(app).main(args=list(arguments), prog_name="judge-rerank")
