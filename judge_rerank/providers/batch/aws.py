"""Amazon's services, for batch jobs of Bedrock: who asks, the folder in S3, and errors as ours."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, cast

from judge_rerank.core import AuthenticationError, InputError, MissingExtra, RequestRejected
from judge_rerank.providers.batch.control import JobControl, json_lines
from judge_rerank.providers.http_transport import Exchange

BUCKET, ROLE = "AWS_S3_BUCKET_NAME", "AWS_BATCH_ROLE_ARN"
"""The environment variables that LiteLLM reads too."""

_BUCKET = re.compile(r"(?:s3://)?([a-z0-9][-.a-z0-9]{1,61}[a-z0-9])((?:/[-!_*'().a-z0-9A-Z]+)*)/?")
_ROLE = re.compile(r"arn:aws(?:-[^:]+)?:iam::\d{12}:role/\S+")
_NOT_CREDENTIALS = frozenset({"aws_region_name", "aws_bedrock_runtime_endpoint"})
_BUSY = frozenset({"ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException", "SlowDown"})
"""What waiting helps against, whatever status it comes with."""

_ADVICE = {"s3": f"Check {BUCKET}, its region, and what your credentials may do there."}
_READ_TIMEOUT_S = 300


def check_boto3() -> None:
    """Raise where boto3 is not there.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import_module("boto3")
    except ImportError as error:
        raise MissingExtra("A batch job of Amazon Bedrock", "bedrock", error.name or "boto3") from None


def check_params(params: Mapping[str, Any]) -> None:
    """Raise where parameters of the model hold credentials, which only single requests would be sent with.

    Raises:
        InputError: which parameters those are.
    """
    others = sorted(name for name in params if name.startswith("aws_") and name not in _NOT_CREDENTIALS)
    if others:
        raise InputError(
            f"params has {', '.join(others)}, which batch jobs of Bedrock do not use: their credentials are those that "
            "boto3 finds (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, the role of the machine). Set "
            "those, and leave params without."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A folder in S3.

    Attributes:
        bucket: its bucket.
        prefix: what the keys begin with; "" or ending in "/".
    """

    bucket: str
    prefix: str

    def uri(self, key: str) -> str:
        """The address of what is in it."""
        return f"s3://{self.bucket}/{self.prefix}{key}"


def folder() -> Folder:
    """Where files of jobs are, by the environment.

    Raises:
        InputError: it does not say, or not so that it can be read.
    """
    given = os.environ.get(BUCKET, "").strip()
    found = _BUCKET.fullmatch(given)
    if found is None:
        raise InputError(
            f"{BUCKET} is {given!r}. " * bool(given) + "Batch jobs of Bedrock read and write files in S3: set the "
            f"environment variable {BUCKET} to 'BUCKET' or 'BUCKET/FOLDER', in the region of the model."
        )
    bucket, prefix = found.groups()
    return Folder(bucket=bucket, prefix=f"{prefix.strip('/')}/" if prefix else "")


def role() -> str:
    """The role that jobs run as, by the environment.

    Raises:
        InputError: it does not say, or not so that it can be read.
    """
    given = os.environ.get(ROLE, "").strip()
    if not _ROLE.fullmatch(given):
        raise InputError(
            f"{ROLE} is {given!r}. " * bool(given) + "Batch jobs of Bedrock run as a role of the account, which may "
            f"read and write the folder in S3: set the environment variable {ROLE} to 'arn:aws:iam::ACCOUNT:role/NAME'."
        )
    return given


class Aws:
    """Asks Amazon's services. boto3 finds credentials and addresses itself.

    Args:
        control: translates errors.
    """

    def __init__(self, control: JobControl) -> None:
        self._control = control

    async def ask(self, service: str, region: str | None, ask: Callable[[Any], Any]) -> Any:
        """What a client of a service gives, in a thread.

        Raises:
            ProviderError: as in `judge_rerank.providers.errors`.
        """
        return await asyncio.to_thread(self._asked, service, region, ask)

    async def write(self, region: str | None, where: Folder, key: str, content: bytes) -> None:
        """Put a file into a folder."""
        put = {"Bucket": where.bucket, "Key": where.prefix + key, "Body": content}
        await self.ask("s3", region, lambda s3: s3.put_object(**put))

    async def lines(self, region: str | None, uri: str, ending: str) -> list[dict[str, Any]]:
        """The JSON of each line of all files under an address whose names end so; a line that is none is left out."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")

        def read(s3: Any) -> list[dict[str, Any]]:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
            bodies = (s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys if key.endswith(ending))
            return [line for body in bodies for line in json_lines(body)]

        return await self.ask("s3", region, read)

    def _asked(self, service: str, region: str | None, ask: Callable[[Any], Any]) -> Any:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            NoRegionError,
            ParamValidationError,
            PartialCredentialsError,
        )

        model = self._control.model
        try:
            with closing(self._session.client(service, region_name=region, config=self._config)) as client:
                return ask(client)
        except (NoCredentialsError, PartialCredentialsError):
            raise AuthenticationError(
                f"{model}: boto3 finds no credentials of AWS. Set the environment variables AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
                model=model,
                sent=False,
            ) from None
        except (NoRegionError, ParamValidationError) as error:
            raise RequestRejected(f"{model}: boto3 does not send this: {error}", model=model, sent=False) from None
        except (BotoCoreError, ClientError) as error:
            raise self._control.translated(error, _exchange(error), _ADVICE.get(service, "")) from None

    @cached_property
    def _session(self) -> Any:
        from boto3.session import Session

        return Session()

    @cached_property
    def _config(self) -> Any:
        from botocore.config import Config

        return Config(retries={"mode": "standard", "max_attempts": 5}, read_timeout=_READ_TIMEOUT_S)


def _exchange(error: Exception) -> Exchange:
    """What happened on the wire."""
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return Exchange()
    told = cast("Mapping[str, Any]", response)
    code, message = told["Error"].get("Code", ""), told["Error"].get("Message", "")
    status = told["ResponseMetadata"].get("HTTPStatusCode", 500)
    raw = bytearray(json.dumps({"message": f"{code}: {message}"}).encode())
    return Exchange(sent=True, status=429 if code in _BUSY else status, raw=raw)
