#!/usr/bin/env python3
"""The oracle itself under test: `python3 tests/faults/test_syscalls.py`. Small traces, each with its verdict."""

import unittest

import syscalls

READ = '7  recvfrom(12<TCP:[1]>, "POST /oauth2/token HTTP/1.1\\r\\n", 8192, 0, NULL, NULL) = 180'
WRITE = '8  pwrite64(9</d/mintmark.db-wal>, "\\1\\2"..., 4096, 32) = 4096'
SYNC = "8  fdatasync(9</d/mintmark.db-wal>) = 0"
SEND = '7  sendto(12<TCP:[1]>, "HTTP/1.1 200 OK\\r\\n{\\"access_token\\":\\"e\\"}", 300, MSG_NOSIGNAL, NULL, 0) = 300'


def verdict(*lines):
    good, complaints = syscalls.judge(syscalls.parse(lines))
    return good, len(complaints)


class Order(unittest.TestCase):
    def test_written_synced_sent(self):
        self.assertEqual(verdict(READ, WRITE, SYNC, SEND), (1, 0))

    def test_sent_before_the_sync(self):
        self.assertEqual(verdict(READ, WRITE, SEND, SYNC), (0, 1))

    def test_synced_before_it_was_written(self):
        self.assertEqual(verdict(READ, SYNC, WRITE, SEND), (0, 1))

    def test_written_before_the_request_was_read(self):
        self.assertEqual(verdict(WRITE, READ, SYNC, SEND), (0, 1))

    def test_a_failed_sync_is_none(self):
        failed = "8  fdatasync(9</d/mintmark.db-wal>) = -1 EIO (Input/output error)"
        self.assertEqual(verdict(READ, WRITE, failed, SEND), (0, 1))

    def test_the_sync_of_another_file_is_none(self):
        other = "8  fdatasync(9</d/mintmark.db>) = 0"
        self.assertEqual(verdict(READ, WRITE, other, SEND), (0, 1))

    def test_a_sync_that_has_not_ended_is_none(self):
        begin = "8  fdatasync(9</d/mintmark.db-wal> <unfinished ...>"
        end = "8  <... fdatasync resumed>) = 0"
        self.assertEqual(verdict(READ, WRITE, begin, SEND, end), (0, 1))
        self.assertEqual(verdict(READ, WRITE, begin, end, SEND), (1, 0))

    def test_a_sync_that_began_before_the_write_is_none(self):
        begin = "8  fdatasync(9</d/mintmark.db-wal> <unfinished ...>"
        end = "8  <... fdatasync resumed>) = 0"
        write = WRITE.replace("8  ", "6  ", 1)
        self.assertEqual(verdict(READ, begin, write, end, SEND), (0, 1))

    def test_a_read_that_resumes_late_counts_from_its_end(self):
        begin = "7  recvfrom(12<TCP:[1]>,  <unfinished ...>"
        end = '7  <... recvfrom resumed>"POST /oauth2/token", 8192, 0, NULL, NULL) = 180'
        self.assertEqual(verdict(begin, WRITE, end, SYNC, SEND), (0, 1))
        self.assertEqual(verdict(begin, end, WRITE, SYNC, SEND), (1, 0))

    def test_an_answer_without_a_token_owes_nothing(self):
        refusal = SEND.replace("access_token", "error")
        self.assertEqual(verdict(READ, refusal), (0, 0))

    def test_one_sync_serves_a_batch(self):
        other = READ.replace("12<TCP:[1]>", "13<TCP:[2]>")
        answer = SEND.replace("12<TCP:[1]>", "13<TCP:[2]>")
        self.assertEqual(verdict(READ, other, WRITE, SYNC, SEND, answer), (2, 0))

    def test_the_next_request_on_the_same_connection_needs_its_own(self):
        self.assertEqual(verdict(READ, WRITE, SYNC, SEND, READ, SEND), (1, 1))

    def test_a_vectored_write_is_an_answer_too(self):
        answer = '7  writev(12<TCP:[1]>, [{iov_base="HTTP", iov_len=4}, {iov_base="access_token", iov_len=12}], 2) = 16'
        self.assertEqual(verdict(READ, answer), (0, 1))


if __name__ == "__main__":
    unittest.main()
