"""The way to a hosted model: its address, its key, its headers, and what was found out about it there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from judge_rerank.core import AuthenticationError, basic_auth, secrets_in, without_user
from judge_rerank.providers import catalog, endpoint
from judge_rerank.providers.features import Features, features_of
from judge_rerank.providers.log_redaction import keep_out_of_logs


class Connection(ABC):
    """One model of one provider, and how it is reached.

    Args:
        model: its name, the provider first.
        api_base: another address than the provider's own.
        api_key: the key; by default the provider's environment variable.
        params: what goes along with every request.

    Raises:
        InputError: an address, a key or a header that cannot be sent.
    """

    def __init__(self, model: str, *, api_base: str | None, api_key: str | None, params: Mapping[str, Any]) -> None:
        if api_base:
            endpoint.check_address(api_base)
        if api_key:
            endpoint.check_key(api_key)
        endpoint.check_headers(params)
        self._model, self._api_base, self._api_key, self._params = model, api_base, api_key, params
        self._learned: tuple[str | None, Features] | None = None
        keep_out_of_logs(self._secrets)

    @cached_property
    @abstractmethod
    def _route(self) -> catalog.Route:
        """What is known of the model."""

    @abstractmethod
    def _missing_keys(self) -> list[str]:
        """The environment variables any one of which would be the key that is missing; none where none is needed."""

    @property
    def _usual_address(self) -> str | None:
        """Where every model is asked that has no address of its own; None for its provider's address."""
        return None

    @property
    def _secrets(self) -> tuple[str, ...]:
        named = secrets_in(self._params, self._api_base)
        return (self._api_key, *named) if self._api_key else named

    @property
    def _public_address(self) -> str | None:
        """Where the model is really asked, as far as the cache has to know; None for the provider's usual address.

        The environment may say another one at any time, unless the caller has said it.
        """
        return self._address_given if self._api_base else self._resolved()

    @cached_property
    def _address_given(self) -> str | None:
        return self._resolved()

    def _resolved(self) -> str | None:
        return endpoint.resolved(self._api_base, self._route.provider, self._params, default=self._usual_address)

    @property
    def _features(self) -> Features:
        """What the model was found to refuse or to need at this address."""
        address = self._public_address
        if self._learned is None or self._learned[0] != address:
            self._learned = address, features_of(self._model, address)
        return self._learned[1]

    @property
    def _address(self) -> dict[str, Any]:
        """Where the model is asked, and as whom, where the caller says so."""
        address: dict[str, Any] = {"api_base": without_user(self._api_base)} if self._api_base else {}
        return {**address, "api_key": self._api_key} if self._api_key else address

    @cached_property
    def _authorized(self) -> dict[str, Any]:
        """The user and password of `api_base` as the header that they stand for, unless there is such a header."""
        given: Mapping[str, str] = self._params.get("extra_headers") or {}
        if not self._api_base or any(name.lower() == "authorization" for name in given):
            return {}
        header = basic_auth(self._api_base)
        return {"extra_headers": {**given, **header}} if header else {}

    @property
    def _own_server(self) -> bool:
        """Whether another address than the provider's own is asked."""
        return bool(self._api_base or endpoint.in_environment(self._route.provider))

    def _check_setup(self) -> None:
        """Raise where no request can be sent: nothing is, and nothing is tried again.

        Raises:
            InputError: the environment sets an address or a key that cannot be used.
        """
        provider = self._route.provider
        if not self._api_base:
            for name, address in endpoint.in_environment(provider).items():
                if name.endswith(("_API_BASE", "_BASE_URL")):
                    endpoint.check_address(address, name=name)
        if not self._api_key:
            for name, key in endpoint.keys_in_environment(provider).items():
                endpoint.check_key(key, name=name)

    def check_ready(self) -> None:
        """Raise what the first request would raise before anything is sent.

        Raises:
            AuthenticationError: there is no key.
            InputError: a package is missing, or the environment sets an address or a key that cannot be used.
        """
        self._check_setup()
        self._check_key()

    def _check_key(self) -> None:
        """Raise where a key is needed and there is none.

        Raises:
            AuthenticationError: it says which environment variable to set.
        """
        if self._api_key or self._own_server:
            return
        missing = self._missing_keys()
        if missing:
            raise AuthenticationError(
                f"{self._model} needs a key. Set the environment variable {' or '.join(missing)}, or pass api_key= in "
                "Python.",
                model=self._model,
                sent=False,
            )
