"""A session of the page without a browser: the requests that Gradio's client in the browser makes."""

from __future__ import annotations

import copy
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx

ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What the server said: ``seconds`` from the request to the last byte, ``characters`` of its data."""

    seconds: float
    characters: int
    data: list[Any]


class Session:
    """One open page. Values of ``gr.State`` stay on the server, under the session's name."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=ANSWER_SECONDS)
        self._config = self._client.get("config").json()
        self._api = self._config.get("api_prefix", "").lstrip("/")
        self._name = secrets.token_hex(6)
        self._components = {c["id"]: c for c in self._config["components"]}

    def close(self) -> None:
        self._client.close()

    def reopened(self) -> Session:
        """This page as another session would have it, over the same connection."""
        other = copy.copy(self)
        other._name = secrets.token_hex(6)
        return other

    def handler(self, event: str, elem_id: str = "", kind: str = "") -> dict[str, Any]:
        """The one handler of an event of a control, found by its ``elem_id`` or its kind ("timer").

        Raises:
            LookupError: when there is none.
        """
        for dependency in self._config["dependencies"]:
            for target, name in dependency["targets"]:
                component = self._components.get(target)
                if component is None or name != event:
                    continue
                if component["props"].get("elem_id") == elem_id if elem_id else component["type"] == kind:
                    return dependency
        raise LookupError(f"no handler of {event} on {elem_id or kind}")

    def initial(self, dependency: dict[str, Any]) -> list[Any]:
        """The values that a page which was just opened would send."""
        return [self._components[i]["props"].get("value") for i in dependency["inputs"]]

    def call(self, dependency: dict[str, Any], data: list[Any]) -> Answer:
        """Run a handler through the queue, as a click does.

        Raises:
            RuntimeError: with the server's answer, when the handler failed.
        """
        began = time.perf_counter()
        body = {"data": data, "fn_index": dependency["id"], "session_hash": self._name}
        self._client.post(f"{self._api}/queue/join", json=body).raise_for_status()
        with self._client.stream(
            "GET", f"{self._api}/queue/data", params={"session_hash": self._name}
        ) as lines:
            for line in lines.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line.removeprefix("data:"))
                if message["msg"] != "process_completed":
                    continue
                seconds = time.perf_counter() - began
                if not message["success"]:
                    raise RuntimeError(f"the page's handler failed: {message['output']}")
                return Answer(seconds, len(line), message["output"]["data"])
        raise RuntimeError("the page closed the stream without an answer")
