#!/usr/bin/env python3
"""Tests of keys and checkpoints: the vector of the log's design, and notes that are refused."""

import base64
import unittest

import handmade
import notes
from handmade import NAME, PUBLIC, VKEY, signed
from mintmark_audit.faults import Wrong
from mintmark_audit.note import open_checkpoint, read_vkey

VECTOR = b"mintmark.example/log+104c00e3+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
ROOT = bytes([5]) * 32
TEXT = notes.text_of(NAME, 7, ROOT)


class Keys(unittest.TestCase):
    def test_the_vector_is_the_key_of_its_seed(self):
        for raw in (VECTOR, VECTOR + b"\n"):
            vkey = read_vkey(raw)
            self.assertEqual((vkey.name, vkey.public), (NAME, PUBLIC))

    def test_any_other_character_is_refused(self):
        for at in range(len(VECTOR)):
            with self.assertRaises(Wrong, msg=at):
                read_vkey(VECTOR[:at] + bytes([VECTOR[at] ^ 1]) + VECTOR[at + 1:])

    def test_other_forms_are_refused(self):
        for bad in (b"", b"\n", VECTOR + b"\n\n", VECTOR + b" ", b" " + VECTOR, VECTOR.upper(), VECTOR[:-1],
                    VECTOR.replace(b"104c00e3", b"104C00E3"), VECTOR.replace(b"+", b" "), b"\xff" + VECTOR):
            with self.assertRaises(Wrong, msg=bad):
                read_vkey(bad)


class Checkpoints(unittest.TestCase):
    def refused(self, note):
        with self.assertRaises(Wrong, msg=note):
            open_checkpoint(note, VKEY)

    def test_a_signed_one_is_read(self):
        checkpoint = open_checkpoint(signed(TEXT), VKEY)
        self.assertEqual((checkpoint.origin, checkpoint.size, checkpoint.root), (NAME, 7, ROOT))

    def test_any_other_character_is_refused(self):
        note = signed(TEXT)
        for at, char in enumerate(note):
            self.refused(note[:at] + chr(ord(char) ^ 1) + note[at + 1:])
            self.refused(note[:at] + note[at + 1:])

    def test_other_texts_are_refused_although_they_are_signed(self):
        for bad in (TEXT + "more\n", TEXT.replace("\n7\n", "\n07\n"), TEXT.replace("\n7\n", "\n-7\n"),
                    TEXT.replace("\n7\n", f"\n{2**64}\n"), TEXT.replace(NAME, "other.example/log"),
                    TEXT.replace("=", ""), notes.text_of(NAME, 7, b"short"), NAME + "\n7\n"):
            self.refused(signed(bad))

    def test_only_the_log_s_key_counts(self):
        self.refused(signed(TEXT, key=notes.STRANGER))
        own = bytes.fromhex("104c00e3")
        self.refused(signed(TEXT, key=notes.STRANGER, number=own))
        self.refused(TEXT + "\n")

    def test_a_witness_may_sign_as_well(self):
        witness = signed(TEXT, key=notes.STRANGER, name="witness.example").partition("\n\n")[2]
        self.assertEqual(open_checkpoint(signed(TEXT) + witness, VKEY).size, 7)

    def test_each_line_of_the_log_s_key_must_hold(self):
        own = bytes.fromhex("104c00e3")
        bad = f"— {NAME} {base64.b64encode(own + bytes(64)).decode()}\n"
        self.refused(signed(TEXT) + bad)
        self.refused(signed(TEXT) + "no signature\n")
        self.refused(signed(TEXT) + "\n")


class Handwriting(unittest.TestCase):
    def test_what_is_made_by_hand_is_the_vector_s(self):
        self.assertEqual(handmade.VKEY, read_vkey(VECTOR))


if __name__ == "__main__":
    unittest.main()
