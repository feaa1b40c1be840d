//! What a configuration gives, what it is refused for, and with which words.

use proptest::prelude::*;

use super::*;

mod mistakes;

const ISSUER: &str = "issuer = \"https://auth.example.com\"\n";

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let environment: Vec<(String, String)> =
        environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Settings::load(Some((Path::new("/etc/mintmark/mintmark.toml"), text)), &environment)
        .map_err(|complaints| complaints.iter().map(ToString::to_string).collect())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The defaults of the contract, in full.
fn defaults() -> Settings {
    Settings {
        issuer: Issuer::parse("https://auth.example.com").unwrap(),
        node: NodeName::parse("node-1").unwrap(),
        data_dir: "/etc/mintmark/data".into(),
        public: Public { listen: "127.0.0.1:8080".parse().unwrap(), trusted_proxies: vec![], tls: None },
        admin: Admin { socket: "/etc/mintmark/data/admin.sock".into(), listen: None, tls: None },
        store: StoreUrl::Sqlite("/etc/mintmark/data/mintmark.db".into()),
        keys: KeySettings {
            kek_file: "/etc/mintmark/keys/kek".into(),
            algorithms: vec![Algorithm::Es256],
            active_for: seconds(14 * 86_400),
            publish_ahead: seconds(86_400),
            jwks_max_age: seconds(300),
            propagation: seconds(30),
            clock_skew: seconds(30),
            leeway: seconds(60),
            retain_for: seconds(3_750),
        },
        tokens: Tokens { lifetime: seconds(600), max_lifetime: seconds(3_600) },
        audit: Audit {
            origin: "auth.example.com/log".to_owned(),
            public: true,
            checkpoint: seconds(1),
            deadline: seconds(2),
            body_retention: seconds(395 * 86_400),
        },
        limits: Limits {
            attempts: Quota::parse("10/1m").unwrap(),
            source_attempts: Quota::parse("100/1m").unwrap(),
            nodes: NonZeroU32::MIN,
        },
    }
}

#[test]
fn an_issuer_is_all_that_must_be_set() {
    assert_eq!(load(ISSUER, &[]), Ok(defaults()));
    assert_eq!(load("", &[("MINTMARK_ISSUER", "https://auth.example.com")]), Ok(defaults()));
    let issuer = ("MINTMARK_ISSUER".to_owned(), "https://auth.example.com".to_owned());
    assert_eq!(Settings::load(None, &[issuer]).unwrap().data_dir, Path::new("data"));
}

#[test]
fn the_reference_gives_the_defaults_and_so_do_its_comments() {
    let reference = reference();
    assert_eq!(load(&reference, &[]), Ok(defaults()));
    // What is shown for a derived option is what the defaults give.
    let shown: Vec<&str> = reference
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ")).unwrap_or(line))
        .collect();
    let mut all = defaults();
    all.admin.listen = Some("127.0.0.1:8081".parse().unwrap());
    let tls = |cert: &str, key: &str| {
        let folder = Path::new("/etc/mintmark/tls");
        Some(TlsFiles { cert: folder.join(cert), key: folder.join(key) })
    };
    all.public.tls = tls("cert.pem", "key.pem");
    all.admin.tls = tls("admin-cert.pem", "admin-key.pem");
    assert_eq!(load(&shown.join("\n"), &[]), Ok(all));
}

#[test]
fn the_published_reference_is_the_generated_one() {
    assert_eq!(include_str!("../../docs/mintmark.reference.toml"), reference());
}

