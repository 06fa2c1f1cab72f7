"""A DNS server on this machine: it answers from zones that a test writes, fails where it is told to, and is silent where it is told to."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """Knows `zone` (lines of a zone file) and nothing else. `failing` and `silent` are names; `asked` is what was asked, in order."""

    def __init__(self, zone: str = "", *, failing: tuple[str, ...] = (), silent: tuple[str, ...] = ()) -> None:
        self.failing = {dns.name.from_text(name) for name in failing}
        self.silent = {dns.name.from_text(name) for name in silent}
        self.asked: list[tuple[str, str]] = []
        self.address: tuple[str, int] = ("127.0.0.1", 0)
        self._records: dict[tuple[dns.name.Name, Any], dns.rrset.RRset] = {}
        self.add(zone)

    def add(self, zone: str) -> None:
        """Further lines `NAME TYPE DATA`, the names whole; a name that has records of that type has these instead."""
        lines: dict[tuple[str, str], list[str]] = {}
        for name, kind, data in (line.split(maxsplit=2) for line in zone.split("\n") if line.strip()):
            lines.setdefault((name, kind), []).append(data)
        for (name, kind), data in lines.items():
            found = dns.rrset.from_text_list(name, 60, "IN", kind, data)
            self._records[found.name, found.rdtype] = found

    def answer(self, wire: bytes, largest: int) -> bytes | None:
        """The answer to a question, or None for silence; one that does not fit says so (TC, RFC 1035 section 4.1.1)."""
        question = dns.message.from_wire(wire)
        asked = question.question[0]
        self.asked.append((asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype)))
        if asked.name in self.silent:
            return None
        reply = dns.message.make_response(question, recursion_available=True)
        if asked.name in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply.to_wire()
        name = asked.name
        while (alias := self._records.get((name, dns.rdatatype.CNAME))) and asked.rdtype != dns.rdatatype.CNAME:
            reply.answer.append(alias)
            name = alias[0].target
        found = self._records.get((name, asked.rdtype))
        if found:
            reply.answer.append(found)
        elif not any(known.is_subdomain(name) for known, _kind in self._records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        try:
            return reply.to_wire(max_size=max(largest, question.payload))
        except dns.exception.TooBig:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            return reply.to_wire()


@contextmanager
def name_server(zone: str = "", **faults: tuple[str, ...]) -> Iterator[NameServer]:
    """A running server on 127.0.0.1, by UDP and TCP."""
    server = NameServer(zone, **faults)

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if (reply := server.answer(self.request[0], 512)) is not None:
                self.request[1].sendto(reply, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = self.rfile.read(2)
            if len(length) == 2 and (reply := server.answer(self.rfile.read(struct.unpack("!H", length)[0]), 65535)) is not None:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)

    # The same port for both: the first is given by the system, the second takes it if it is free.
    while True:
        streams = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Stream)
        try:
            datagrams = socketserver.ThreadingUDPServer(streams.server_address, Datagram)
            break
        except OSError:
            streams.server_close()
    server.address = ("127.0.0.1", streams.server_address[1])
    running = [streams, datagrams]
    for one in running:
        one.daemon_threads = True
        threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        for one in running:
            one.shutdown()
            one.server_close()
