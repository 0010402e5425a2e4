"""A person's word instead of the model's: what a tool has shown is put to them in the client (elicitation).

server.py calls it for tools that were called without `confirm`. A yes holds for what was shown and
nothing else: before anything is written the tool shows it anew, and if that differs the person is
asked anew. A single object is looked at once more right before it is written. Where the client cannot ask,
where a yes would change nothing, and where not all of a write can be shown, nobody is asked.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import orjson
from mcp.server.mcpserver.context import Context
from mcp.server.request_state import RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import shorten
from netbox_mcp.registry import ToolSpec
from netbox_mcp.results import success
from netbox_mcp.writes import SHOWN

ANSWER_SECONDS = 3600.0
"""How long a question may be answered."""
MAX_QUESTIONS = 3
MAX_FIELDS = 40
MAX_VALUE = 300

_QUESTION = "confirm"
_SPENT: dict[str, float] = {}
"""The questions whose yes was acted upon, and when; each for as long as it could come again."""
_YES_OR_NO: dict[str, Any] = {"type": "object", "properties": {}}
_LEFT = {
    "decline": "The person was asked in the client and has declined: nothing was written. Do not confirm it "
    "in their place; ask what they want instead.",
    "cancel": "The person was asked in the client and has not answered: nothing was written. Calling again "
    "asks again.",
}
_MOVED = "Not yet written, since it is no longer what you were shown. It is now:"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """One call of a tool: `look` shows what it would write, `write` does what was shown."""

    spec: ToolSpec
    arguments: dict[str, Any]
    context: Context[Any, Any]
    look: Callable[[ToolSpec, dict[str, Any], Context[Any, Any]], Awaitable[CallToolResult]]
    write: Callable[
        [ToolSpec, dict[str, Any], Context[Any, Any], Mapping[str, Any]], Awaitable[CallToolResult]
    ]


def seal(known: Sequence[str]) -> RequestStateSecurity:
    """How questions that are out with a client are protected: none is taken for ours that is not.

    The key follows from what is `known`, the digests of the tokens of HTTP clients, so that any server with
    the same ones takes the answer; without any it is this process's own. It is dear to compute, since a token
    may be a short one.
    """
    if not known:
        return RequestStateSecurity.ephemeral(ttl=ANSWER_SECONDS)
    secret = "\n".join(sorted(known)).encode()
    key = hashlib.scrypt(secret, salt=b"netbox-mcp questions", n=2**14, r=8, p=1, dklen=32)
    return RequestStateSecurity(keys=[key], ttl=ANSWER_SECONDS)


def may_be_asked(spec: ToolSpec, shown: CallToolResult, context: Context[Any, Any]) -> bool:
    """Whether a tool's answer waits for a yes, the person can be asked for it, and it would be enough.

    It is not where plans must be approved, or kept: that is asked of others than whoever sits at the client.
    """
    content = _content(shown)
    if spec.read_only or content.get("status") != "confirmation_required" or not _can_ask(context):
        return False
    settings = get_settings()
    kept = content.get("plan_id") is not None
    if not settings.elicitation or settings.dry_run:
        return False
    if settings.require_approval or (settings.require_plan and not kept):
        return False
    # A plan: there is something to do, and, where a worker does it, the plan is kept for the worker.
    if spec.carry_out is not None:
        return bool(content.get("applyable") and (kept or not spec.background))
    return _is_shown_whole(content)


async def ask_person(call: Call, shown: CallToolResult) -> CallToolResult | InputRequiredResult:
    """Put what was shown to the person and write it if they agree; else say so, and what was shown."""
    if call.context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return await _ask_by_retry(call, shown)
    return await _ask_meanwhile(call, shown)


async def _ask_by_retry(call: Call, shown: CallToolResult) -> CallToolResult | InputRequiredResult:
    """The client asks, and makes the call again with the answer and our seal on what was asked."""
    fingerprint = _fingerprint(_content(shown))
    answer = (call.context.input_responses or {}).get(_QUESTION)
    if isinstance(answer, ElicitResult):
        if answer.action != "accept":
            return _left(call, shown, answer.action)
        if _is_first_yes(call.context.request_state, fingerprint):
            return await _write(call, shown)
    message = _in_words(call, shown, again=isinstance(answer, ElicitResult))
    question = ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=_YES_OR_NO))
    return InputRequiredResult(
        input_requests={_QUESTION: question}, request_state=f"{secrets.token_hex(8)}.{fingerprint}"
    )


def _is_first_yes(state: str | None, fingerprint: str) -> bool:
    """Whether a yes is to what is shown now, and has not been acted upon yet by this process.

    A client that sends its call again, since the answer was lost, must not take a second free address.
    """
    number, _, agreed = (state or "").partition(".")
    now = time.monotonic()
    for spent, at in list(_SPENT.items()):
        if now - at > ANSWER_SECONDS:
            del _SPENT[spent]
    if agreed != fingerprint or number in _SPENT:
        return False
    _SPENT[number] = now
    return True


async def _ask_meanwhile(call: Call, shown: CallToolResult) -> CallToolResult:
    """In the older protocols the client is asked while it waits for the call."""
    for attempt in range(MAX_QUESTIONS):
        action = await _answer(call.context, _in_words(call, shown, again=attempt > 0))
        if action == "unable":
            return shown
        if action != "accept":
            return _left(call, shown, action)
        now = await call.look(call.spec, call.arguments, call.context)
        if _fingerprint(_content(now)) == _fingerprint(_content(shown)):
            return await _write(call, now)
        shown = now
        if not may_be_asked(call.spec, shown, call.context):
            break
    return shown


async def _answer(
    context: Context[Any, Any], message: str
) -> Literal["accept", "decline", "cancel", "unable"]:
    try:
        with anyio.fail_after(ANSWER_SECONDS):
            result: ElicitResult = await context.session.elicit_form(message, _YES_OR_NO, context.request_id)
        return result.action
    except TimeoutError:
        return "cancel"
    except (MCPError, ValidationError) as error:
        log.info("the client could not ask: %s", type(error).__name__)
        return "unable"


async def _write(call: Call, shown: CallToolResult) -> CallToolResult:
    log.info("a person has agreed to what %s has shown", call.spec.name)
    return await call.write(call.spec, call.arguments, call.context, _content(shown))


def _left(call: Call, shown: CallToolResult, action: Literal["decline", "cancel"]) -> CallToolResult:
    """What was shown, as an answer that says why nothing came of it."""
    return success({**_content(shown), "next": _LEFT[action]}, call.spec.verbatim)


def _can_ask(context: Context[Any, Any]) -> bool:
    """Whether the client can put a form to a person, and be reached in the midst of a call."""
    capabilities = context.client_capabilities
    can = capabilities.elicitation if capabilities is not None else None
    if can is None or (can.form is None and can.url is not None):
        return False
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS or context.session.can_send_request


def _content(shown: CallToolResult) -> dict[str, Any]:
    return dict(shown.structured_content) if not shown.is_error and shown.structured_content else {}


def _is_shown_whole(content: Mapping[str, Any]) -> bool:
    """Whether all of a single write fits into a question: nobody can agree to what they have not seen."""
    after = content.get("after") or {}
    return len(after) <= MAX_FIELDS and all(len(_text(value)) <= MAX_VALUE for value in after.values())


def _fingerprint(content: Mapping[str, Any]) -> str:
    """Equal where the same would be agreed to: a plan has its digest; anything else is all that was said."""
    said = {name: content[name] for name in ("digest", "target")} if "digest" in content else content
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


# The question


def _in_words(call: Call, shown: CallToolResult, again: bool) -> str:
    content = _content(shown)
    target = content.get("target") or call.arguments.get("target") or "default"
    lines = [_MOVED] if again else []
    if call.spec.carry_out is not None:
        lines += _plan_in_words(content, target)
    else:
        lines += _write_in_words(content, str(call.arguments.get("object_type", "")), call.spec, target)
    return "\n".join(lines)


def _plan_in_words(content: Mapping[str, Any], target: str) -> list[str]:
    writes = content.get("writes", 0)
    what = f"{writes:,} change{'' if writes == 1 else 's'}"
    undoes = f", to take batch {content['undoes']} back" if content.get("undoes") else ""
    forced = ", also what others have changed since" if content.get("force") else ""
    by_type = [
        f"{name}: {', '.join(f'{number} {action}' for action, number in counts.items() if number)}"
        for name, counts in content.get("by_type", {}).items()
    ]
    return [
        f"Write {what} to NetBox '{target}'{undoes}{forced}?",
        *by_type,
        *_listed("Among them:", content.get("samples", ())),
        *_listed("Stays as it is:", content.get("conflicts", ())),
        *_listed("Note:", content.get("warnings", ())),
    ]


def _write_in_words(content: Mapping[str, Any], object_type: str, spec: ToolSpec, target: str) -> list[str]:
    before, after = content.get("before") or {}, content.get("after") or {}
    live = content.get("object") or {}
    name = live.get("display") or live.get("name") or ""
    which = " ".join(filter(None, [object_type, str(name), f"(id {live['id']})" if "id" in live else ""]))
    fields = [
        f"{field}: {_value(before[field])} -> {_value(value)}"
        if field in before
        else f"{field}: {_value(value)}"
        for field, value in after.items()
    ]
    points = [f"{number} {kind}" for kind, number in (content.get("dependents") or {}).items()]
    remark = str(content.get("next", "")).removeprefix(SHOWN).strip()
    return [
        _one_line(
            f"{spec.title} in NetBox '{target}': {content.get('action', 'write')} {which}".strip() + "?"
        ),
        *map(_one_line, fields),
        *_listed("Depends on it:", points),
        *([_one_line(remark)] if remark else []),
    ]


def _listed(title: str, lines: Iterable[str]) -> list[str]:
    every = [f"- {_one_line(line)}" for line in lines]
    return [title, *every] if every else []


def _value(value: Any) -> str:
    return shorten(_text(value), MAX_VALUE)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else orjson.dumps(value, default=str).decode()


def _one_line(text: str) -> str:
    """Names come from documents and from NetBox: none may look like a line of ours."""
    return "".join(one if one.isprintable() else " " for one in text)
