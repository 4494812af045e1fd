"""Heeds commands that came over MQTT, in the transaction that moves the fold past them: each once, over any crash."""

import hashlib
import logging
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from edgeglm_agent.findings.book import FINDINGS
from edgeglm_agent.findings.command import FRESH_SECONDS, Addressee, BadCommand, Command, verified
from edgeglm_agent.findings.maintenance import TooMany
from edgeglm_agent.findings.say import begin, end, heed
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.spool.checkpoints import add_to_book
from edgeglm_agent.spool.entry import Message
from edgeglm_agent.spool.nonces import nonces, save_nonces
from edgeglm_api.bundle import Commands

MAX_NONCES: Final = 1024
"""Of the last minutes; beyond it commands are refused until some are old, since they could not be told from replays."""

log = logging.getLogger(__name__)


class Said(msgspec.Struct, frozen=True):
    """A message on the command topic of a graph."""

    graph: str
    """Its name."""
    uid: str
    rules: Commands
    message: Message


def obey(db: sqlite3.Connection, said: Said, site: str) -> None:
    """Do what a message says if it may, and count what came of it; call inside a transaction."""
    try:
        outcome = _obey(db, said, site)
    except BadCommand as error:
        outcome = error.reason
        log.info("a command on %s is not heeded: %s", said.rules.topic, outcome)
    add_to_book(db, (said.uid, "", f"{FINDINGS}commands_{outcome}"))


def _obey(db: sqlite3.Connection, said: Said, site: str) -> str:
    message = said.message
    if message.retained:
        raise BadCommand("retained")
    command = verified(message.payload, _key(said.rules.key_file), Addressee(site, said.graph), message.arrived_ns)
    _remember(db, said.uid, command, message.arrived_ns)
    return "heeded" if _done(db, said.uid, command, message.arrived_ns) else "unknown"


def _done(db: sqlite3.Connection, uid: str, command: Command, now_ns: int) -> bool:
    if command.say is not None:
        return heed(db, command.say, now_ns, graph=uid) is not None
    if command.begin is not None:
        try:
            begin(db, command.begin, uid, now_ns)
        except TooMany as error:
            raise BadCommand("too_many") from error
        return True
    return command.end is not None and end(db, command.end, now_ns, graph=uid) is not None


def _remember(db: sqlite3.Connection, uid: str, command: Command, now_ns: int) -> None:
    """Note a nonce; raises BadCommand when it is known, or when there is no room for it."""
    mark = hashlib.sha256(f"{uid}\0{command.nonce}".encode()).hexdigest()[:32]
    # A command is fresh on both sides of our clock, so its nonce has to outlast twice that.
    oldest_ns = now_ns - 2 * FRESH_SECONDS * NANOS_PER_SECOND
    known = {each: at_ns for each, at_ns in nonces(db).items() if at_ns > oldest_ns}
    if mark in known:
        raise BadCommand("replayed")
    if len(known) >= MAX_NONCES:
        raise BadCommand("too_many")
    save_nonces(db, known | {mark: now_ns})


def _key(file: str) -> bytes:
    """Read the key anew each time: it may have been rotated."""
    try:
        return Path(file).read_bytes().strip()
    except OSError as error:
        raise BadCommand("no_key") from error
