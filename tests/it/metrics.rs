//! What an operator's monitoring reads: whole, true, bounded, and told in `docs/metrics.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use axum::http::{Method, Request};
use mintmark::http::openapi::Document;
use mintmark::http::traffic::{ADMIN, PUBLIC};
use mintmark::telemetry::Cadence;
use serde_json::{Value, json};

use crate::harness::{ORDERS, TestMint, foreign_connection, with_mint};

/// A page as a scraper reads it.
struct Page {
    /// Kind by family.
    kinds: BTreeMap<String, String>,
    /// By name with labels, as it is written.
    samples: BTreeMap<String, f64>,
}

impl Page {
    fn read(text: &str) -> Self {
        let (mut kinds, mut samples) = (BTreeMap::new(), BTreeMap::new());
        let lines = text.strip_suffix("# EOF\n").expect("ends with its end").lines();
        for line in lines {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').unwrap();
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
            } else if let Some(help) = line.strip_prefix("# HELP ") {
                let (_, words) = help.split_once(' ').unwrap();
                assert!(!words.is_empty() && !words.ends_with('.'), "{line}");
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
                assert!(samples.insert(sample.to_owned(), value).is_none(), "{sample} comes twice");
            }
        }
        Self { kinds, samples }
    }

    async fn of(mint: &TestMint) -> Self {
        Self::read(&mint.admin_get("/metrics").await.assert_status(200).text())
    }

    fn value(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("no {sample}"))
    }

    #[track_caller]
    fn assert(&self, expected: &[(&str, f64)]) {
        for (sample, value) in expected {
            assert!((self.value(sample) - value).abs() < 1e-9, "{sample} {}", self.value(sample));
        }
    }

    /// The name of each family as its samples have it.
    fn names(&self) -> BTreeMap<String, String> {
        let name = |(family, kind): (&String, &String)| {
            let suffix = match kind.as_str() {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            (format!("{family}{suffix}"), kind.clone())
        };
        self.kinds.iter().map(name).collect()
    }
}

/// The page with the background tasks in it, which a test's issuer does not run.
async fn with_tasks(mint: &TestMint) -> Page {
    mint.app().health.register("keys", Cadence::steady(std::time::Duration::from_secs(1)), "look").worked();
    Page::of(mint).await
}

