"""Any server that speaks OpenAI's `/v1/completions`, by its URL: token ids in, token ids and log-probabilities out.

Requests are bounded in time, number and size. Only servers on this machine are asked, unless it is said otherwise.
"""

import http.client
import json
import socket
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.generation.ask import Broken
from spechub_lp.gate.generation.pair import TinyPair
from spechub_lp.gate.generation.requests import Completion, NotOffered, Params
from spechub_lp.gate.results import Kind

LARGEST = 16 << 20
"""Bytes of an answer."""
MOST_REQUESTS = 200_000
LOOPBACK = ("localhost", "::1")
NO_ARGUMENT = ("typical_p", "no_repeat_ngram", "cache", "extra")
"""What no such server takes."""


class OpenAIServer:
    """Call a server with drafts, and perhaps one without that serves as its plain self.

    Parameters
    ----------
    url
        Of the server with drafts.
    pair
        The pair that it serves.
    seconds
        What one request may take.
    plain
        URL of a server without drafts.
    remote
        Whether a server that is not on this machine may be asked.

    Raises
    ------
    SpecHubError
        No address of a server, or one that is not on this machine without `remote`.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> server = OpenAIServer("http://127.0.0.1:8000", make_pair(), seconds=10)
    >>> server([(0, 1)], Params())
    Traceback (most recent call last):
    spechub_lp.gate.generation.requests.NotOffered: these arguments have more than one meaning, and no plain server was
    named (--plain URL)
    """

    controlled = False

    def __init__(self, url: str, pair: TinyPair, seconds: float, plain: str | None = None, remote: bool = False):
        self.addresses = (url, *([plain] if plain else []))
        for address in self.addresses:
            _check_address(address, remote)
        self.name, self.url, self.plain, self.pair = url, url, plain, pair
        self.seconds, self.requests = seconds, 0
        self.opener = build_opener(ProxyHandler({}))
        self.model: str | None = None

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[Completion]:
        """Send one request."""
        url = self.url if params.drafts else self.plain
        if url is None:
            raise NotOffered("these arguments have more than one meaning, and no plain server was named (--plain URL)")
        if self.model is None:
            self.model = self._model(url)
        answer = self._send(f"{url.rstrip('/')}/v1/completions", self._body(prompts, params))
        try:
            choices = sorted(answer["choices"], key=lambda choice: choice["index"])
            return [self._completion(choice, params) for choice in choices]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Broken(Kind.SHAPE, f"the answer is no completion: {type(error).__name__}: {error}") from None

    def reach(self) -> None:
        """Raise SpecHubError where no server answers at all: that is no finding about one."""
        for address in self.addresses:
            try:
                self.opener.open(_models(address), timeout=self.seconds).close()
            except (HTTPError, http.client.HTTPException):
                continue  # it answers, and what it answers is for the checks
            except OSError as error:  # a URLError and a TimeoutError are one too
                raise SpecHubError(
                    f"no server answers at {address} within {self.seconds:g} seconds ({error}); start it, look at the "
                    "address, or give it longer with --time-limit"
                ) from None

    def _model(self, url: str) -> str:
        try:
            return str(self._send(_models(url), None)["data"][0]["id"])
        except (KeyError, TypeError, IndexError, NotOffered):
            return "default"

    def _body(self, prompts: Sequence[Sequence[int]], params: Params) -> dict[str, Any]:
        for name in NO_ARGUMENT:
            if name in params.changed:
                raise NotOffered(f"/v1/completions has no argument for {name}")
        words = self.pair.words
        body: dict[str, Any] = {
            "model": self.model, "prompt": [list(p) for p in prompts], "max_tokens": params.max_tokens, "n": params.n,
            "temperature": 0.0 if params.greedy else params.temperature, "top_p": params.top_p,
            "return_token_ids": True, "return_tokens_as_token_ids": True,
        }  # fmt: skip
        body |= {} if params.logprobs is False else {"logprobs": 1}
        body |= {} if params.seed is None else {"seed": params.seed}
        given = {
            "top_k": params.top_k, "min_p": params.min_p, "frequency_penalty": params.frequency_penalty,
            "min_tokens": params.min_tokens, "stop": list(params.stop), "stop_token_ids": list(params.end_tokens),
            "logit_bias": {**{str(t): b for t, b in params.logit_bias}, **{str(t): -100.0 for t in params.masked}},
            "bad_words": ["".join(words[t] for t in word) for word in params.bad_words],
        }  # fmt: skip
        if params.repetition_penalty != 1:
            body["repetition_penalty"] = params.repetition_penalty
        return body | {name: value for name, value in given.items() if value}

    def _send(self, url: str, body: dict[str, Any] | None) -> Any:
        if self.requests >= MOST_REQUESTS:
            raise NotOffered(f"{MOST_REQUESTS:,} requests were made, which is the most")
        self.requests += 1
        data = None if body is None else json.dumps(body).encode()
        request = Request(url, data, {"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=self.seconds) as answer:
                text, announced = answer.read(LARGEST + 1), int(answer.headers.get("Content-Length") or 0)
        except HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            if error.code < 500:
                raise NotOffered(f"HTTP {error.code}: {' '.join(said.split())[:300]}") from None
            raise Broken(Kind.CRASH, f"HTTP {error.code}: {' '.join(said.split())[:300]}") from None
        except (TimeoutError, socket.timeout):  # noqa: UP041
            raise Broken(Kind.HANG, f"no answer within {self.seconds:g} seconds") from None
        except (URLError, http.client.HTTPException, OSError) as error:
            if isinstance(getattr(error, "reason", None), TimeoutError):
                raise Broken(Kind.HANG, f"no answer within {self.seconds:g} seconds") from None
            raise Broken(Kind.CRASH, f"the connection ended: {error or type(error).__name__}") from None
        if len(text) > LARGEST:
            raise Broken(Kind.SHAPE, f"an answer of more than {LARGEST:,} bytes")
        if len(text) < announced:
            raise Broken(Kind.SHAPE, f"half an answer: {len(text):,} bytes of {announced:,}")
        try:
            return json.loads(text)
        except ValueError as error:
            raise Broken(Kind.SHAPE, f"the answer is not JSON: {error}") from None

    def _completion(self, choice: dict[str, Any], params: Params) -> Completion:
        logprobs = choice.get("logprobs") or {}
        values = logprobs.get("token_logprobs") if params.logprobs else None
        return Completion(self._ids(choice, logprobs), None if values is None else tuple(float(x) for x in values))

    def _ids(self, choice: dict[str, Any], logprobs: dict[str, Any]) -> tuple[int, ...]:
        """Token ids as they are given, or from tokens written "token_id:7", or from the text."""
        if choice.get("token_ids") is not None:
            return tuple(_whole(t) for t in choice["token_ids"])
        tokens = logprobs.get("tokens")
        if tokens and all(str(t).startswith("token_id:") for t in tokens):
            return tuple(int(str(t).partition(":")[2]) for t in tokens)
        text, words = choice["text"], self.pair.words
        parts = [text[i : i + 2] for i in range(0, len(text), 2)]
        return tuple(words.index(part) for part in parts)


def _whole(token: Any) -> int:
    if isinstance(token, bool) or not isinstance(token, int):
        raise ValueError(f"{token!r} is no token id")
    return token


def _models(address: str) -> str:
    return f"{address.rstrip('/')}/v1/models"


def _check_address(url: str, remote: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SpecHubError(f"{url!r} is no address of a server; write http://127.0.0.1:8000")
    if not remote and not (parts.hostname in LOOPBACK or parts.hostname.startswith("127.")):
        raise SpecHubError(f"{url} is not on this machine; --remote asks it all the same, with thousands of requests")
