"""Every Redis key of ours, and the functions that build them. RQ's own keys start with `rq:`.

key                             type    lives for            written by
------------------------------  ------  -------------------  ----------------------------------------------
nmo:task:<task>                 hash    task retention       records.py: what was asked for, never changed
nmo:progress:<task>             hash    task retention       tracker.py: where it stands, how it ended
nmo:events:<task>               stream  task retention       tracker.py: the same as it came about, the latest
nmo:pace:<task>                 hash    task retention       pace.py, in tracker.py: results as time went by
nmo:alive:<task>                string  lease ttl (15 s)     lease.py: the process that runs it lives
nmo:cancel:<task>               string  task retention       cancellation.py: somebody wants it to stop
nmo:tasks                       zset    task retention       records.py: task -> time of creation
nmo:tasks:active                zset    task retention       records.py: those that have not ended
nmo:idempotency:<digest>        string  task retention       idempotency.py: <task> <what it stands for>
nmo:same:<target>:<document>    set     task retention       records.py: unfinished tasks that apply it
nmo:document:<document>         string  task retention       store.py: batch document, compressed JSON
nmo:plan:<plan>                 hash    task retention       store.py: plan, compressed JSON, and its document
nmo:plans                       zset    task retention       store.py: plan -> when it was kept
nmo:approval:<plan digest>      string  task retention       approvals.py: who approved a plan, signed
nmo:lease:<target>              string  lease ttl (15 s)     lease.py: <epoch>:<task>:<nonce>
nmo:epoch:<target>              int     for ever, one number lease.py: must never repeat a value
nmo:written:<place>             string  a day                write_marks.py: our latest write there
nmo:writing:<place>             zset    settle time          write_marks.py: write -> when it counts no more
nmo:journal:<batch>             hash    journal retention    records.py, journal.py: task, target, digest;
                                                             batches.py: the rollback that took it back
nmo:journal:<batch>:intents     list    journal retention    journal.py: what was about to be sent
nmo:journal:<batch>:pending     hash    journal retention    journal.py: change -> its intent, until settled
nmo:journal:<batch>:outcomes    list    journal retention    journal.py: what became of changes
nmo:journal:<batch>:counts      hash    journal retention    journal.py: <object type>:<result> -> number
nmo:metrics                     hash    for ever, small       metrics.py: what workers have counted
nmo:probe                       string  10 seconds           roster.py: written to see whether it can be
nmo:throughput:<minute>         int     15 minutes           tracker.py: objects settled in that minute
"""

from __future__ import annotations

TASKS = "nmo:tasks"
ACTIVE_TASKS = "nmo:tasks:active"
PLANS = "nmo:plans"
METRICS = "nmo:metrics"
PROBE = "nmo:probe"
THROUGHPUT_SECONDS = 900


def task(task_id: str) -> str:
    """What was asked for."""
    return f"nmo:task:{task_id}"


def progress(task_id: str) -> str:
    """Where the task stands."""
    return f"nmo:progress:{task_id}"


def events(task_id: str) -> str:
    """How it came to stand there."""
    return f"nmo:events:{task_id}"


def pace(task_id: str) -> str:
    """How fast it went."""
    return f"nmo:pace:{task_id}"


def alive(task_id: str) -> str:
    """Sign of life of the process that runs the task."""
    return f"nmo:alive:{task_id}"


def cancellation(task_id: str) -> str:
    """There when the task is to stop."""
    return f"nmo:cancel:{task_id}"


def idempotency(digest: str) -> str:
    """The task that an idempotency key stands for."""
    return f"nmo:idempotency:{digest}"


def same_work(target: str, document_id: str) -> str:
    """The tasks that apply a document, those that have ended since included."""
    return f"nmo:same:{target}:{document_id}"


def document(document_id: str) -> str:
    """A stored batch document."""
    return f"nmo:document:{document_id}"


def plan(plan_id: str) -> str:
    """A stored plan."""
    return f"nmo:plan:{plan_id}"


def approval(digest: str) -> str:
    """Who has approved plans of this digest; the target is part of it."""
    return f"nmo:approval:{digest}"


def lease(target: str) -> str:
    """Who may write to the target."""
    return f"nmo:lease:{target}"


def epoch(target: str) -> str:
    """Counts the leases ever given on the target."""
    return f"nmo:epoch:{target}"


def written(place: str) -> str:
    """The latest mark of our writes to a NetBox, known by its target's name or its address."""
    return f"nmo:written:{place}"


def writing(place: str) -> str:
    """Our writes that are under way there."""
    return f"nmo:writing:{place}"


def journal(batch_id: str, part: str = "") -> str:
    """The journal of a batch, or one part of it."""
    return f"nmo:journal:{batch_id}:{part}" if part else f"nmo:journal:{batch_id}"


def throughput(minute: int) -> str:
    """Objects settled in a minute (Unix time divided by 60)."""
    return f"nmo:throughput:{minute}"