#[tokio::test]
async fn the_page_is_open_metrics_and_only_the_admin_side_has_it() {
    with_mint(async |mint| {
        let answer = mint.admin_get("/metrics").await;
        answer.assert_status(200);
        assert_eq!(
            answer.header("content-type"),
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        let text = answer.text();
        assert!(text.ends_with("\n# EOF\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("mintmark_"), "{line}");
        }
        mint.get("/metrics").await.assert_status(404);
        assert_eq!(mint.admin(Method::POST, "/metrics", None::<Value>).await.status, 405);
        let entries = mint.log().await.len();
        mint.admin_get("/metrics").await.assert_status(200);
        assert_eq!(mint.log().await.len(), entries, "reading leaves no record");
    })
    .await;
}

/// Each row of the tables: name, kind, labels.
fn told() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = fs::read_to_string(page).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `mintmark_"));
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = quoted(cells[1]).pop_first().unwrap();
        assert!(!cells[4].is_empty(), "{name}: say what it means");
        (name, (cells[2].to_owned(), quoted(cells[3])))
    })
    .collect()
}

#[tokio::test]
async fn every_metric_is_in_the_page_of_the_documentation_and_no_other() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        let (page, told) = (with_tasks(mint).await, told());
        let kinds = told.iter().map(|(name, (kind, _))| (name.clone(), kind.clone())).collect();
        assert_eq!(page.names(), kinds);
        for (name, (kind, labels)) in told {
            let of_it = |sample: &&String| {
                let bare = sample.split('{').next().unwrap();
                let suffixes: &[&str] =
                    if kind == "histogram" { &["_sum", "_count", "_bucket"] } else { &[""] };
                suffixes.iter().any(|suffix| bare.strip_suffix(suffix) == Some(name.as_str()))
            };
            let mut found = BTreeSet::new();
            for sample in page.samples.keys().filter(of_it) {
                let inside = sample.split_once('{').map_or("", |(_, inside)| inside);
                let keys = inside.split(',').filter_map(|label| label.split_once('='));
                found.extend(keys.map(|(key, _)| key.to_owned()).filter(|key| key != "le"));
            }
            assert_eq!(found, labels, "{name}");
        }
    })
    .await;
}

#[test]
fn every_route_of_a_document_is_counted_under_its_own_name() {
    for (document, table) in [(Document::Public { log: true }, PUBLIC), (Document::Admin, ADMIN)] {
        let told: Value = serde_json::from_str(&document.compose()).unwrap();
        let paths: Vec<_> = told["paths"].as_object().unwrap().keys().cloned().collect();
        let stands_for = |route: &str, path: &str| {
            path.strip_prefix(route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        for path in &paths {
            assert!(table.iter().any(|route| stands_for(route, path)), "{path} is in no table");
        }
        for route in table {
            assert!(paths.iter().any(|path| stands_for(route, path)), "{route} is no route");
        }
    }
}

#[tokio::test]
async fn decisions_are_counted_by_registered_scope_and_go_with_it() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.scope("scarce", ORDERS, "2/1m").await;
        let watched = json!({ "scope": "watched", "resource": ORDERS, "limit": { "count": 1, "period": 60 }, "enforce": "monitor" });
        mint.admin(Method::PUT, "/admin/v1/scopes/watched", Some(watched)).await.assert_status(201);
        let eager = mint.client("eager", json!({ "scope": "scarce watched orders:read" })).await;
        for _ in 0..5 {
            mint.token(&eager, "scope=scarce+orders:read+scarce").await;
        }
        for _ in 0..3 {
            mint.token(&eager, "scope=watched").await.assert_token();
        }
        mint.token(&eager, "scope=nobodys").await.assert_refused(400, "invalid_scope");
        let page = Page::of(mint).await;
        page.assert(&[
            (r#"mintmark_scope_decisions_total{scope="scarce",outcome="allowed"}"#, 2.0),
            (r#"mintmark_scope_decisions_total{scope="scarce",outcome="refused"}"#, 3.0),
            (r#"mintmark_scope_decisions_total{scope="orders:read",outcome="allowed"}"#, 2.0),
            (r#"mintmark_scope_decisions_total{scope="orders:read",outcome="refused"}"#, 0.0),
            (r#"mintmark_scope_decisions_total{scope="watched",outcome="allowed"}"#, 1.0),
            (r#"mintmark_scope_decisions_total{scope="watched",outcome="refused"}"#, 0.0),
            (r#"mintmark_scope_decisions_total{scope="watched",outcome="would_have_refused"}"#, 2.0),
            (r#"mintmark_oauth_errors_total{error="rate_limited"}"#, 3.0),
            (r#"mintmark_oauth_errors_total{error="invalid_scope"}"#, 1.0),
            (r#"mintmark_tokens_issued_total{alg="ES256"}"#, 5.0),
            (r#"mintmark_http_requests_total{listener="public",route="/oauth2/token",status="2xx"}"#, 5.0),
            (r#"mintmark_http_requests_total{listener="public",route="/oauth2/token",status="4xx"}"#, 4.0),
            ("mintmark_limit_budgets", 3.0),
        ]);
        assert!(!page.samples.keys().any(|sample| sample.contains("nobodys")));

        let path = "/admin/v1/clients/eager";
        mint.admin_with(Method::DELETE, path, None, &[("if-match", "*")]).await.assert_status(204);
        let path = "/admin/v1/scopes/scarce";
        mint.admin_with(Method::DELETE, path, None, &[("if-match", "*")]).await.assert_status(204);
        mint.later("1m").await;
        let page = Page::of(mint).await;
        assert!(!page.samples.keys().any(|sample| sample.contains("scarce")));
        let numbers: BTreeSet<_> = mint.app().limiter.reading().scopes.into_keys().collect();
        let registered = mint.app().admin.policy();
        let registered: BTreeSet<_> = registered.scopes.values().map(|rule| rule.key).collect();
        assert!(numbers.is_subset(&registered), "what is gone takes no memory");
        // Anew under its old name, it begins anew.
        mint.scope("scarce", ORDERS, "2/1m").await;
        Page::of(mint)
            .await
            .assert(&[(r#"mintmark_scope_decisions_total{scope="scarce",outcome="refused"}"#, 0.0)]);
    })
    .await;
}

#[tokio::test]
async fn nothing_that_a_request_says_becomes_a_label() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let before = Page::of(mint).await;
        for n in 0..50 {
            let path = format!("/no/{n}/such?route={n}");
            let request = Request::get(path).header("host", format!("{n}.example"));
            mint.send(request.body(axum::body::Body::empty()).unwrap()).await.assert_status(404);
            mint.post_form(&format!("grant_type=g{n}&scope=s{n}&client_id=c{n}")).await;
        }
        let page = Page::of(mint).await;
        let new: Vec<_> =
            page.samples.keys().filter(|sample| !before.samples.contains_key(*sample)).collect();
        assert!(
            new.iter().all(|sample| sample.starts_with("mintmark_http_request_duration_seconds_")),
            "{new:?}"
        );
        page.assert(&[(
            r#"mintmark_http_requests_total{listener="public",route="other",status="4xx"}"#,
            50.0,
        )]);
    })
    .await;
}

#[tokio::test]
async fn keys_and_tasks_are_as_they_are() {
    with_mint(async |mint| {
        let page = with_tasks(mint).await;
        page.assert(&[
            (r#"mintmark_keys{alg="ES256",state="active"}"#, 1.0),
            (r#"mintmark_keys{alg="ES256",state="published"}"#, 1.0),
            (r#"mintmark_key_age_seconds{alg="ES256"}"#, 0.0),
            (r#"mintmark_key_rotation_due_seconds{alg="ES256"}"#, 14.0 * 86_400.0),
            (r#"mintmark_key_standby_missing{alg="ES256"}"#, 0.0),
            ("mintmark_ready", 1.0),
            (r#"mintmark_task_late{task="keys"}"#, 0.0),
        ]);
        mint.later("3d").await;
        let page = Page::of(mint).await;
        page.assert(&[
            (r#"mintmark_key_age_seconds{alg="ES256"}"#, 3.0 * 86_400.0),
            (r#"mintmark_key_rotation_due_seconds{alg="ES256"}"#, 11.0 * 86_400.0),
            // Its heart stood still for three days.
            ("mintmark_ready", 0.0),
            (r#"mintmark_task_late{task="keys"}"#, 1.0),
            (r#"mintmark_task_success_age_seconds{task="keys"}"#, 3.0 * 86_400.0),
        ]);
        // Asleep when it was due.
        mint.clock().advance(std::time::Duration::from_hours(11 * 24 + 1));
        Page::of(mint).await.assert(&[(r#"mintmark_key_rotation_due_seconds{alg="ES256"}"#, -3_600.0)]);
    })
    .await;
}

/// Another hand breaks the row of the scope `scarce`, which nobody has read since.
async fn break_a_limit(mint: &TestMint) {
    let mut foreign = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
    let sql =
        "UPDATE scopes SET document = replace(document, '\"count\":2', '\"count\":0') WHERE name = 'scarce'";
    assert_eq!(sqlx::query(sql).execute(&mut foreign).await.unwrap().rows_affected(), 1);
    sqlx::Connection::close(foreign).await.unwrap();
}

#[tokio::test]
async fn a_damaged_limit_keeps_its_last_good_value_and_raises_a_metric() {
    const DAMAGED: &str = r#"mintmark_policy_rows_damaged{kind="scope"}"#;
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.scope("scarce", ORDERS, "2/1m").await;
        let eager = mint.client("eager", json!({ "scope": "scarce orders:read" })).await;
        mint.token(&eager, "scope=scarce").await.assert_token();
        Page::of(mint).await.assert(&[(DAMAGED, 0.0)]);
        break_a_limit(mint).await;
        // An act lets the issuer read its policy anew.
        mint.scope("another", ORDERS, "1/1m").await;
        Page::of(mint).await.assert(&[(DAMAGED, 1.0)]);
        // Neither opened nor closed, and what was taken stays taken.
        mint.token(&eager, "scope=scarce").await.assert_token();
        mint.token(&eager, "scope=scarce").await.assert_refused(429, "rate_limited");
        mint.token(&eager, "scope=orders:read").await.assert_token();

        // Whoever sets it anew mends it.
        let path = "/admin/v1/scopes/scarce";
        let etag = mint.admin_get(path).await.assert_status(200).header("etag").to_owned();
        let good = json!({ "scope": "scarce", "resource": ORDERS, "limit": { "count": 2, "period": 60 } });
        mint.admin_with(Method::PUT, path, Some(good), &[("if-match", &etag)]).await.assert_status(200);
        Page::of(mint).await.assert(&[(DAMAGED, 0.0)]);
        mint.token(&eager, "scope=scarce").await.assert_refused(429, "rate_limited");

        // A start knows of no value of before: the scope is left out, and the process lives.
        break_a_limit(mint).await;
        mint.restart().await;
        Page::of(mint).await.assert(&[(DAMAGED, 1.0)]);
        mint.token(&eager, "scope=scarce").await.assert_refused(400, "invalid_scope");
        mint.token(&eager, "scope=orders:read").await.assert_token();
    })
    .await;
}
