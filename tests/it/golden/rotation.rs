//! Tables over the life of the keys: the timeline, and whether verifiers with old keys take the tokens.

use std::collections::VecDeque;
use std::time::Duration;

use mintmark::golden::simulation::{Lives, Simulation};
use mintmark::jose::JwkSet;
use mintmark::jose::verify::{Expected, Invalid, verify_access_token};
use mintmark::time::{Timestamp, parse_span};

use super::parse::{Step, parse};
use super::play::Player;
use super::render;
use crate::harness::START;

/// A token and when it was issued.
struct Issued {
    at: Timestamp,
    /// Which of the clients it is for.
    of: usize,
    token: String,
}

impl Player<'_> {
    /// `timeline SPAN`: every transition from the start to then, by the service itself.
    pub(super) async fn tell_timeline(&mut self, span: Duration) {
        self.pass_until(START.plus(span)).await;
        let headings = ["time", "", "key", "from -> to", "reason", "signs", "JWKS", "Cache-Control"];
        let mut rows = vec![headings.map(str::to_owned).to_vec()];
        rows.extend(self.keys.rows.iter().cloned());
        self.say(&format!(
            "\nThe transitions of {}, one a row:\n\n{}",
            render::span(span),
            render::table(&rows)
        ));
        self.say(&format!("The keys:\n\n{}", self.keys.legend().trim_end()));
    }

    /// `simulate SPAN`: the schedule alone, without service and store, where the transitions are too many to show.
    pub(super) fn simulate(&mut self, span: Duration) {
        let settings = self.mint.settings();
        let quantities = settings.keys.quantities(settings.tokens.max_lifetime);
        let mut simulation = Simulation::new(&settings.keys.algorithms, &quantities, START);
        while simulation.step(START.plus(span)).is_some() {}
        let Lives { steps, made, removed, most_served, ahead, signed, rested } = simulation.lives();
        self.say(&format!("\nThe schedule alone (keys::schedule, no service) over {}:", render::span(span)));
        self.say(&format!("  {steps} steps, {made} keys made, {removed} of them removed again"));
        self.say(&format!("  each was published {ahead} ahead, signed for {signed}, rested for {rested}"));
        self.say(&format!("  at most {most_served} keys in the JWKS"));
    }

    /// `caches AGE... every SPAN for SPAN as CLIENT...`: tokens of each client at each step, and verifiers whose JWKS is
    /// so old. Lines below it, `after SPAN STEP`, happen in between.
    pub(super) async fn tell_caches(&mut self, words: &[&str], acts: &[String]) {
        let place = |word: &str| words.iter().position(|found| *found == word).unwrap() + 1;
        let ages: Vec<_> = words.iter().map_while(|word| parse_span(word).ok()).collect();
        let span_after = |word: &str| parse_span(words[place(word)]).unwrap();
        let (step, span) = (span_after("every"), span_after("for"));
        let clients: Vec<_> = words[place("as")..].iter().map(|id| self.actors[*id].client.clone()).collect();
        let (start, end) = (self.now(), self.now().plus(span));
        let mut acts: VecDeque<_> = acts.iter().map(|act| act_at(act, start)).collect();
        self.say_time();
        let mut tokens = Vec::new();
        loop {
            for (of, client) in clients.iter().enumerate() {
                let token = self.mint.token(client, "").await.access_token().unwrap();
                tokens.push(Issued { at: self.now(), of, token });
            }
            if self.now() >= end {
                break;
            }
            let next = self.now().plus(step);
            while let Some((at, act)) = acts.pop_front_if(|(at, _)| *at <= next) {
                self.pass_until(at).await;
                self.skip_entries().await;
                Box::pin(self.step(&act)).await;
            }
            self.pass_until(next).await;
        }
        assert!(acts.is_empty(), "an act comes after the last token");
        // A stable sort: each client's in the order of time.
        tokens.sort_by_key(|issued| issued.of);
        // The last ones live on; what the JWKS is until they die must be known.
        self.pass_until(end.plus(self.mint.settings().tokens.max_lifetime)).await;
        let mut headings = ["issued from", "to", "tokens", "signed by"].map(str::to_owned).to_vec();
        headings.extend(ages.iter().map(|age| format!("JWKS {} old", render::span(*age))));
        let mut runs: Vec<(Vec<String>, Timestamp, Timestamp, usize)> = Vec::new();
        for issued in &tokens {
            let mut verdicts = vec![self.keys.name(&kid_of(&issued.token))];
            verdicts.extend(ages.iter().map(|age| self.judge(issued, *age)));
            match runs.last_mut() {
                Some((same, _, to, count)) if *same == verdicts => (*to, *count) = (issued.at, *count + 1),
                _ => runs.push((verdicts, issued.at, issued.at, 1)),
            }
        }
        let mut rows = vec![headings];
        for (verdicts, from, to, count) in runs {
            let mut row = vec![render::offset(from), render::offset(to), count.to_string()];
            row.extend(verdicts);
            rows.push(row);
        }
        self.say(&format!(
            "\nA token {}every {} for {}. Each is shown to verifiers that fetched the JWKS so long before, at once and\nin the last second of its life; tokens in a row with the same fate share a line.\n\n{}",
            if clients.len() > 1 { "for each client " } else { "" },
            render::span(step),
            render::span(span),
            render::table(&rows).trim_end()
        ));
        self.skip_entries().await;
    }

    fn judge(&self, issued: &Issued, age: Duration) -> String {
        let settings = self.mint.settings();
        let dies = exp_of(&issued.token).minus(Duration::from_secs(1));
        let verdict = |now: Timestamp| {
            let Some(jwks) = self.jwks_at(now.minus(age)) else { return Err(Invalid::UnknownKey) };
            let expected = Expected {
                issuer: settings.issuer.as_str(),
                audience: None,
                now,
                leeway: settings.keys.leeway,
                max_lifetime: settings.tokens.max_lifetime,
            };
            verify_access_token(&issued.token, jwks, &expected).map(drop)
        };
        match (verdict(issued.at), verdict(dies)) {
            (Ok(()), Ok(())) => "accepted".to_owned(),
            (Err(why), Err(_)) => format!("refused: {why}"),
            (Err(why), Ok(())) => format!("refused at first: {why}"),
            (Ok(()), Err(why)) => format!("refused at last: {why}"),
        }
    }

    fn jwks_at(&self, at: Timestamp) -> Option<&JwkSet> {
        let served = self.keys.served.iter().rev().find(|served| served.since <= at)?;
        Some(&served.keys)
    }
}

/// `after SPAN STEP` as a time and a step.
fn act_at(text: &str, start: Timestamp) -> (Timestamp, Step) {
    let (span, step) = text.strip_prefix("after ").and_then(|rest| rest.split_once(' ')).unwrap();
    let step = parse(step).steps.pop().unwrap();
    (start.plus(parse_span(span).unwrap()), step)
}

fn kid_of(token: &str) -> String {
    let decoded = mintmark::jose::verify::decode_unverified(token).unwrap();
    decoded.header["kid"].as_str().unwrap().to_owned()
}

fn exp_of(token: &str) -> Timestamp {
    let decoded = mintmark::jose::verify::decode_unverified(token).unwrap();
    Timestamp::from_seconds(decoded.claims["exp"].as_u64().unwrap())
}
