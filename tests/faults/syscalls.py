"""Reads an `strace -f -y` of a server and tells in which order its promises were kept.

strace sees every stop of every thread one after the other: a call's line, or the part of it
before `<unfinished ...>`, stands where the call began, and its `resumed` line where it ended.
A call that ended above another one's begin therefore ended before it.

A token is in order when, between the end of the last read of its request and the begin of the
write that carries it, the write-ahead log was first written and then synced, to the end.
"""

import re
from dataclasses import dataclass, field

LINE = re.compile(r"^(?P<pid>\d+)\s+(?P<rest>.*)$")
BEGIN = re.compile(r"^(?P<call>\w+)\((?P<args>.*)$")
RESUMED = re.compile(r"^<\.\.\. (?P<call>\w+) resumed>(?P<args>.*)$")
RESULT = re.compile(r"\)\s+= (?P<value>-?\d+)(?:<[^>]*>)?(?: (?P<error>E[A-Z]+)[^=]*)?(?: \(.*\))?$")
DESCRIPTOR = re.compile(r"^(?P<fd>\d+)(?:<(?P<path>.*?)>(?=[,)\s]|$))?")

# Not `access_token_lifetime`, which administrative answers show.
CARRIES_TOKEN = re.compile(r"access_token(?!_)")

READS = {"read", "readv", "recvfrom", "recvmsg"}
WRITES = {"write", "writev", "sendto", "sendmsg", "pwrite64", "pwritev", "pwritev2"}
SYNCS = {"fsync", "fdatasync"}


@dataclass
class Call:
    """One system call: where it began and ended (line numbers) and on which descriptor."""

    name: str
    fd: int
    path: str
    begin: int
    end: int = -1
    result: int = -1
    error: str = ""
    text: str = field(default="", repr=False)


def parse(lines):
    """Every finished call of the trace in the order of begins."""
    calls = []
    open_calls = {}
    for number, line in enumerate(lines):
        match = LINE.match(line.rstrip("\n"))
        if not match:
            continue
        pid, rest = match["pid"], match["rest"]
        resumed = RESUMED.match(rest)
        if resumed:
            call = open_calls.pop(pid, None)
            if call is not None and call.name == resumed["call"]:
                call.text += resumed["args"]
                finish(call, resumed["args"], number)
            continue
        begin = BEGIN.match(rest)
        if not begin:
            continue
        descriptor = DESCRIPTOR.match(begin["args"])
        if not descriptor:
            continue
        call = Call(begin["call"], int(descriptor["fd"]), descriptor["path"] or "", number, text=begin["args"])
        calls.append(call)
        if rest.endswith("<unfinished ...>"):
            open_calls[pid] = call
        else:
            finish(call, rest, number)
    return [call for call in calls if call.end >= 0]


def finish(call, text, number):
    """Takes the result from the end of a line."""
    result = RESULT.search(text)
    if result:
        call.end, call.result, call.error = number, int(result["value"]), result["error"] or ""


def is_socket(call):
    return call.path.startswith(("socket:", "TCP:", "TCPv6:"))


def is_wal(call):
    return call.path.endswith("-wal")


def judge(calls):
    """(tokens in order, complaints) over every write that carries an access token."""
    wal_writes = [c for c in calls if c.name in WRITES and is_wal(c) and c.result > 0]
    syncs = [c for c in calls if c.name in SYNCS and is_wal(c) and c.result == 0]
    last_read = {}
    good, complaints = 0, []
    for call in calls_by_event(calls):
        kind, call = call
        if kind == "end" and call.name in READS and is_socket(call) and call.result > 0:
            last_read[call.fd] = call
        if kind != "begin" or call.name not in WRITES or not is_socket(call):
            continue
        if not CARRIES_TOKEN.search(call.text):
            continue
        request = last_read.get(call.fd)
        complaint = complain(request, call, wal_writes, syncs)
        if complaint:
            complaints.append(f"line {call.begin + 1}: {complaint}")
        else:
            good += 1
    return good, complaints


def calls_by_event(calls):
    """Begins and ends of all calls in the order of the trace."""
    events = [(c.begin, 0, "begin", c) for c in calls] + [(c.end, 1, "end", c) for c in calls]
    return [(kind, call) for _, _, kind, call in sorted(events, key=lambda event: event[:2])]


def complain(request, answer, wal_writes, syncs):
    """What is wrong with one answer that carries a token, or nothing."""
    if request is None:
        return "a token left on a socket that no request was read from"
    written = [w for w in wal_writes if request.end < w.begin and w.end < answer.begin]
    if not written:
        return "a token left although the log was not written since its request"
    synced = [s for s in syncs if written[0].end < s.begin and s.end < answer.begin]
    if not synced:
        return "a token left before the log was synced"
    return ""