#[test]
fn the_environment_goes_before_the_file_and_strange_variables_are_ignored() {
    let file = format!("{ISSUER}[keys]\nactive_for = \"20d\"\nleeway = \"5s\"\n");
    let settings = load(
        &file,
        &[
            ("MINTMARK_KEYS__ACTIVE_FOR", "30d"),
            ("MINTMARK_KEYS__ALGORITHMS", "EdDSA, ES256"),
            ("MINTMARK_DATA_DIR", "/var/lib/mintmark"),
            ("MINTMARK_PUBLIC__TRUSTED_PROXIES", "10.0.0.0/8,::1"),
            ("MINTMARK_AUDIT__PUBLIC", "false"),
            ("MINTMARK_LIMITS__NODES", "3"),
            ("MINTMARK_SERVICE_HOST", "10.0.0.1"),
            ("MINTMARK_KEYS_ACTIVE_FOR", "nonsense"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(settings.keys.active_for, seconds(30 * 86_400));
    assert_eq!(settings.keys.leeway, seconds(5));
    assert_eq!(settings.keys.algorithms, [Algorithm::EdDsa, Algorithm::Es256]);
    assert_eq!(settings.admin.socket, Path::new("/var/lib/mintmark/admin.sock"));
    assert_eq!(settings.store, StoreUrl::Sqlite("/var/lib/mintmark/mintmark.db".into()));
    assert_eq!(settings.public.trusted_proxies.len(), 2);
    assert!(!settings.audit.public);
    assert_eq!(settings.limits.nodes.get(), 3);
}

#[test]
fn a_rotation_of_seconds_is_accepted_with_the_retention_at_its_bound() {
    let file = format!(
        "{ISSUER}[keys]\nactive_for = \"20s\"\npublish_ahead = \"8s\"\njwks_max_age = \"5s\"\n\
         propagation = \"1s\"\nclock_skew = \"1s\"\nleeway = \"5s\"\n\
         [tokens]\nlifetime = \"5s\"\nmax_lifetime = \"5s\"\n"
    );
    assert_eq!(load(&file, &[]).unwrap().keys.retain_for, seconds(13));
    assert_eq!(load(&file, &[("MINTMARK_KEYS__RETAIN_FOR", "13s")]).unwrap().keys.retain_for, seconds(13));
    let refused = load(&file, &[("MINTMARK_KEYS__RETAIN_FOR", "12999ms")]).unwrap_err();
    assert_eq!(
        refused,
        ["keys.retain_for: \"12999ms\" is less than tokens.max_lifetime + max(keys.propagation, \
          keys.clock_skew) + 2 keys.clock_skew + keys.leeway; write at least \"13s\""]
    );
}

#[test]
fn each_mistake_has_its_line() {
    for (lines, complaints) in mistakes::TABLE {
        assert_eq!(load(&format!("{ISSUER}{lines}"), &[]).unwrap_err(), *complaints, "{lines}");
    }
}

#[cfg(not(feature = "rsa"))]
#[test]
fn a_build_without_rsa_keys_refuses_their_algorithms() {
    for name in ["RS256", "PS256"] {
        let complaint = format!(
            "keys.algorithms: \"{name}\" needs RSA keys, which this build does not make (line 3); \
             build with --features rsa, or name other algorithms"
        );
        assert_eq!(load(&format!("{ISSUER}[keys]\nalgorithms = [\"{name}\"]\n"), &[]), Err(vec![complaint]));
    }
}

#[cfg(feature = "rsa")]
#[test]
fn rsa_algorithms_are_configured_like_the_others() {
    let file = format!("{ISSUER}[keys]\nalgorithms = [\"PS256\", \"ES256\", \"RS256\"]\n");
    let algorithms = load(&file, &[]).unwrap().keys.algorithms;
    assert_eq!(algorithms, [Algorithm::Ps256, Algorithm::Es256, Algorithm::Rs256]);
}

#[test]
fn bounds_are_refused_with_their_names_and_what_would_do() {
    let retention =
        "tokens.max_lifetime + max(keys.propagation, keys.clock_skew) + 2 keys.clock_skew + keys.leeway";
    let table: &[(&str, &[String])] = &[
        (
            "publish_ahead = \"5m\"",
            &["keys.publish_ahead: \"5m\" is less than keys.jwks_max_age + keys.propagation + keys.clock_skew; \
               write at least \"6m\", or keys.jwks_max_age of at most \"240s\""
                .to_owned()],
        ),
        (
            "publish_ahead = \"1m\"",
            &["keys.publish_ahead: \"1m\" is less than keys.jwks_max_age + keys.propagation + keys.clock_skew; \
               write at least \"6m\""
                .to_owned()],
        ),
        ("retain_for = \"1h\"", &[format!("keys.retain_for: \"1h\" is less than {retention}; write at least \"3750s\"")]),
        (
            "active_for = \"23h\"",
            &["keys.active_for: \"23h\" is less than keys.publish_ahead; write at least \"1d\"".to_owned()],
        ),
        (
            "active_for = \"30m\"\npublish_ahead = \"30m\"",
            &["keys.active_for: \"30m\" is less than keys.retain_for; write at least \"3750s\"".to_owned()],
        ),
        (
            "jwks_max_age = \"10m\"",
            &["keys.jwks_max_age: \"10m\" and keys.propagation \"30s\" leave a revoked key believed for more than \
               \"10m\"; write at most \"570s\""
                .to_owned()],
        ),
    ];
    for (lines, complaints) in table {
        assert_eq!(load(&format!("{ISSUER}[keys]\n{lines}"), &[]).unwrap_err(), *complaints, "{lines}");
    }
}

#[test]
fn what_the_environment_gets_wrong_is_named_by_its_variable() {
    let refused = load(
        "",
        &[
            ("MINTMARK_AUDIT__PUBLIC", "yes"),
            ("MINTMARK_KEYS__KEK_FILE", " "),
            ("MINTMARK_LIMITS__NODES", "+1"),
        ],
    )
    .unwrap_err();
    assert_eq!(
        refused,
        [
            "issuer: is not set and has no default; write issuer = \"https://auth.example.com\" with your own value, or set MINTMARK_ISSUER",
            "keys.kek_file: is blank (MINTMARK_KEYS__KEK_FILE); write it like kek_file = \"keys/kek\", or leave it out",
            "audit.public: \"yes\" is neither true nor false (MINTMARK_AUDIT__PUBLIC); write true or false",
            "limits.nodes: \"+1\" is not a number that can be used here (MINTMARK_LIMITS__NODES); write a whole number from 1 to 1024",
        ]
    );
}

#[test]
fn a_complaint_is_one_line_and_repeats_no_password() {
    let hostile = "\"a\\nb\" = 1\nnode = \"x\\ny\"\n[store]\nurl = \"mysql://root:hunter2@db\"";
    for line in load(&format!("{ISSUER}{hostile}"), &[]).unwrap_err() {
        assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    }
    let complaint = Settings::load(Some((Path::new("a\nb"), "=")), &[]).unwrap_err();
    assert!(!complaint[0].to_string().contains('\n'));
}

#[test]
fn a_socket_path_must_fit_the_operating_system() {
    let refused = load(ISSUER, &[("MINTMARK_DATA_DIR", &format!("/{}", "d".repeat(100)))]).unwrap_err();
    assert!(refused.len() == 1 && refused[0].starts_with("admin.socket: "), "{refused:?}");
}

proptest! {
    #[test]
    fn what_is_accepted_holds_every_bound(
        values in proptest::array::uniform8(1_u64..400),
        max_lifetime in 1_u64..400,
    ) {
        let names = ["ACTIVE_FOR", "PUBLISH_AHEAD", "JWKS_MAX_AGE", "PROPAGATION", "CLOCK_SKEW", "LEEWAY", "RETAIN_FOR"];
        let mut environment: Vec<(String, String)> = names
            .iter()
            .zip(values)
            .map(|(name, value)| (format!("MINTMARK_KEYS__{name}"), format!("{}s", value.min(300))))
            .collect();
        environment.push(("MINTMARK_ISSUER".into(), "http://localhost".into()));
        environment.push(("MINTMARK_TOKENS__LIFETIME".into(), "1s".into()));
        environment.push(("MINTMARK_TOKENS__MAX_LIFETIME".into(), format!("{max_lifetime}s")));
        let holds = |keys: &KeySettings| {
            keys.publish_ahead >= keys.jwks_max_age + keys.propagation + keys.clock_skew
                && keys.retain_for
                    >= seconds(max_lifetime) + keys.propagation.max(keys.clock_skew) + keys.clock_skew * 2 + keys.leeway
                && keys.active_for >= keys.publish_ahead.max(keys.retain_for)
                && keys.jwks_max_age + keys.propagation <= seconds(600)
                && keys.quantities(seconds(max_lifetime)).served_max_age()
                    == keys.jwks_max_age.min(keys.publish_ahead / 2)
        };
        // Following the advice once is enough.
        for attempt in 0..2 {
            match Settings::load(None, &environment) {
                Ok(settings) => {
                    prop_assert!(holds(&settings.keys));
                    break;
                }
                Err(complaints) => {
                    prop_assert!(attempt == 0, "{complaints:?}");
                    for complaint in complaints {
                        let variable = format!("MINTMARK_{}", complaint.option.replace('.', "__").to_uppercase());
                        let advice = complaint.fix.split('"').nth(1).unwrap().to_owned();
                        environment.push((variable, advice));
                    }
                }
            }
        }
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "[\\PC\n]{0,80}|([a-z]{1,8}(\\.[a-z]{1,8})? ?= ?[0-9\"\\[\\]a-z]{0,6}\n){0,4}") {
        let _ = load(&text, &[]);
    }
}
