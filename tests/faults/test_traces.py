#!/usr/bin/env python3
"""The search of memory.py under test: `python3 tests/faults/test_traces.py`. Known keys, each with what must be found of it."""

import base64
import os
import subprocess
import sys
import unittest

import traces

# RFC 6979 appendix A.2.5, and the seed of RFC 8037 appendix A.1.
P256 = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")


def found(data, patterns):
    """The patterns of which a piece is in the data."""
    traces_of = traces.find([traces.Region("here", 0x1000, data)], {"key": traces.pieces(patterns)})
    return {trace.what.split(", from")[0] for trace in traces_of}


class Patterns(unittest.TestCase):
    def test_a_p256_scalar_in_each_form(self):
        patterns = traces.p256(P256)
        self.assertEqual(patterns["scalar, big-endian"].hex()[:8], "c9afa9d8")
        self.assertEqual(patterns["scalar, little-endian"][::-1], patterns["scalar, big-endian"])
        montgomery = int.from_bytes(patterns["scalar in Montgomery form"], "little")
        self.assertEqual(montgomery * pow(2, -256, traces.P256_ORDER) % traces.P256_ORDER, P256)

    def test_an_ed25519_seed_and_what_is_made_of_it(self):
        patterns = traces.ed25519(SEED)
        scalar = int.from_bytes(patterns["clamped scalar"], "little")
        self.assertEqual((scalar & 7, scalar >> 254), (0, 1))
        self.assertEqual(int.from_bytes(patterns["reduced scalar"], "little"), scalar % traces.ED25519_ORDER)
        self.assertEqual(len({len(pattern) for pattern in patterns.values()}), 1)

    def test_an_rsa_key_by_its_factors(self):
        # Two primes of one length, too small for a key and large enough for the arithmetic.
        p, q = 2**256 - 2**224 + 2**192 + 2**96 - 1, traces.P256_ORDER
        patterns = traces.rsa(p, q, pow(19, -1, (p - 1) * (q - 1)))
        inverse = int.from_bytes(patterns["qInv, big-endian"], "big")
        self.assertEqual(inverse * q % p, 1)
        self.assertEqual(int.from_bytes(patterns["p, little-endian"], "little"), p)
        exponent = int.from_bytes(patterns["dP, big-endian"], "big")
        self.assertEqual(exponent * 19 % (p - 1), 1)

    def test_of_a_text_only_what_says_nothing_but_private_octets(self):
        public, secret = bytes(range(100, 136)), bytes(range(64))
        der = public + secret + public
        body = base64.b64encode(der).decode()
        body = "\n".join(body[at:at + 64] for at in range(0, len(body), 64))
        patterns = traces.document(f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n", der, [secret])
        joined = b"".join(patterns.values())
        self.assertEqual(base64.b64decode(joined), secret[:len(joined) // 4 * 3])
        # The four octets on the last line are too few for a piece.
        self.assertEqual(len(joined) // 4 * 3, len(secret) - 4)


class Search(unittest.TestCase):
    def test_half_a_pattern_is_a_trace(self):
        scalar = P256.to_bytes(32, "big")
        self.assertEqual(found(b"x" * 5 + scalar[16:], traces.p256(P256)), {"scalar, big-endian"})
        self.assertEqual(found(b"x" * 5 + scalar[17:], traces.p256(P256)), set())

    def test_every_form_is_told_apart(self):
        patterns = traces.ed25519(SEED)
        self.assertEqual(found(patterns["prefix"] + b"\0" + SEED, patterns), {"prefix", "seed"})

    def test_the_last_bytes_of_an_odd_pattern_count(self):
        self.assertEqual(found(bytes(range(4, 20)), {"odd": bytes(range(20))}), {"odd"})

    def test_zeros_are_no_trace(self):
        self.assertEqual(found(bytes(64), traces.both("small", 1 << 100, 64)), set())

    def test_where_it_is(self):
        region = traces.Region("heap", 0x7000, b"ab" + SEED)
        first, second = traces.find([region], {"key": traces.pieces({"seed": SEED})})
        self.assertEqual(first, traces.Trace("key", "seed, from byte 0", "heap, 0x7002"))
        self.assertEqual(second, traces.Trace("key", "seed, from byte 16", "heap, 0x7012"))

    def test_empty_pages_are_left_out_and_nothing_else(self):
        page = traces.PAGE
        data = b"a" * page + bytes(2 * page) + b"b" * 10
        parts = traces.dense(traces.Region("heap", 0x10000, data))
        self.assertEqual([(part.start, part.data) for part in parts],
                         [(0x10000, b"a" * page), (0x10000 + 3 * page, b"b" * 10)])
        across = bytes(page - 8) + SEED + bytes(page)
        self.assertEqual([part.data for part in traces.dense(traces.Region("heap", 0, across))], [across[:2 * page]])


class Memory(unittest.TestCase):
    def test_a_secret_of_another_process_is_found_while_it_has_it(self):
        code = "import sys; kept = bytes.fromhex(input()); print(len(kept), flush=True); sys.stdin.readline()"
        secret = os.urandom(32)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, "-c", code], **pipes) as child:
            child.stdin.write(secret.hex() + "\n")
            child.stdin.flush()
            child.stdout.readline()
            regions, unread = traces.memory(child.pid)
            child.stdin.close()
        owned = {"key": traces.pieces({"held": secret, "not held": os.urandom(32)})}
        self.assertEqual({trace.what.split(",")[0] for trace in traces.find(regions, owned)}, {"held"})
        self.assertEqual(unread, [])
        self.assertTrue(any("stack" in region.name for region in regions), {region.name for region in regions})


if __name__ == "__main__":
    unittest.main()
