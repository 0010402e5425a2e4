"""Messages that no MCP client should send: as bytes, by name, in both eras of the protocol.

Each of them is owed an error, save NOTIFICATIONS: JSON-RPC answers no message that has no `id`, and none that
is itself an answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

Era = Literal["2025-11-25", "2026-07-28"]
HANDSHAKE: Era = "2025-11-25"
"""Clients introduce themselves once, with `initialize`."""
ENVELOPE: Era = "2026-07-28"
"""Each request says in `_meta` who sends it."""

ME = {"name": "malformed", "version": "1"}
META = {
    PROTOCOL_VERSION_META_KEY: ENVELOPE,
    CLIENT_INFO_META_KEY: ME,
    CLIENT_CAPABILITIES_META_KEY: {},
}
INITIALIZE = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": ME}
ODD = (None, 5, 1.5, True, "x", [], [1], {}, {"x": 1})
"""One of each kind of JSON value; where a kind is right, the message leaves it out."""
LEFT_OUT = object()


# fmt: off
METHODS_THAT_THERE_ARE_NOT = (
    "", " ", "tools", "tools/", "/tools/list", "tools/list/", "tools//list", "Tools/List", "tools/list ",
    "tools.list", "tools/destroy", "../tools/list", "tools/list\n", "tools/list\x00", "__proto__",
    "__class__", "rpc.discover", "rpc.describe", "shutdown", "exit", "eval", "initialized", "roots/list",
    "sampling/createMessage", "elicitation/create", "notifications/initialized", "notifications/cancelled",
    "outils/liste-é", "工具/列表", "\ud800", "x" * 2_000, "%s%n", "'; DROP TABLE dcim_device; --",
)
WRONG_DOCUMENTS: tuple[dict[str, Any], ...] = (
    {}, {"batch": 5}, {"batch": []}, {"batch": "sites: ["}, {"batch": {"devicez": []}}, {"batch": {}, "x": 1},
    {"devices_data": {}}, {"devices_data": [5]}, {"devices_data": [[]]}, {"input_id": 5}, {"confirm": True},
    {"batch": {"sites": [{"name": "\x00"}]}}, {"batch": {"sites": [{"name": 1e308}]}},
    {"batch": {"sites": [{"name": "a"}]}, "target": "nowhere"},
)
WRONG_QUESTIONS: tuple[dict[str, Any], ...] = (
    {}, {"task_id": 5}, {"task_id": None}, {"task_id": []}, {"task_id": "t-nix"},
    {"task_id": "t-1", "wait_seconds": "x"}, {"task_id": "t-1", "wait_seconds": 1e308},
    {"task_id": "t-1", "wait_seconds": -1}, {"task_id": "x" * 100_000}, {"task_id": "../x"},
    {"task_id": "t-1", "__class__": 1},
)
WRONG_ADDRESSES = (
    "", "x", "task://", "task://t-nix", "task://../..", "plan://p-nix", "batch://b-nix", "file:///etc/passwd",
    "http://127.0.0.1/", "netbox-mcp://", "netbox-mcp://nix", "netbox-mcp://catalog/..", "TASK://t-1/x", "://",
    "task://%00", "task://\x00", "task://" + "x" * 5_000, "task://{task_id}", "javascript:alert(1)",
)
WRONG_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("resources/read", {}), ("prompts/get", {}), ("prompts/get", {"name": "plan_a_site_rollout"}),
    ("completion/complete", {}), ("completion/complete", {"ref": 5, "argument": []}),
    ("logging/setLevel", {}), ("logging/setLevel", {"level": "loud"}), ("resources/subscribe", {}),
    ("resources/subscribe", {"uri": "nix"}), ("resources/unsubscribe", {"uri": 5}), ("tasks/get", {}),
    ("tasks/get", {"taskId": 5}),
)
# fmt: on


@dataclass(frozen=True)
class Message:
    """What is sent, and what an assertion calls it."""

    name: str
    body: bytes


def message(era: Era, method: Any, params: Any = None, request_id: Any = 7, **others: Any) -> bytes:
    """A request as bytes; a mapping of parameters gets the envelope of its era."""
    if era == ENVELOPE and (params is None or isinstance(params, dict)):
        params = {"_meta": META, **(params or {})}
    members = {"jsonrpc": "2.0", "id": request_id, "method": method, **others}
    if params is not None:
        members["params"] = params
    return json.dumps(members).encode()


def malformed_messages(era: Era) -> list[Message]:
    """All that are owed an error, whichever way they come."""
    found = [*_no_messages(era), *_wrong_members(era), *_unknown_methods(era), *_wrong_parameters(era)]
    assert len({one.name for one in found}) == len({one.body for one in found}) == len(found)
    return found


def _no_messages(era: Era) -> Iterator[Message]:
    right = message(era, "tools/list")
    call = message(era, "tools/call", {"name": "netbox_get_queue_info", "arguments": {"x": "é"}}).replace(
        b"\\u00e9", "é".encode()
    )
    raw = {
        "a word": b"hello",
        "a bare brace": b"{",
        "a closing brace": b"}",
        "half a message": right[: len(right) // 2],
        "all but the last byte": right[:-1],
        "a byte too many": right + b"}",
        "two messages": right + right,
        "a trailing comma": right[:-1] + b",}",
        "a comment": b"/* x */" + right,
        "single quotes": right.replace(b'"', b"'"),
        "bare names": right.replace(b'"', b""),
        "half a character": call.replace("é".encode(), "é".encode()[:1]),
        "a byte that is in no character": call.replace("é".encode(), b"\xff"),
        "an overlong character": call.replace("é".encode(), b"\xc0\xaf"),
        "half of a surrogate pair as bytes": call.replace("é".encode(), b"\xed\xa0\x80"),
        "Latin-1": call.replace("é".encode(), b"\xe9"),
        "UTF-16": right.decode().encode("utf-16-be").replace(b"\n", b""),
        "NUL": b"\x00",
        "a message with NUL between": right.replace(b'"id"', b'\x00"id"'),
        "a raw control character in a string": call.replace("é".encode(), b"\x01"),
        "an unknown escape": call.replace("é".encode(), b"\\x41"),
        "half an escape": call.replace("é".encode(), b"\\u12"),
        "deep lists": b"[" * 100_000,
        "deep lists that end": b"[" * 50_000 + b"]" * 50_000,
        "deep objects": b'{"a":' * 50_000,
        "deep parameters": right.replace(b"2.0", b'2.0","x":' + b"[" * 20_000 + b"]" * 20_000 + b',"y":"', 1),
        "HTTP": b"POST /mcp HTTP/1.1",
        "XML": b'<?xml version="1.0"?><methodCall/>',
        "a number with leading zeros": right.replace(b"7", b"007", 1),
        "a lone minus": right.replace(b"7", b"-", 1),
        "a hexadecimal number": right.replace(b"7", b"0x7", 1),
        "a batch": b"[" + right + b"]",
        "a batch of two": b"[" + right + b"," + call + b"]",
        "an empty batch": b"[]",
        "a batch of numbers": b"[1,2,3]",
        "a batch in a batch": b"[[" + right + b"]]",
        "null": b"null",
        "true": b"true",
        "a number": b"1",
        "a huge number": b"9" * 5_000,
        "an endless number": b"1e999",
        "a string": b'"tools/list"',
        "a message as a string": json.dumps(right.decode()).encode(),
        "an object without members": b"{}",
        "an object of something else": b'{"hello": "world"}',
        "a member without a name": b'{"": 1}',
    }
    for name, body in raw.items():
        yield Message(name, body)


def _wrong_members(era: Era) -> Iterator[Message]:
    def request(**members: Any) -> bytes:
        right = json.loads(message(era, "tools/list"))
        return json.dumps(
            {name: value for name, value in {**right, **members}.items() if value is not LEFT_OUT}
        ).encode()

    yield Message("no version", request(jsonrpc=LEFT_OUT))
    for value in ("1.0", "2", "2.00", "", 2, 2.0, None, True, [], {}, ["2.0"]):
        yield Message(f"version {value!r}", request(jsonrpc=value))
    for value in (None, 1.5, -0.5, True, False, [], [1], {}, {"id": 1}, 1e300):
        yield Message(f"id {value!r}", request(id=value))
    yield Message("no method", request(method=LEFT_OUT))
    for value in (None, 5, 1.5, True, [], ["tools/list"], {}, {"method": "tools/list"}):
        yield Message(f"method {value!r}", request(method=value))
    for value in (5, 0, 1.5, True, False, "x", "", [], [1], [{}]):
        yield Message(f"params {value!r}", request(params=value))
    yield Message("nothing right", request(jsonrpc=3, id=[], method={}, params="x"))
    yield Message("only a version", request(id=LEFT_OUT, method=LEFT_OUT, params=LEFT_OUT))
    yield Message("only an id", request(jsonrpc=LEFT_OUT, method=LEFT_OUT, params=LEFT_OUT))
    yield Message("only a method", request(jsonrpc=LEFT_OUT, id=LEFT_OUT, params=LEFT_OUT))
    right = request()
    yield Message("an id twice, the last one wrong", right[:-1] + b', "id": null}')
    yield Message("a method twice, the last one wrong", right[:-1] + b', "method": 5}')
    yield Message("a version twice, the last one wrong", right[:-1] + b', "jsonrpc": "1.0"}')


def _unknown_methods(era: Era) -> Iterator[Message]:
    for name in METHODS_THAT_THERE_ARE_NOT:
        yield Message(f"method {name[:40]!r} is unknown", message(era, name))


def _wrong_parameters(era: Era) -> Iterator[Message]:
    for method, params in _requests(era):
        shown = json.dumps(params)
        yield Message(f"{method} {shown[:200]}", message(era, method, params))


def _requests(era: Era) -> Iterator[tuple[str, Any]]:
    """Methods that there are, with parameters that they do not take."""
    yield from _odd_kinds()
    for tool in (
        "",
        "netbox_plan_bulks",
        "NETBOX_PLAN_BULK",
        "../netbox_plan_bulk",
        "x" * 1_000,
        "é",
        "\x00",
    ):
        yield "tools/call", {"name": tool, "arguments": {}}
    yield "tools/call", {}
    yield "tools/call", {"arguments": {}}
    for arguments in WRONG_DOCUMENTS:
        yield "tools/call", {"name": "netbox_plan_bulk", "arguments": arguments}
    for arguments in WRONG_QUESTIONS:
        yield "tools/call", {"name": "netbox_get_task_status", "arguments": arguments}
    for uri in WRONG_ADDRESSES:
        yield "resources/read", {"uri": uri}
    for prompt in ("", "nix", "PLAN_A_SITE_ROLLOUT", "../x", "x" * 1_000, "\x00"):
        yield "prompts/get", {"name": prompt}
    for names in (("sight",), ("site", "sight")):
        yield "prompts/get", {"name": "plan_a_site_rollout", "arguments": dict.fromkeys(names, "AMS3")}
    yield from WRONG_CALLS
    yield from _wrong_greetings() if era == HANDSHAKE else _wrong_envelopes()


def _odd_kinds() -> Iterator[tuple[str, Any]]:
    """Every kind of JSON value where another one belongs."""
    for value in ODD:
        if not isinstance(value, dict | None):
            for method in ("tools/call", "resources/read", "prompts/get", "resources/list", "prompts/list"):
                yield method, value
            yield "tools/call", {"name": "netbox_get_queue_info", "arguments": value}
            yield "prompts/get", {"name": "plan_a_site_rollout", "arguments": value}
        if not isinstance(value, str):
            yield "tools/call", {"name": value}
            yield "resources/read", {"uri": value}
            yield "prompts/get", {"name": value}
            yield "prompts/get", {"name": "plan_a_site_rollout", "arguments": {"site": value}}
        if not isinstance(value, str | None):
            yield "tools/list", {"cursor": value}
        if not isinstance(value, dict | None):
            yield "tools/list", {"_meta": value}


def _wrong_greetings() -> Iterator[tuple[str, Any]]:
    yield "initialize", {}
    for name, right in INITIALIZE.items():
        yield "initialize", {key: value for key, value in INITIALIZE.items() if key != name}
        for value in (None, 5, True, [], "x", {}):
            if type(value) is not type(right) or value == {} != right:
                yield "initialize", {**INITIALIZE, name: value}
    yield "ping", {"_meta": 5}
    yield "ping", {"_meta": {"progressToken": {}}}


def _wrong_envelopes() -> Iterator[tuple[str, Any]]:
    for name, values in {
        PROTOCOL_VERSION_META_KEY: (None, 5, [], "", "1999-01-01", HANDSHAKE, "2026-07-28 "),
        CLIENT_CAPABILITIES_META_KEY: (None, 5, [], "x"),
        CLIENT_INFO_META_KEY: (5, [], "x", {}, {"name": 5}),
    }.items():
        for value in values:
            yield "tools/list", {"_meta": {**META, name: value}}
    yield "tools/list", {"_meta": {}}
    yield (
        "tools/list",
        {"_meta": {key: value for key, value in META.items() if key != PROTOCOL_VERSION_META_KEY}},
    )
    yield "tools/call", {"name": "netbox_get_queue_info", "_meta": {**META, "progressToken": {}}}
    yield "initialize", INITIALIZE
    yield "ping", {}
    yield "server/discover", {"_meta": {}}
    yield "subscriptions/listen", {"notifications": 5}


def notifications() -> list[Message]:
    """Messages that no one is owed an answer to, wrong as they are: over stdio there is silence."""
    found = [
        *(("notifications/initialized", value) for value in (5, [], {"_meta": 5})),
        *(("notifications/cancelled", {"requestId": value}) for value in ODD),
        *(("notifications/cancelled", value) for value in ({}, {"reason": 5}, {"requestId": "nix"})),
        *(("notifications/progress", {"progressToken": value, "progress": 1}) for value in ODD),
        *(("notifications/progress", {"progressToken": 1, "progress": value}) for value in ODD),
        ("notifications/progress", {}),
        ("notifications/nix", {}),
        ("notifications/roots/list_changed", {"_meta": []}),
        ("tools/call", {"name": "netbox_get_queue_info"}),
        ("tools/call", {"name": 5}),
        ("", {}),
    ]
    bodies = {
        f"{method} {json.dumps(params)}": json.dumps({"jsonrpc": "2.0", "method": method, "params": params})
        for method, params in found
        if isinstance(params, dict)
    }
    answers = [
        {"id": 1, "result": {}},
        {"id": "nix", "result": {"x": 1}},
        {"id": 1, "error": {"code": 1, "message": "x"}},
        {"id": None, "error": {"code": 1, "message": "x"}},
    ]
    bodies |= {f"the answer {answer}": json.dumps({"jsonrpc": "2.0", **answer}) for answer in answers}
    return [Message(name, body.encode()) for name, body in bodies.items()]
