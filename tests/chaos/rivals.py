"""Batches that start at the same moment: identical ones, ones that share parents, with no lease."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos import batch
from tests.chaos.scene import END_SECONDS, Ended, Injury, Scene
from workers.status import TaskState, TaskStatus

BATCHES = 8
WORKERS = 4
PROCESSES = 4


def identical(scene: Scene) -> Ended:
    """8 identical batches under different idempotency keys, on 4 workers: one does the work."""
    scene.prepare()
    ended, seconds = _race(scene, [batch.document()] * BATCHES)
    injury = Injury([f"{BATCHES} at once"], _wrong(ended))
    created = sum(status.counts.get("created", 0) for status in ended)
    if created != scene.undisturbed.counts["created"]:
        injury.wrong.append(f"they tell {created} created")
    return scene.look("identical", injury, seconds)


def sharing_parents(scene: Scene) -> Ended:
    """8 different batches with the same site, role, manufacturer and type, which are not there yet."""
    documents = [batch.part(number) for number in range(BATCHES)]
    wanted = _one_after_another(scene, *documents)
    scene.empty()
    ended, seconds = _race(scene, documents)
    return scene.look("parents", Injury([f"{BATCHES} at once"], _wrong(ended)), seconds, wanted)


def without_a_lease(scene: Scene) -> Ended:
    """4 processes with the same document and an empty NetBox, with neither Redis nor a folder in common.

    Copies of IP addresses do not count: NetBox's database does not enforce their key. Nor do its counters:
    a write to a device puts `interface_count` back to what it was when NetBox read the device.
    """
    wanted = _one_after_another(scene, batch.document())
    scene.empty()
    with scene.play(workers=0) as play, tempfile.TemporaryDirectory(dir=scene.folder) as name:
        folder = Path(name)
        (folder / "batch.json").write_text(json.dumps(batch.document()))
        command = [sys.executable, "-m", "netbox_mcp", "apply", "batch.json", "--sync", "--yes", "--json"]
        begun = time.monotonic()
        processes = []
        for number in range(PROCESSES):
            environment = play.stack.variables({"NETBOX_MCP_STATE_DIR": str(folder / f"state-{number}")})
            del environment["REDIS_URL"]
            processes.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    cwd=folder,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
        answers = [_answer(process) for process in processes]
        seconds = time.monotonic() - begun
    failed = [str(answer)[:1000] for answer in answers if answer.get("status") != "completed"]
    injury = Injury([f"{PROCESSES} at once"], failed)
    ended = scene.look("no lease", injury, seconds, wanted, counters=False)
    ended.doubled = [
        one for one in ended.doubled if not one.startswith(("ipam/ip-addresses", "ipam.ipaddress"))
    ]
    return ended


def _one_after_another(scene: Scene, *documents: batch.Document) -> batch.Picture:
    scene.empty()
    scene.apply_here(*documents)
    return batch.take_picture(scene.netbox)


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    told, _ = process.communicate(timeout=END_SECONDS)
    try:
        return dict(json.loads(told))
    except json.JSONDecodeError:
        return {"told": told}


def _race(scene: Scene, documents: list[batch.Document]) -> tuple[list[TaskStatus], float]:
    with scene.play(workers=WORKERS) as play:
        begun = time.monotonic()
        tasks = [
            play.start(document, batch.SIZE, key=f"key-{number}") for number, document in enumerate(documents)
        ]
        ended = [play.follow(task, until=begun + END_SECONDS) for task in tasks]
        return ended, time.monotonic() - begun


def _wrong(ended: list[TaskStatus]) -> list[str]:
    return [
        f"{one.task_id} is {one.status}: {one.message} {one.first_errors}"
        for one in ended
        if one.status is not TaskState.COMPLETED
    ]


RIVALS: dict[str, Callable[[Scene], Ended]] = {
    "identical": identical,
    "parents": sharing_parents,
    "no lease": without_a_lease,
}
