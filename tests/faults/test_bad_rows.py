#!/usr/bin/env python3
"""What bad_rows.py does to a store, under test: `python3 tests/faults/test_bad_rows.py`."""

import sqlite3
import tempfile
import unittest
from pathlib import Path

import bad_rows
import report
import server as mintmark


class Damage(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.database = Path(self.folder.name) / "mintmark.db"
        with sqlite3.connect(self.database) as other:
            for migration in sorted((report.ROOT / "migrations/sqlite").glob("*.sql")):
                other.executescript(migration.read_text(encoding="utf-8"))
            other.execute("CREATE TABLE log_bodies_202611 (idx INTEGER PRIMARY KEY, salt BLOB NOT NULL) STRICT")
            other.execute("CREATE TABLE log_jtis_202611 (jti TEXT PRIMARY KEY NOT NULL, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID")
            other.execute("INSERT INTO log_bodies_202611 VALUES (20, x'AA')")
            other.execute("INSERT INTO log_jtis_202611 VALUES ('a', 20)")

    def tearDown(self):
        self.folder.cleanup()

    def ask(self, sql):
        with sqlite3.connect(self.database) as other:
            return other.execute(sql).fetchall()

    def test_null_comes_where_the_schema_forbids_it_and_the_schema_stays(self):
        before = self.ask("SELECT sql FROM sqlite_schema ORDER BY name")
        for sql, lifted in [("UPDATE facts SET value = NULL WHERE name = 'probe'", "facts"),
                            ("UPDATE {bodies} SET salt = NULL", "{bodies}"), ("UPDATE {jtis} SET idx = 'x'", "{jtis}")]:
            bad_rows.damage(self.database, bad_rows.Case("null", sql, lifted=lifted))
        self.assertEqual(self.ask("SELECT value FROM facts WHERE name = 'probe'"), [(None,)])
        self.assertEqual(self.ask("SELECT salt FROM log_bodies_202611"), [(None,)])
        self.assertEqual(self.ask("SELECT idx FROM log_jtis_202611"), [("x",)])
        self.assertEqual(self.ask("SELECT sql FROM sqlite_schema ORDER BY name"), before)

    def test_a_case_that_changes_nothing_is_a_failure(self):
        with self.assertRaises(mintmark.Refused):
            bad_rows.damage(self.database, bad_rows.Case("none", "UPDATE facts SET value = '' WHERE name = 'none'"))

    def test_what_counts_as_cut_off(self):
        self.assertTrue(bad_rows.not_less((5, 5), (5, 5)))
        self.assertTrue(bad_rows.not_less((6, 6), (5, 5)))
        self.assertTrue(bad_rows.not_less((5, None), (5, None)))
        for after in [(4, 5), (5, 4), (5, None)]:
            self.assertFalse(bad_rows.not_less(after, (5, 5)), after)

    def test_every_table_is_damaged_and_no_two_cases_share_a_name(self):
        cases = bad_rows.POLICY + bad_rows.KEYS + bad_rows.FACTS + bad_rows.LOG
        self.assertEqual(len({case.name for case in cases}), len(cases))
        for table in ["resources", "scopes", "clients", "client_secrets", "signing_keys", "facts", "{bodies}", "{jtis}",
                      "log_entries", "log_tiles", "log "]:
            self.assertTrue(any(f"UPDATE {table}" in case.sql for case in cases), table)


if __name__ == "__main__":
    unittest.main()
