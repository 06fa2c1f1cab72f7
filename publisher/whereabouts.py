"""Where a database lives, told apart from any other place: what stays the same over reboots and upgrades, and changes with a copy or a restore.

SQLite: the file's handle, else its inode number, and the machine. A copy takes a new inode; one that takes the place of a deleted file may be
given the same number at once (ext4 does), but never the same handle, which holds a generation as well. PostgreSQL: the cluster, its timeline (a
restore to a point in time, or a failover, begins a new one) and the number of the database. Which client asks is no part of it.
"""

import ctypes
import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import InternalError, NotSupportedError, ProgrammingError

from publisher.db import Database

# What is known of a place, by part. A part that cannot be read here is left out, and says nothing.
Place = Mapping[str, str]

_MACHINE_ID = Path("/etc/machine-id")
# Files and folders that only a container has: there the machine's name belongs to the image, and may change with each upgrade.
_CONTAINER = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
# Their inode numbers are made up by the client, anew after each mount.
_FLEETING = re.compile(r"fuse(\..*|blk)?|virtiofs|9p|vfat|msdos|exfat|cifs|smb3|smbfs")
# The cluster's own words; a managed server may refuse some of them, and one that recovers has no place to write at.
_ASKED = {
    "system": "SELECT system_identifier FROM pg_control_system()",
    "timeline": "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END",
    "database": "SELECT oid FROM pg_database WHERE datname = current_database()",
}
_AT_FDCWD, _FOLLOW, _LARGEST_HANDLE = -100, 0x400, 128  # fcntl.h, MAX_HANDLE_SZ


class _Handle(ctypes.Structure):
    """struct file_handle of fcntl.h."""

    _fields_ = [("size", ctypes.c_uint), ("kind", ctypes.c_int), ("name", ctypes.c_ubyte * _LARGEST_HANDLE)]


def place_of(database: Database, machine_id: Path = _MACHINE_ID) -> Place:
    """Where this database is now. Reads only, and never opens the file of SQLite: to close it would end the locks of everybody in this process
    (https://sqlite.org/howtocorrupt.html section 2.2)."""
    if not database.is_sqlite:
        return {"kind": "postgresql"} | _cluster(database)
    machine = _machine(machine_id)
    return {"kind": "sqlite"} | mark_of(Path(database.engine.url.database or "")) | ({"machine": machine} if machine else {})


def mark_of(path: Path) -> dict[str, str]:
    """What tells this file from every other that ever has its name: inode number and handle. Empty where neither lasts."""
    try:
        number = path.stat().st_ino
    except OSError:
        return {}
    if _FLEETING.fullmatch(_file_system(path)):
        return {}
    handle = _handle(path)
    return {"file": str(number)} | ({"handle": handle} if handle else {})


def moved(before: Place, after: Place) -> list[str]:
    """The parts by which two places differ; what only one of them knows decides nothing."""
    both = {part for part in before if part in after}
    if {"handle", "file"} <= both:
        # The form of a handle may change with the kernel's driver; then the number has the say.
        same_form = before["handle"].partition(":")[0] == after["handle"].partition(":")[0]
        both.discard("file" if same_form else "handle")
    return sorted(part for part in both if before[part] != after[part])


def _cluster(database: Database) -> dict[str, str]:
    found = {}
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for part, question in _ASKED.items():
            try:
                answer = connection.execute(text(question)).scalar()
            except (ProgrammingError, NotSupportedError, InternalError):
                continue  # not for this role, or not on this server
            if answer is not None:
                found[part] = str(answer)
    return found


def _machine(path: Path) -> str | None:
    """A hash of the machine's name, which is not to leave it as it is (machine-id(5)); None in a container."""
    if any(os.path.exists(sign) for sign in _CONTAINER) and path == _MACHINE_ID:
        return None
    try:
        name = path.read_text("ascii", errors="replace").strip()
    except OSError:
        return None
    return hashlib.sha256(f"publisher:{name}".encode()).hexdigest()[:16] if re.fullmatch(r"[0-9a-f]{32}", name) else None


def _handle(path: Path) -> str | None:
    """The kernel's lasting name of a file, made for servers of NFS (name_to_handle_at(2)): type and bytes. None where the system gives none."""
    if not sys.platform.startswith("linux"):
        return None
    made, mount = _Handle(size=_LARGEST_HANDLE), ctypes.c_int()
    try:
        ask = ctypes.CDLL(None, use_errno=True).name_to_handle_at
    except AttributeError:
        return None  # a C library without it
    if ask(_AT_FDCWD, os.fsencode(path), ctypes.byref(made), ctypes.byref(mount), _FOLLOW) != 0:
        return None
    return f"{made.kind}:{bytes(made.name[:made.size]).hex()}"


def _file_system(path: Path) -> str:
    """The type of the file system that holds `path`; empty where the system does not tell (proc(5), mountinfo)."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    wanted, best, found = path.resolve(), -1, ""
    for line in lines:
        mount, _separator, described = line.partition(" - ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount.split()[4]))
        # Of two mounts at one point the later one is seen.
        if wanted.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), described.split()[0]
    return found
