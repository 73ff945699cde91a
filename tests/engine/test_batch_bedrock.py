"""Rounds as batch jobs of Amazon Bedrock, which takes no fewer than a hundred requests at a time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import (
    AuthenticationError,
    Budget,
    InputError,
    Judge,
    MissingExtra,
    ProviderError,
    ProviderUnavailable,
    Ranking,
    RequestRejected,
)
from judge_rerank.cli import run
from judge_rerank.providers import BatchPauses, JobControl, Posted, api_of
from judge_rerank.providers.batch.api import Sought
from judge_rerank.providers.batch.aws import Aws
from tests.engine.test_batch import PRICE, asked_at_most_once, fated, interrupted
from tests.engine.test_batch_kill import goes_on, killed
from tests.provider import Provider, QrelsJudge
from tests.provider.aws import ACCESS, AmazonProvider, settings

DOCS = [f"Passage number {n} is about matter {n * 7 % 11}." for n in range(4)]
GRADES: Mapping[str, float] = {text: (n * 3 % 4) / 1.4 for n, text in enumerate(DOCS)}
PAIRS = [(f"what is matter {n}?", DOCS[n % 4 :] + DOCS[: n % 4]) for n in range(100)]
STRATEGY = "listwise(window_size=3, stride=1)"
CLAUDE = "bedrock/anthropic.claude-haiku-4-5-20251001-v1:0"
MODELS = [CLAUDE, "bedrock/amazon.nova-lite-v1:0", "bedrock/invoke/anthropic.claude-3-5-haiku-20241022-v1:0"]


def judging(model: str, url: str, folder: Path, **more: Any) -> Judge:
    return Judge(model, api_base=url, cache_dir=folder, prices={model: PRICE}, **more)


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[AmazonProvider]:
    with AmazonProvider(QrelsJudge(GRADES)) as provider:
        for name, value in settings(provider.url).items():
            monkeypatch.setenv(name, value)
        yield provider


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_same_rankings_at_half_the_bill(model: str, amazon: AmazonProvider, tmp_path: Path) -> None:
    with judging(model, amazon.url, tmp_path / "two") as judge:
        batch = judge.rerank_many(PAIRS, STRATEGY, mode="batch")
    assert amazon.direct.requests == 0
    assert len(amazon.jobs) == max(ranking.usage.rounds for ranking in batch) == 2
    with Provider(QrelsJudge(GRADES)) as provider, judging(model, provider.url, tmp_path / "one") as judge:
        direct = judge.rerank_many(PAIRS, STRATEGY)
        # Jobs of the Converse API have no tools, which Nova's replies are longer with.
        assert amazon.bill.usd == provider.bill.usd / 2 or ("nova" in model and amazon.bill.usd < provider.bill.usd / 2)
    assert [ranking.order for ranking in batch] == [ranking.order for ranking in direct]
    assert all(ranking.status == "complete" for ranking in batch)
    cost = sum((ranking.usage.cost_usd or Decimal(0) for ranking in batch), Decimal(0))
    assert 0 <= cost - amazon.bill.usd <= Decimal("0.000001") * sum(ranking.usage.calls for ranking in batch)


def test_jobs_are_made_where_the_model_is(amazon: AmazonProvider, tmp_path: Path) -> None:
    model = CLAUDE.replace("bedrock/", "bedrock/eu-central-1/")
    with judging(model, amazon.url, tmp_path) as judge:
        rankings = judge.rerank_many(PAIRS, "score(batch_size=4)", mode="batch")
    assert all(ranking.status == "complete" for ranking in rankings)
    assert amazon.regions == {"eu-central-1"}


@pytest.mark.parametrize(
    ("host", "headers", "region"),
    [
        ("bedrock-runtime.eu-central-1.amazonaws.com", {"authorization": "Bearer key"}, "eu-central-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", {}, "us-gov-west-1"),
        (
            "vpce-1.example",
            {"authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS}/1/ap-south-1/bedrock/x"},
            "ap-south-1",
        ),
        ("vpce-1.example", {"authorization": "Bearer key"}, "us-east-1"),
    ],
)
def test_the_region_of_a_request(host: str, headers: Mapping[str, str], region: str, amazon: AmazonProvider) -> None:
    posted = Posted(url=f"https://{host}/model/m/converse", headers=headers, body=b"{}")
    api = api_of("bedrock")(posted, JobControl("bedrock/m", headers))
    sought = Sought(name="judge-rerank-0", upload="", requests=1, since=0.0, known=())
    assert asyncio.run(api.find(sought)) is None
    assert amazon.regions == {region}


def test_what_is_left_of_a_job_is_asked_directly(amazon: AmazonProvider, tmp_path: Path) -> None:
    amazon.fate = fated("expired", "429", "500", "missing", "expired")
    with judging(CLAUDE, amazon.url, tmp_path, budget=Budget(usd=1, path=tmp_path / "spend.db")) as judge:
        rankings = judge.rerank_many(PAIRS, "score(batch_size=4)", mode="batch", batch_fallback="direct")
        spent = Decimal(judge._records.ledger.totals().spent).scaleb(-6)  # pyright: ignore[reportPrivateUsage]
    assert [ranking.status for ranking in rankings] == ["complete"] * 100
    assert (len(amazon.jobs), amazon.direct.requests) == (1, 5)
    assert asked_at_most_once(amazon)
    assert amazon.bill.usd + amazon.direct.usd <= spent <= 1


def test_what_is_left_of_a_job_is_too_little_for_another(amazon: AmazonProvider, tmp_path: Path) -> None:
    amazon.fate = fated("500", "expired")
    with judging(CLAUDE, amazon.url, tmp_path) as judge:
        rankings = judge.rerank_many(PAIRS, "score(batch_size=4)", mode="batch", on_error="return")
    made = [each for each in rankings if isinstance(each, Ranking) and each.status == "complete"]
    errors = [each for each in rankings if isinstance(each, ProviderError)]
    assert (len(made), len(errors), len(amazon.jobs), amazon.direct.requests) == (98, 2, 1, 0)
    assert all("no batch job of fewer than 100 requests" in str(error) for error in errors)


@pytest.mark.parametrize("fallback", ["batch", "direct"])
def test_a_round_that_is_too_small_for_a_job(fallback: Any, amazon: AmazonProvider, tmp_path: Path) -> None:
    with judging(CLAUDE, amazon.url, tmp_path, budget=Budget(usd=1)) as judge:
        if fallback == "batch":
            with pytest.raises(RequestRejected, match=r"asks 9 of it.* fewer than 100 .*batch_fallback='direct'"):
                judge.rerank_many(PAIRS[:9], "score(batch_size=4)", mode="batch")
            assert judge._records.ledger.totals().spent == 0  # pyright: ignore[reportPrivateUsage]
        else:
            rankings = judge.rerank_many(PAIRS[:9], "score(batch_size=4)", mode="batch", batch_fallback="direct")
            assert [ranking.status for ranking in rankings] == ["complete"] * 9
    assert (len(amazon.jobs), amazon.direct.requests) == (0, 9 * (fallback == "direct"))


def test_a_round_larger_than_a_job_is_several_of_a_hundred_or_more(
    amazon: AmazonProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_of("bedrock"), "most_requests", 150)
    with judging(CLAUDE, amazon.url, tmp_path) as judge:
        judge.rerank_many(PAIRS, "score(batch_size=2)", mode="batch")
    assert [len(job.requests) for job in amazon.jobs] == [100, 100]


def test_a_full_queue_is_waited_for(amazon: AmazonProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchPauses, "__init__", partialmethod(BatchPauses.__init__, full_s=0.2))
    amazon.full = 1
    with judging(CLAUDE, amazon.url, tmp_path) as judge:
        rankings = judge.rerank_many(PAIRS, "score(batch_size=4)", mode="batch")
    assert all(ranking.status == "complete" and ranking.usage.retries == 0 for ranking in rankings)
    assert len(amazon.jobs) == 1


def test_a_job_that_is_not_accepted(amazon: AmazonProvider, tmp_path: Path) -> None:
    amazon.refuse = (400, "The provided model identifier is invalid.")
    with judging(CLAUDE, amazon.url, tmp_path, budget=Budget(usd=1)) as judge:
        with pytest.raises(RequestRejected, match="model identifier is invalid"):
            judge.rerank_many(PAIRS, "score(batch_size=4)", mode="batch")
        assert judge._records.ledger.totals().spent == 0  # pyright: ignore[reportPrivateUsage]


def test_what_boto3_does_not_send(amazon: AmazonProvider) -> None:
    aws = Aws(JobControl("bedrock/m", {}))
    with pytest.raises(RequestRejected, match='Unknown parameter in input: "jobNumber"'):
        asyncio.run(aws.ask("bedrock", "us-east-1", lambda bedrock: bedrock.get_model_invocation_job(jobNumber="1")))
    assert not amazon.regions


def test_an_amazon_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings("http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    posted = Posted(url="http://127.0.0.1:1/model/m/converse", headers={}, body=b"{}")
    with pytest.raises(ProviderUnavailable) as caught:
        asyncio.run(api_of("bedrock")(posted, JobControl("bedrock/m", {})).progress("arn:aws:bedrock:us-east-1:1:x"))
    assert (caught.value.sent, caught.value.retryable) == (False, True)


def test_a_key_that_is_not_accepted(amazon: AmazonProvider, tmp_path: Path) -> None:
    amazon.keys = frozenset({"AKIAOTHER"})
    with judging(CLAUDE, amazon.url, tmp_path, budget=Budget(usd=1)) as judge:
        with pytest.raises(AuthenticationError) as caught:
            judge.rerank_many(PAIRS, "score(batch_size=4)", mode="batch")
        assert judge._records.ledger.totals().spent == 0  # pyright: ignore[reportPrivateUsage]
    assert ACCESS not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_S3_BUCKET_NAME", None, "set the environment variable AWS_S3_BUCKET_NAME to 'BUCKET' or 'BUCKET/FOLDER'"),
        ("AWS_S3_BUCKET_NAME", "My Bucket", "AWS_S3_BUCKET_NAME is 'My Bucket'"),
        ("AWS_BATCH_ROLE_ARN", None, "set the environment variable AWS_BATCH_ROLE_ARN to 'arn:aws:iam::ACCOUNT:role"),
        ("AWS_BATCH_ROLE_ARN", "judge-batches", "AWS_BATCH_ROLE_ARN is 'judge-batches'"),
    ],
)
def test_what_is_not_set_is_said_before_anything_is_sent(
    name: str, value: str | None, message: str, amazon: AmazonProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)
    if value is not None:
        monkeypatch.setenv(name, value)
    with judging(CLAUDE, amazon.url, tmp_path) as judge:
        assert judge.estimate(*PAIRS[0], "binary % 2 >> listwise", mode="batch").cost_usd
        for call in (
            lambda: judge.rerank_many(PAIRS, "binary", mode="batch"),
            lambda: judge.rerank(*PAIRS[0], mode="batch"),
        ):
            with pytest.raises(InputError, match=message):
                call()
    assert not amazon.objects


def test_a_bucket_that_is_not_there(amazon: AmazonProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_S3_BUCKET_NAME", "another-bucket")
    with (
        judging(CLAUDE, amazon.url, tmp_path, budget=Budget(usd=1)) as judge,
        pytest.raises(RequestRejected, match=r"NoSuchBucket.* Check AWS_S3_BUCKET_NAME"),
    ):
        judge.rerank_many(PAIRS, "score(batch_size=4)", mode="batch")


def test_credentials_in_params(amazon: AmazonProvider, tmp_path: Path) -> None:
    more = {"params": {"aws_region_name": "us-east-1", "aws_profile_name": "judges"}}
    with (
        judging(CLAUDE, amazon.url, tmp_path, **more) as judge,
        pytest.raises(InputError, match="params has aws_profile_name"),
    ):
        judge.rerank_many(PAIRS, "binary", mode="batch")


def test_no_credentials(amazon: AmazonProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with (
        judging(CLAUDE, amazon.url, tmp_path) as judge,
        pytest.raises(AuthenticationError, match="credentials"),
    ):
        judge.rerank_many(PAIRS, "binary", mode="batch")


def test_without_boto3(amazon: AmazonProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with judging(CLAUDE, amazon.url, tmp_path) as judge, pytest.raises(MissingExtra, match=r"judge-rerank\[bedrock\]"):
        judge.rerank_many(PAIRS, "binary", mode="batch")


@pytest.mark.slow
def test_a_kill_before_anybody_heard_that_the_job_is_made(amazon: AmazonProvider, tmp_path: Path) -> None:
    amazon.hold_create = True
    killed(CLAUDE, amazon, tmp_path, "1", amazon.created.is_set, asked=sys.modules[__name__])
    amazon.hold_create = False
    amazon.go_on.set()
    goes_on(CLAUDE, amazon, tmp_path, "1", asked=sys.modules[__name__])


@pytest.mark.slow
def test_jobs_on_the_command_line(amazon: AmazonProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with judging(CLAUDE, amazon.url, tmp_path) as judge:
        interrupted(amazon, judge, PAIRS, "score(batch_size=4)")
    (job,) = amazon.jobs
    folder = ["--dir", str(tmp_path)]
    assert run(["batch", "status", *folder]) == 0
    assert "running" in capsys.readouterr().out
    assert run(["batch", "cancel", job.id, *folder]) == 0
    assert "cancelled" in capsys.readouterr().err
    assert run(["batch", "resume", *folder]) == 0
    assert "cancelled" in capsys.readouterr().out
    amazon.held = False
    with judging(CLAUDE, amazon.url, tmp_path) as judge:
        rankings = judge.rerank_many(PAIRS, "score(batch_size=4)", mode="batch", batch_fallback="direct")
    assert [ranking.status for ranking in rankings] == ["complete"] * 100
    assert len(amazon.jobs) == 1
    assert 0 < amazon.direct.requests == 100 - job.fates.count("ok")
