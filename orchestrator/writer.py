"""Sends one list write and finds out what became of it, whatever NetBox answers or fails to answer.

A list is all or nothing: rows that NetBox refuses are taken out and the rest
is sent again. A write without an answer is read back by natural key before
anything is sent twice (design, rule 6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.diff import compare, kept
from orchestrator.errors import RejectedError, UnknownOutcomeError
from orchestrator.lanes import Pace
from orchestrator.ledger import Ledger, outcome_of
from orchestrator.live import find_by_id, find_rows
from orchestrator.metadata import BATCH_FIELD, DIGESTS_FIELD, digests_of, stored_digests, stored_stamp
from orchestrator.models import Action, Change, Result, Stamp
from orchestrator.ports import Journal, NetBox, Row, Written
from orchestrator.writes import RESULTS, Write, batch_message, lacking, may_double, wait, written_by

# After this many answers without an outcome a list is halved, and a single row given up.
_MAX_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5


class ListWriter:
    """Carries out chunks of changes of one type. Safe to use from several threads."""

    def __init__(
        self,
        netbox: NetBox,
        journal: Journal,
        ledger: Ledger,
        batch_id: str,
        checkpoint: Callable[[], None],
        settle_seconds: float,
        pace: Pace,
        undoes: str = "",
        resumes: bool = False,
    ) -> None:
        """`resumes`: an earlier run of the batch may have sent some of this already."""
        self._netbox = netbox
        self._journal = journal
        self._ledger = ledger
        self._batch_id = batch_id
        self._message = batch_message(batch_id, undoes)
        self._checkpoint = checkpoint
        self._settle_seconds = settle_seconds
        self._resumes = resumes
        self._pace = pace

    def write(self, changes: Sequence[Change]) -> None:
        """Carry out changes that share type, action and `may_exist`; every one has an outcome afterwards."""
        row = OBJECT_TYPES[changes[0].object_type]
        if changes[0].action is Action.DELETE:
            self._send(row, [self._delete(change) for change in changes])
        elif changes[0].action is Action.UPDATE:
            self._send(row, [self._update(change) for change in changes])
        elif changes[0].may_exist:
            self._send_missing(row, changes)
        else:
            self._send(row, [self._create(change) for change in changes])

    def _create(self, change: Change) -> Write:
        return Write(change, self._stamped(change, self._ledger.fill_in(change.object_type, change.after)))

    def _update(self, change: Change) -> Write:
        fields = self._stamped(change, self._ledger.fill_in(change.object_type, change.after))
        return Write(change, {"id": self._ledger.object_id(change), **fields})

    def _delete(self, change: Change) -> Write:
        return Write(change, {"id": self._ledger.object_id(change)})

    def _stamped(self, change: Change, fields: Row) -> Row:
        """The fields with batch and digests beside them, where the object can take them."""
        if change.stamp is None:
            return fields
        tags = self._ledger.fill_in(change.object_type, {"tags": change.stamp.tags})
        known = {**change.stamp.digests, **(digests_of(tags) if change.stamp.tags else {})}
        written = {
            name: digest for name, digest in digests_of(fields).items() if name != "tags" or name not in known
        }
        links = OBJECT_TYPES[change.object_type].links
        # What the build pass has left there: of link fields, that is older than what we know by now.
        built = self._ledger.digests(change.subject).items()
        digests = {**known, **{name: one for name, one in built if name not in links}, **written}
        self._ledger.keep_digests(change.id, digests)
        custom = {**(fields.get("custom_fields") or {}), BATCH_FIELD: self._batch_id, DIGESTS_FIELD: digests}
        return {**fields, "custom_fields": custom}

    # -- sending -----------------------------------------------------------------

    def _send(self, row: ObjectType, writes: Sequence[Write], attempt: int = 1) -> None:
        if not writes:
            return
        self._checkpoint()
        self._journal.intend([write.change for write in writes], [write.row for write in writes])
        self._ledger.count_request()
        try:
            with self._pace.measured(sum(write.change.seconds for write in writes)):
                written = self._request(row, writes)
        except RejectedError as error:
            self._take_out(row, writes, error, attempt)
        except UnknownOutcomeError as error:
            self._pace.note_lost()
            self._find_out(row, writes, error, attempt)
        else:
            self._done(row, writes, written)

    def _request(self, row: ObjectType, writes: Sequence[Write]) -> Written:
        rows = [write.row for write in writes]
        if writes[0].change.action is Action.DELETE:
            request_id = self._netbox.delete(row.name, [one["id"] for one in rows], self._message)
            return Written(rows, request_id)
        if writes[0].change.action is Action.CREATE:
            return self._netbox.create(row.name, rows, self._message)
        return self._netbox.update(row.name, rows, self._message)

    def _done(self, row: ObjectType, writes: Sequence[Write], written: Written) -> None:
        outcomes = []
        for write, answer in zip(writes, written.rows, strict=True):
            if write.change.action is not Action.DELETE:
                self._check_answer(row, write, answer)
            done = outcome_of(write.change, RESULTS[write.change.action], answer["id"])
            moment = str(answer.get("last_updated") or "")
            outcomes.append(replace(done, request_id=written.request_id, last_updated=moment))
        self._ledger.settle(outcomes)

    def _check_answer(self, row: ObjectType, write: Write, answer: Row) -> None:
        """NetBox sometimes keeps a value of its own: say so, or the next run would be a surprise."""
        _, differing = compare(row, write.fields(), answer)
        for name in differing:
            label = f"{write.change.object_type} {write.change.label!r}"
            self._ledger.warn(f"{label}: NetBox did not keep {name} as it was sent")

    def _fail(self, writes: Sequence[tuple[Write, str]]) -> None:
        self._ledger.settle(
            [
                outcome_of(write.change, Result.FAILED, write.row.get("id"), message)
                for write, message in writes
            ]
        )

    # -- refused -----------------------------------------------------------------

    def _take_out(self, row: ObjectType, writes: Sequence[Write], error: RejectedError, attempt: int) -> None:
        """Let the refused rows fail and send the rest; where NetBox does not say which, halve the list."""
        if not error.rows and len(writes) > 1:
            self._halve(row, writes, attempt)
            return
        reasons = error.rows or {0: error.message}
        refused = [(write, reasons[at]) for at, write in enumerate(writes) if at in reasons]
        if attempt > 1 or self._resumes:
            # What is there by now was, in all likelihood, written by our own first try.
            missing = {write.change.id for write in self._settle_found(row, [write for write, _ in refused])}
            refused = [(write, reason) for write, reason in refused if write.change.id in missing]
        if refused:
            self._refuse(row, refused)
        self._send(row, [write for at, write in enumerate(writes) if at not in reasons], attempt)

    def _refuse(self, row: ObjectType, refused: Sequence[tuple[Write, str]]) -> None:
        """A create may be refused because someone else was faster: then that object is brought up to date."""
        if refused[0][0].change.action is Action.DELETE:
            self._refuse_delete(row, refused)
            return
        if refused[0][0].change.action is not Action.CREATE:
            self._fail(refused)
            return
        found = self._read_back(row, [write for write, _ in refused])
        self._fail([pair for pair, live in zip(refused, found, strict=True) if live is None])
        pairs = zip(refused, found, strict=True)
        self._adopt(row, [(write.change, live) for (write, _), live in pairs if live is not None])

    def _refuse_delete(self, row: ObjectType, refused: Sequence[tuple[Write, str]]) -> None:
        """What someone else has deleted meanwhile is as it should be; what others depend on stays."""
        found = self._read_back(row, [write for write, _ in refused])
        pairs = list(zip(refused, found, strict=True))
        self._fail([pair for pair, live in pairs if live is not None])
        gone = [write for (write, _), live in pairs if live is None]
        message = "was gone already"
        self._ledger.settle(
            [outcome_of(write.change, Result.UNCHANGED, write.row["id"], message) for write in gone]
        )

    def _halve(self, row: ObjectType, writes: Sequence[Write], attempt: int) -> None:
        middle = len(writes) // 2
        self._send(row, writes[:middle], attempt)
        self._send(row, writes[middle:], attempt)

    # -- no answer ---------------------------------------------------------------

    def _find_out(
        self, row: ObjectType, writes: Sequence[Write], error: UnknownOutcomeError, attempt: int
    ) -> None:
        missing = self._settle_found(row, writes)
        changes = [write.change for write in missing]
        if any(may_double(row, one.action, one.key) for one in changes) and not error.over:
            # NetBox may still be at it, and its database would let a second copy in.
            wait(self._settle_seconds, self._checkpoint)
            missing = self._settle_found(row, missing)
        if not missing:
            return
        if attempt < _MAX_ATTEMPTS:
            # A server that fails under its load is not helped by the same list at once.
            wait(min(_PAUSE_SECONDS * attempt, self._settle_seconds), self._checkpoint)
            self._send(row, missing, attempt + 1)
        elif len(missing) > 1:
            self._halve(row, missing, attempt)
        else:
            self._fail([(missing[0], f"{error.message} (tried {attempt} times, not found afterwards)")])

    def _settle_found(self, row: ObjectType, writes: Sequence[Write]) -> list[Write]:
        """Read back; settle what has been written after all and return what has not."""
        if writes[0].change.action is Action.DELETE:
            return self._settle_gone(row, writes)
        pairs = list(zip(writes, self._read_back(row, writes), strict=True))
        there = [(write, live) for write, live in pairs if live is not None]
        if writes[0].change.action is Action.CREATE:
            sent = [(write.fields(), live) for write, live in there]
            ours = written_by(self._netbox, row, Action.CREATE, sent, self._batch_id)
            landed = [(write, live) for write, live in there if live["id"] in ours]
            # Someone else was faster: another create would be a second copy.
            self._adopt(row, [(write.change, live) for write, live in there if live["id"] not in ours])
        else:
            landed = there = [(write, live) for write, live in there if kept(row, write.fields(), live)]
        self._done(row, [write for write, _ in landed], Written([live for _, live in landed]))
        settled = {write.change.id for write, _ in there}
        return [write for write in writes if write.change.id not in settled]

    def _settle_gone(self, row: ObjectType, writes: Sequence[Write]) -> list[Write]:
        pairs = list(zip(writes, self._read_back(row, writes), strict=True))
        gone = [write for write, live in pairs if live is None]
        self._done(row, gone, Written([write.row for write in gone]))
        return [write for write, live in pairs if live is not None]

    def _read_back(self, row: ObjectType, writes: Sequence[Write]) -> list[Row | None]:
        if writes[0].change.action is Action.CREATE:
            keys = [self._ledger.fill_in(write.change.object_type, write.change.key) for write in writes]
            return find_rows(self._netbox, row, keys)
        return find_by_id(self._netbox, row, [write.row["id"] for write in writes])

    # -- objects that are there already --------------------------------------------

    def _send_missing(self, row: ObjectType, changes: Sequence[Change]) -> None:
        """Components may have come with their parent: only what did not is created."""
        writes = [self._create(change) for change in changes]
        pairs = list(zip(writes, self._read_back(row, writes), strict=True))
        self._adopt(row, [(write.change, live) for write, live in pairs if live is not None])
        absent = [write for write, live in pairs if live is None]
        incomplete = {write.change.id: lack for write in absent if (lack := lacking(row, write))}
        self._fail(
            [(write, incomplete[write.change.id]) for write in absent if write.change.id in incomplete]
        )
        self._send(row, [write for write in absent if write.change.id not in incomplete])

    def _adopt(self, row: ObjectType, pairs: Sequence[tuple[Change, Row]]) -> None:
        """Bring objects that exist after all to what the document wants of them."""
        unchanged, updates = [], []
        for change, live in pairs:
            wanted = self._ledger.fill_in(change.object_type, change.after)
            fields = {name: value for name, value in wanted.items() if name not in change.create_only}
            before, after = compare(row, fields, live)
            if not after:
                unchanged.append(outcome_of(change, Result.UNCHANGED, live["id"]))
                continue
            custom = live.get("custom_fields") or {}
            stamp = change.stamp and Stamp(
                {**stored_digests(custom), **digests_of(fields)}, stored_stamp(custom)
            )
            update = replace(
                change, action=Action.UPDATE, live_id=live["id"], before=before, after=after, stamp=stamp
            )
            updates.append(self._update(update))
        self._ledger.settle(unchanged)
        self._send(row, updates)
