"""A completion server in a process of its own, with a right speculative loop behind it and wrong ones.

    python completion_server.py PAIR_FOLDER

It listens on a free port of the loopback interface, prints the port, and ends when its parent closes stdin. The class
Loop answers at http://127.0.0.1:PORT/Loop/v1/completions, and so does every other.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp.gate.generation.pair import TinyPair, read_pair
from spechub_lp.typing import FloatArray

DRAFTS = 2
Rng = np.random.Generator


class Loop:
    """Speculative decoding with a chain of drafts. A wrong loop changes one method."""

    def __init__(self, pair: TinyPair):
        self.pair = pair

    def generate(self, prompt: Sequence[int], body: dict[str, Any], rng: Rng) -> list[int]:
        out: list[int] = []
        length, ends = body["max_tokens"], body.get("stop_token_ids", ())
        while len(out) < length:
            out = [*out, *self.step([*prompt, *out], body, rng)][:length]
            for place, token in enumerate(out):
                if token in ends:
                    return out[: place + 1]
        return out

    def step(self, text: list[int], body: dict[str, Any], rng: Rng) -> list[int]:
        drafts, qs = self.draft(text, body, rng)
        for n, (x, q) in enumerate(zip(drafts, qs, strict=True)):
            p = self.target([*text, *drafts[:n]], body)
            if not self.accepts(p, q, x, rng):
                return [*drafts[:n], self.pick(self.residual(p, q), rng)]
        return [*drafts, self.bonus([*text, *drafts], body, rng)]

    def draft(self, text: list[int], body: dict[str, Any], rng: Rng) -> tuple[list[int], list[FloatArray]]:
        drafts: list[int] = []
        qs = []
        for _ in range(DRAFTS):
            qs.append(self.processed(np.asarray(self.pair.draft_distribution([*text, *drafts])), body))
            drafts.append(self.pick(qs[-1], rng))
        return drafts, qs

    def target(self, text: list[int], body: dict[str, Any]) -> FloatArray:
        return self.processed(np.asarray(self.pair.target_distribution(text)), body)

    def bonus(self, text: list[int], body: dict[str, Any], rng: Rng) -> int:
        return self.pick(self.target(text, body), rng)

    def accepts(self, p: FloatArray, q: FloatArray, x: int, rng: Rng) -> bool:
        return bool(rng.random() * q[x] < p[x])

    def residual(self, p: FloatArray, q: FloatArray) -> FloatArray:
        rest = np.maximum(p - q, 0)
        return rest if rest.sum() > 0 else p

    def processed(self, p: FloatArray, body: dict[str, Any]) -> FloatArray:
        with np.errstate(divide="ignore"):
            logits = np.log(p)
        for token, bias in body.get("logit_bias", {}).items():
            logits[int(token)] += bias if bias > -100 else -np.inf
        if body["temperature"] == 0:
            return np.asarray(np.eye(len(p))[int(logits.argmax())])
        logits = logits / body["temperature"]
        if body.get("top_k"):
            logits[logits < np.sort(logits)[-body["top_k"]]] = -np.inf
        p = np.exp(logits - logits.max())
        p /= p.sum()
        if body.get("top_p", 1) < 1:
            order = np.argsort(-p, kind="stable")
            kept = np.cumsum(p[order]) - p[order] < body["top_p"]
            p = np.where(np.isin(np.arange(len(p)), order[kept]), p, 0.0)
        return np.asarray(p / p.sum())

    def pick(self, p: FloatArray, rng: Rng) -> int:
        return int(np.searchsorted(np.cumsum(p / p.sum()), rng.random(), side="right").clip(0, len(p) - 1))

    def logprobs(self, prompt: Sequence[int], tokens: Sequence[int]) -> list[float]:
        pairs = [(self.pair.target_distribution([*prompt, *tokens[:n]]), token) for n, token in enumerate(tokens)]
        return [float(np.log(p[token])) for p, token in pairs]

    def streams(self, seed: int | None, rows: int) -> list[Rng]:
        """One generator a completion, whatever the company."""
        return [np.random.default_rng() if seed is None else np.random.default_rng([seed, 0]) for _ in range(rows)]

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
        asked = [p for p in prompts for _ in range(body["n"])]
        choices = []
        for n, (prompt, rng) in enumerate(zip(asked, self.streams(body.get("seed"), len(asked)), strict=True)):
            tokens = self.generate(prompt, body, rng)
            choice: dict[str, Any] = {"index": n, "text": self.pair.text(tokens), "token_ids": tokens}
            if body.get("logprobs"):
                choice["logprobs"] = {"token_logprobs": self.logprobs(prompt, tokens)}
            choices.append(choice)
        return {"object": "text_completion", "choices": choices}


class Plain(Loop):
    def step(self, text: list[int], body: dict[str, Any], rng: Rng) -> list[int]:
        return [self.bonus(text, body, rng)]


class BonusWithoutMask(Loop):
    """The bonus token is drawn as if no token was masked."""

    def bonus(self, text: list[int], body: dict[str, Any], rng: Rng) -> int:
        return super().bonus(text, body | {"logit_bias": {}}, rng)


class AlwaysAccepts(Loop):
    def accepts(self, p: FloatArray, q: FloatArray, x: int, rng: Rng) -> bool:
        return True


class ResidualIsTarget(Loop):
    def residual(self, p: FloatArray, q: FloatArray) -> FloatArray:
        return p


class KeptNoise(Loop):
    """The same noise for every request."""

    def streams(self, seed: int | None, rows: int) -> list[Rng]:
        return [np.random.default_rng([7, n]) for n in range(rows)]


class IgnoresSeeds(Loop):
    def streams(self, seed: int | None, rows: int) -> list[Rng]:
        return super().streams(None, rows)


class NoiseOfTheBatch(Loop):
    """A seeded row draws from the stream of its batch, which all rows share, the last one first."""

    def streams(self, seed: int | None, rows: int) -> list[Rng]:
        return super().streams(None if seed is None else seed + 1000 * rows, rows)


class LogprobsOfAccepted(Loop):
    """Tokens are reported with probability 1."""

    def logprobs(self, prompt: Sequence[int], tokens: Sequence[int]) -> list[float]:
        return [0.0, *super().logprobs(prompt, tokens)[1:]]


class OtherIds(Loop):
    """Its ids begin behind the vocabulary."""

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = super().answer(body)
        for choice in answer["choices"]:
            choice["token_ids"] = [token + self.pair.vocabulary for token in choice["token_ids"]]
        return answer


class Slow(Loop):
    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.4)
        return super().answer(body)


class Misbehaves(Loop):
    """Right until its tenth request."""

    requests = 0

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        self.requests += 1
        if self.requests == 10:
            self.misbehave()
        return super().answer(body)

    def misbehave(self) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


class Crashes(Misbehaves):
    def misbehave(self) -> None:
        import os

        os._exit(1)


class Hangs(Misbehaves):
    def misbehave(self) -> None:
        time.sleep(60)


class Half(Loop):
    """Says how long its answer is, and sends half of it."""


LOOPS: dict[str, Callable[[TinyPair], Loop]] = {
    cls.__name__: cls
    for cls in (
        Loop, Plain, BonusWithoutMask, AlwaysAccepts, ResidualIsTarget, KeptNoise, IgnoresSeeds,
        NoiseOfTheBatch, LogprobsOfAccepted, OtherIds, Slow, Misbehaves, Crashes, Hangs, Half,
    )
}  # fmt: skip


def handler(loops: dict[str, Loop]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        @property
        def loop(self) -> Loop:
            return loops[self.path.split("/")[1]]

        def do_GET(self) -> None:
            self.reply(200, {"data": [{"id": "tiny"}]})

        def do_POST(self) -> None:
            loop = self.loop
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            unknown = {"repetition_penalty", "bad_words", "stop", "min_p", "frequency_penalty"} & body.keys()
            if unknown:
                self.reply(400, {"error": f"no argument {min(unknown)}"})
                return
            try:
                self.reply(200, loop.answer(body))
            except RuntimeError as error:
                self.reply(500, {"error": str(error)})

        def reply(self, code: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if isinstance(self.loop, Half) and self.command == "POST" else data)
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test's output is its own."""

    return Handler


def main() -> None:
    pair = read_pair(Path(sys.argv[1]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler({name: made(pair) for name, made in LOOPS.items()}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
