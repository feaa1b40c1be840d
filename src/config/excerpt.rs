//! The options that decide about tokens, keys and limits, as a file of their own.
//!
//! Pure. It holds no path and no address, so it means the same in every folder and on every machine.

use std::fmt::Write as _;

use super::Settings;
use super::options::{self, ROWS, Row};

impl Settings {
    /// A configuration file of the effective values. [`Settings::load`] reads it, and what it holds is then as here.
    /// A retention that follows from the other options is told in a comment, so that it goes on to follow them.
    pub fn excerpt(&self) -> String {
        let told = self.told();
        let mut text = "# What decides about tokens, keys and limits, as it was in force.\n".to_owned();
        let mut current = "";
        for row in ROWS.iter().filter(|row| decides(row)) {
            let (section, _) = row.section_and_name();
            if section != current {
                current = section;
                // Writing to a String cannot fail.
                let _ = writeln!(text, "\n[{section}]");
            }
            let mark = if self.follows(row) { "# " } else { "" };
            let value = told.get(row.path).map(String::as_str).unwrap_or_default();
            let _ = writeln!(text, "{mark}{}", row.assignment_of(value));
        }
        text
    }

    fn follows(&self, row: &Row) -> bool {
        row.path == options::KEYS_RETAIN_FOR.row.path
            && self.keys.retain_for == self.keys.quantities(self.tokens.max_lifetime).least_retain_for()
    }
}

fn decides(row: &Row) -> bool {
    let (section, _) = row.section_and_name();
    let of_a_section = ["keys", "tokens", "limits"].contains(&section);
    row.path == options::ISSUER.row.path || of_a_section && row.path != options::KEYS_KEK_FILE.row.path
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(file: Option<&str>, environment: &[(&str, &str)]) -> Settings {
        let environment: Vec<_> =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Settings::load(file.map(|text| (Path::new("settings.toml"), text)), &environment).unwrap()
    }

    fn decided(settings: &Settings) -> Vec<(&'static str, String)> {
        let told = settings.told();
        ROWS.iter().filter(|row| decides(row)).map(|row| (row.path, told[row.path].clone())).collect()
    }

    #[test]
    fn what_is_read_again_is_as_it_was() {
        let mut all = vec![("MINTMARK_ISSUER", "https://auth.example.com")];
        let defaults = load(None, &all);
        assert!(defaults.excerpt().contains("\n# retain_for = \"3750s\"\n"), "{}", defaults.excerpt());
        assert_eq!(decided(&load(Some(&defaults.excerpt()), &[])), decided(&defaults));

        all.extend([
            ("MINTMARK_KEYS__ALGORITHMS", "EdDSA,ES256"),
            ("MINTMARK_KEYS__RETAIN_FOR", "2h"),
            ("MINTMARK_KEYS__CLOCK_SKEW", "1500ms"),
            ("MINTMARK_TOKENS__LIFETIME", "90s"),
            ("MINTMARK_LIMITS__ATTEMPTS", "7/90s"),
            ("MINTMARK_LIMITS__NODES", "3"),
            ("MINTMARK_KEYS__KEK_FILE", "/run/secrets/kek"),
            ("MINTMARK_ADMIN__LISTEN", "127.0.0.1:9999"),
        ]);
        let own = load(None, &all);
        assert_eq!(decided(&load(Some(&own.excerpt()), &[])), decided(&own));
        assert!(!own.excerpt().contains("secrets") && !own.excerpt().contains("9999"), "{}", own.excerpt());
    }

    #[test]
    fn a_retention_that_follows_goes_on_to_follow() {
        let excerpt = load(None, &[("MINTMARK_ISSUER", "https://auth.example.com")]).excerpt();
        let longer = load(Some(&excerpt), &[("MINTMARK_TOKENS__MAX_LIFETIME", "2h")]);
        assert_eq!(longer.keys.retain_for.as_secs(), 3750 + 3600);
    }
}
