"""Static copies of a public log, laid out and served as C2SP tlog-tiles, and what is done to them.

A copy is a folder with `checkpoint`, `tile/<L>/...` and `tile/entries/...`. A tampered copy
shares every file with the one it comes from but those that were changed.
"""

import functools
import http.server
import os
import shutil
import tempfile
import threading
import urllib.request
from pathlib import Path

from aics_tlog.tiles import entry_bundle_path, tile_path


def fetch(url):
    """One resource as it is served."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return answer.read()


def resources(size):
    """The path of every tile and entry bundle of a tree of `size` leaves."""
    span = 1
    level = 0
    while size // span:
        count = size // span
        for index in range((count + 255) // 256):
            width = min(256, count - 256 * index)
            yield tile_path(level, index, None if width == 256 else width)
        span *= 256
        level += 1
    for index in range((size + 255) // 256):
        yield bundle_path(index, size)


def bundle_path(index, size):
    """The path of an entry bundle in a log of `size` entries."""
    width = min(256, size - 256 * index)
    return entry_bundle_path(index, None if width == 256 else width)


def copy_log(url, head, raw, folder):
    """A static copy of the log, laid out as it is served."""
    (folder / "checkpoint").write_bytes(raw)
    for path in resources(head.size):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(fetch(url + path))


def serve(folder):
    """Serves a folder on a free loopback port; gives its address."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes: without this each answer waits for the other side's delayed ACK.
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{httpd.server_address[1]}/"


def linked(folder):
    """A further copy of the log, whose files are the same until they are replaced."""
    copy = Path(tempfile.mkdtemp(dir=folder.parent)) / "log"
    shutil.copytree(folder, copy, copy_function=os.link)
    return copy


def replace(folder, path, data):
    """Other bytes in one file of this copy alone."""
    file = folder / path
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def flipped(folder, path, position, bits=1):
    """A further copy of the log with one byte of one resource changed."""
    copy = linked(folder)
    data = bytearray((copy / path).read_bytes())
    data[position] ^= bits
    replace(copy, path, data)
    return copy


def split_bundle(data):
    """The entries of a bundle: each after its length, a big-endian u16."""
    entries = []
    while data:
        length = int.from_bytes(data[:2], "big")
        if len(data) < 2 + length:
            raise ValueError("the bundle is torn")
        entries.append(data[2:2 + length])
        data = data[2 + length:]
    return entries


def read_entries(folder, size):
    """Every entry of a copy."""
    entries = []
    for index in range((size + 255) // 256):
        entries += split_bundle((folder / bundle_path(index, size)).read_bytes())
    return entries


def with_entries(folder, entries, size, changed):
    """A further copy whose bundles hold other entries at the indices `changed`; the tiles stay."""
    copy = linked(folder)
    for index in sorted({at // 256 for at in changed}):
        part = entries[256 * index:256 * index + 256]
        data = b"".join(len(entry).to_bytes(2, "big") + entry for entry in part)
        replace(copy, bundle_path(index, size), data)
    return copy
