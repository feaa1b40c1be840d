//! One run of a command: its options, its clock and its terminal.
//!
//! All input and output passes here, so that tests run commands in process.

use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Map, Value};

use super::admin::Admin;
use super::cause::cause;
use super::failure::Failure;
use super::globals::Globals;
use super::output::{self, Format, Table};
use super::when::{Times, Zone};
use crate::ambient::Clock;

/// No input that a command reads whole is longer.
pub(super) const MAX_INPUT: u64 = 4 * 1024 * 1024;

/// What the program reads from and writes to.
pub struct Terminal<'a> {
    /// For input files named `-`.
    pub stdin: &'a mut dyn Read,
    /// For data.
    pub stdout: &'a mut dyn Write,
    /// For what went wrong, and for remarks.
    pub stderr: &'a mut dyn Write,
    /// Whether a person reads `stdout`.
    pub is_terminal: bool,
    /// Where that person is.
    pub zone: Zone,
}

/// What a command works with.
pub struct Session<'a, 'io> {
    /// The options of every command.
    pub globals: &'a Globals,
    /// Tells the time of a verification, and what a time is told against.
    pub clock: &'a dyn Clock,
    /// Input and output.
    pub terminal: &'a mut Terminal<'io>,
}

impl Session<'_, '_> {
    /// The admin API.
    pub fn admin(&self) -> Result<Admin, Failure> {
        Ok(Admin::at(self.globals.admin_address()?, self.globals.admin_bearer()?))
    }

    /// What a time is by this clock, and where whoever reads it is.
    pub fn times(&self) -> Times {
        Times::new(self.clock.now(), &self.terminal.zone)
    }

    /// `-o`, else by who reads.
    pub fn format(&self) -> Format {
        let usual = if self.terminal.is_terminal { Format::Table } else { Format::Json };
        self.globals.output.unwrap_or(usual)
    }

    /// Prints a document: as it is, or as its members.
    pub fn print(&mut self, document: &Value) -> Result<(), Failure> {
        self.print_told(document, &self.times())
    }

    /// As [`print`](Self::print), with every time in UTC.
    pub fn print_in_utc(&mut self, document: &Value) -> Result<(), Failure> {
        self.print_told(document, &self.times().in_utc())
    }

    fn print_told(&mut self, document: &Value, times: &Times) -> Result<(), Failure> {
        self.print_as(document, |out| match document {
            Value::Object(members) => output::print_object(out, members, times),
            other => writeln!(out, "{}", output::text(other)),
        })
    }

    /// Prints a document: as it is, or by `table`.
    pub fn print_as(
        &mut self,
        document: &Value,
        table: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        match self.format() {
            Format::Json => writeln!(self.terminal.stdout, "{document}")?,
            Format::Table => table(self.terminal.stdout)?,
        }
        Ok(())
    }

    /// Prints `{"items":[...]}`: as it is, or each item as the row that `row` makes of it.
    pub fn print_list(
        &mut self,
        list: &Value,
        headings: &[&'static str],
        row: impl Fn(&Value) -> Vec<String>,
    ) -> Result<(), Failure> {
        self.print_as(list, |out| {
            let mut table = Table::new(headings);
            let items = list.get("items").and_then(Value::as_array);
            for item in items.into_iter().flatten() {
                table.push(&row(item));
            }
            table.print(out)
        })
    }

    /// Prints an object as its members and below them a sentence; programs get the object alone.
    pub fn print_with_remark(&mut self, document: &Value, remark: &str) -> Result<(), Failure> {
        let (none, times) = (Map::new(), self.times());
        self.print_as(document, |out| {
            output::print_object(out, document.as_object().unwrap_or(&none), &times)?;
            writeln!(out, "\n{remark}")
        })
    }

    /// Says what was done where there is no document to show: to people, since programs have the exit code.
    pub fn say(&mut self, lines: &[String]) -> Result<(), Failure> {
        if self.format() == Format::Table {
            lines.iter().try_for_each(|line| writeln!(self.terminal.stdout, "{line}"))?;
        }
        Ok(())
    }

    /// A remark for a person, beside the data.
    pub fn remark(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.terminal.stderr, "{text}")?)
    }

    /// The whole text of a file, or of standard input for `-`.
    pub fn read_text(&mut self, path: &Path) -> Result<String, Failure> {
        let mut text = String::new();
        let read = if path == Path::new("-") {
            self.terminal.stdin.take(MAX_INPUT + 1).read_to_string(&mut text)
        } else {
            std::fs::File::open(path).and_then(|file| file.take(MAX_INPUT + 1).read_to_string(&mut text))
        };
        match read {
            Err(error) => Err(Failure::usage(format!(
                "cannot read {}: {}; give the path of a text file, or - for standard input",
                path.display(),
                cause(&error)
            ))),
            Ok(_) if text.len() as u64 > MAX_INPUT => {
                Err(Failure::usage(format!("{} is larger than 4 MiB: is it the right file?", path.display())))
            }
            Ok(_) => Ok(text),
        }
    }
}
