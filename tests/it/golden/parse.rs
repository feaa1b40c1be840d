//! A scenario file as steps. One line is one step; indented lines belong to the step above them.
//!
//! It knows no verbs: what a step means is `play`'s work.

/// A scenario, read.
pub(super) struct Scenario {
    /// The comment at the head: what the golden shows and why.
    pub(super) story: Vec<String>,
    /// Settings of the environment, such as `MINTMARK_TOKENS__LIFETIME` and `5m`.
    pub(super) settings: Vec<(String, String)>,
    /// What happens, in order.
    pub(super) steps: Vec<Step>,
}

/// One thing that happens.
pub(super) struct Step {
    /// The line as a person wrote it.
    pub(super) text: String,
    /// Its words; what stands in quotes, single or double, is one.
    pub(super) words: Vec<String>,
    /// The indented lines below it.
    pub(super) block: Vec<String>,
}

/// Reads a scenario; panics with the line that is none.
pub(super) fn parse(text: &str) -> Scenario {
    let mut scenario = Scenario { story: Vec::new(), settings: Vec::new(), steps: Vec::new() };
    for line in text.lines() {
        if let Some(indented) = line.strip_prefix("  ") {
            let step = scenario.steps.last_mut().unwrap_or_else(|| panic!("nothing stands above: {line}"));
            step.block.push(indented.to_owned());
        } else if let Some(comment) = line.strip_prefix('#').filter(|_| scenario.is_at_its_head()) {
            scenario.story.push(comment.trim().to_owned());
        } else if let Some(setting) = line.strip_prefix("setting ") {
            let (name, value) = setting.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
            assert!(scenario.steps.is_empty(), "a setting stands at the head: {line}");
            scenario.settings.push((name.to_owned(), value.to_owned()));
        } else if !line.trim().is_empty() {
            let words = if line.starts_with('#') { vec!["#".to_owned()] } else { words(line) };
            let step = Step { text: line.trim().to_owned(), words, block: Vec::new() };
            scenario.steps.push(step);
        }
    }
    scenario
}

impl Scenario {
    fn is_at_its_head(&self) -> bool {
        self.settings.is_empty() && self.steps.is_empty()
    }
}

/// Blanks divide, quotes hold together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match character {
            '"' | '\'' if quote.is_none_or(|open| open == character) => {
                quote = if quote.is_none() { Some(character) } else { None };
                word.get_or_insert_default();
            }
            ' ' if quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    assert!(quote.is_none(), "a quote is open: {line}");
    words.extend(word);
    words
}

#[test]
fn a_line_is_read_as_a_person_means_it() {
    let text =
        "# Why\nsetting A=b\nat +1d\nclient reader scope \"a b\" default ''\n  {\"x\":1}\n# it's aside\n";
    let scenario = parse(text);
    assert_eq!(scenario.story, ["Why"]);
    assert_eq!(scenario.settings, [("A".to_owned(), "b".to_owned())]);
    let words: Vec<_> = scenario.steps.iter().map(|step| step.words.clone()).collect();
    assert_eq!(words[0], ["at", "+1d"]);
    assert_eq!(words[1], ["client", "reader", "scope", "a b", "default", ""]);
    assert_eq!(words[2], ["#"]);
    assert_eq!(scenario.steps[1].block, ["{\"x\":1}"]);
}
