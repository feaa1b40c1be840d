use serde_json::json;

use super::*;
use crate::cli::when::Zone;
use crate::time::Timestamp;

/// 2026-11-22T12:00:00Z.
const MOON: u64 = 1_795_348_800;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A key rests for so long by default.
const REST: u64 = 3_750;

fn times() -> Times {
    Times::new(Timestamp::from_seconds(MOON), &Zone::utc())
}

/// A key of the list; times that are not given are null.
fn key(kid: &str, alg: &str, state: &str, times: &[(&str, u64)]) -> Value {
    let mut key = json!({
        "kid": format!("{kid}_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"), "alg": alg, "state": state,
        "created_at": null, "published_at": null, "activated_at": null, "passive_at": null, "remove_at": null,
        "revoked_at": null, "retain": false, "reason": null, "rotation_requested_at": null,
        "planned": { "activated_at": null, "passive_at": null, "remove_at": null },
    });
    for (name, at) in times {
        match name.strip_prefix("planned ") {
            Some(name) => key["planned"][name] = json!(at),
            None => key[*name] = json!(at),
        }
    }
    if key["remove_at"].is_null() {
        key["remove_at"] = key["planned"]["remove_at"].clone();
    }
    key
}

/// A ring in its usual course, `since` after its present key began to sign, the keys named by three letters.
fn ring([passive, active, standby]: [&str; 3], alg: &str, began: u64) -> Vec<Value> {
    let ends = began + 14 * DAY;
    vec![
        key(
            passive,
            alg,
            if began + REST > MOON { "passive" } else { "removed" },
            &[
                ("published_at", began - 28 * DAY),
                ("activated_at", began - 14 * DAY),
                ("passive_at", began),
                (if began + REST > MOON { "planned remove_at" } else { "remove_at" }, began + REST),
            ],
        ),
        key(
            active,
            alg,
            "active",
            &[
                ("published_at", began - 14 * DAY),
                ("activated_at", began),
                ("planned passive_at", ends),
                ("planned remove_at", ends + REST),
            ],
        ),
        key(
            standby,
            alg,
            "published",
            &[
                ("published_at", began),
                ("planned activated_at", ends),
                ("planned passive_at", ends + 14 * DAY),
                ("planned remove_at", ends + 14 * DAY + REST),
            ],
        ),
    ]
}

/// A key's member changed.
fn with(mut key: Value, member: &str, value: &Value) -> Value {
    key[member] = value.clone();
    key
}

fn assert_drawn(items: &[Value], expected: &str) {
    let drawn = draw(items, &times(), 80);
    assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
    assert_eq!(drawn, expected.trim_start_matches('\n'), "\n{drawn}");
}

#[test]
fn the_first_start_has_a_key_that_signs_and_its_standby() {
    let standby = key(
        "bbb",
        "ES256",
        "published",
        &[
            ("published_at", MOON),
            ("planned activated_at", MOON + 14 * DAY),
            ("planned passive_at", MOON + 28 * DAY),
        ],
    );
    let active = key(
        "aaa",
        "ES256",
        "active",
        &[
            ("published_at", MOON),
            ("activated_at", MOON),
            ("planned passive_at", MOON + 14 * DAY),
            ("planned remove_at", MOON + 14 * DAY + REST),
        ],
    );
    assert_drawn(
        &[active, standby],
        r"
            now
ES256       │
  aaa_qmxV  │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░-    signs for 14d more
  bbb_qmxV  │································░░░  standby, signs in 14d
            2026-11-22                2026-12-08
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
}

#[test]
fn mid_life_is_a_staircase() {
    assert_drawn(
        &ring(["aaa", "bbb", "ccc"], "ES256", MOON - 5 * DAY)[1..],
        r"
                                 now
ES256                             │
  bbb_qmxV  ::::::::::::::::██████│░░░░░░░░░░░░-  signs for 9d more
  ccc_qmxV                  ::::::│············░  standby, signs in 9d
            2026-11-03                2026-12-02
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
    // With --all the key before is there too.
    assert_drawn(
        &ring(["aaa", "bbb", "ccc"], "ES256", MOON - 5 * DAY),
        r"
                                     now
ES256                                 │
  aaa_qmxV  :::::::::::███████████=   │           left 4d 22h ago
  bbb_qmxV             :::::::::::████│░░░░░░░░-  signs for 9d more
  ccc_qmxV                        ::::│········░  standby, signs in 9d
            2026-10-20                2026-12-03
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
}

#[test]
fn just_rotated_the_old_key_rests_for_its_hour() {
    assert_drawn(
        &ring(["aaa", "bbb", "ccc"], "ES256", MOON - 20 * MINUTE),
        r"
                                 now
ES256                             │
  aaa_qmxV  ::::::::::███████████=│-              rests, leaves in 42m 30s
  bbb_qmxV            :::::::::::█│░░░░░░░░░░░░-  signs for 13d 23h more
  ccc_qmxV                       :│············░  standby, signs in 13d 23h
            2026-10-25                2026-12-08
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
}

#[test]
fn shortly_before_a_rotation_there_is_room_for_what_comes() {
    assert_drawn(
        &ring(["aaa", "bbb", "ccc"], "ES256", MOON - 14 * DAY + HOUR)[1..],
        r"
                                     now
ES256                                 │
  bbb_qmxV  :::::::::::::█████████████│░-         signs for 1h more
  ccc_qmxV               :::::::::::::│·░░░░░░░░  standby, signs in 1h
            2026-10-25                2026-12-01
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
}

#[test]
fn a_rotation_that_was_asked_for_says_when() {
    let active = key(
        "aaa",
        "ES256",
        "active",
        &[
            ("published_at", MOON - 2 * HOUR),
            ("activated_at", MOON - 2 * HOUR),
            ("rotation_requested_at", MOON - 90),
            ("planned passive_at", MOON + 270),
            ("planned remove_at", MOON + 270 + REST),
        ],
    );
    let standby = key(
        "bbb",
        "ES256",
        "published",
        &[("published_at", MOON - 90), ("planned activated_at", MOON + 270)],
    );
    assert_drawn(
        &[active, standby],
        r"
                                now
ES256                            │
  aaa_qmxV  █████████████████████│░------------   signs, hands over in 4m 30s
  bbb_qmxV                      :│·░░░░░░░░░░░░░  standby, signs in 4m 30s
            2026-11-22 10:00Z  2026-11-22 13:15Z
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
}

#[test]
fn a_retained_key_has_no_end_and_does_not_stretch_the_axis() {
    let retained = |key| with(with(key, "retain", &json!(true)), "remove_at", &Value::Null);
    let long_ago = [
        ("published_at", MOON - 300 * DAY),
        ("activated_at", MOON - 286 * DAY),
        ("passive_at", MOON - 272 * DAY),
    ];
    let [aaa, bbb, ccc] = ring(["aaa", "bbb", "ccc"], "ES256", MOON - 5 * DAY).try_into().unwrap();
    let aaa = with(retained(aaa), "state", &json!("passive"));
    let bbb = with(retained(bbb), "planned", &json!({ "passive_at": MOON + 9 * DAY }));
    assert_drawn(
        &[retained(key("old", "ES256", "passive", &long_ago)), aaa, bbb, ccc],
        r"
                      now
ES256                  │
  old_qmxV  ‹==========│------------------------  rests, retained
  aaa_qmxV  ‹==========│------------------------  rests, retained
  bbb_qmxV  ‹██████████│░░░░░░░░░░░░░░░░░░░░░░--  signs for 9d, retained
  ccc_qmxV  :::::::::::│······················░░  standby, signs in 9d
            2026-11-17                2026-12-02
: · public   █ ░ signs   = - rests   (the lighter one is planned)
‹ began earlier
",
    );
}

#[test]
fn a_revoked_key_says_when_and_why_and_moves_no_cursor() {
    let [aaa, bbb, ccc] = ring(["aaa", "bbb", "ccc"], "ES256", MOON - 3 * HOUR).try_into().unwrap();
    let mut revoked = with(with(aaa, "state", &json!("revoked")), "passive_at", &Value::Null);
    revoked["revoked_at"] = json!(MOON - 3 * HOUR);
    revoked["remove_at"] = revoked["revoked_at"].clone();
    revoked["reason"] = json!("in a \u{1b}[2J public repository");
    let before =
        key("old", "ES256", "revoked", &[("revoked_at", MOON - 90 * DAY), ("published_at", MOON - 91 * DAY)]);
    assert_drawn(
        &[with(before, "reason", &json!("lost")), revoked, bbb, ccc],
        r"
                           now
ES256                       │
  old_qmxV                  │                     revoked 90d ago: lost
  aaa_qmxV  ‹███████████████│                     revoked 3h ago: in a \u{1b}[2…
  bbb_qmxV  :::::::::::::::█│░░░░░░░░░░░░░░░░░-   signs for 13d 21h more
  ccc_qmxV                 :│·················░░  standby, signs in 13d 21h
            2026-11-08                2026-12-08
: · public   █ ░ signs   = - rests   (the lighter one is planned)
‹ began earlier
",
    );
}

#[test]
fn algorithms_share_one_axis() {
    let mut keys = ring(["aaa", "bbb", "ccc"], "ES256", MOON - 5 * DAY)[1..].to_vec();
    keys.extend(ring(["ddd", "eee", "fff"], "EdDSA", MOON - 30 * MINUTE));
    // A ring that was added an hour ago, and a key that was brought in for it.
    let published = [("published_at", MOON - HOUR), ("planned activated_at", MOON + 23 * HOUR)];
    keys.push(key("ggg", "PS256", "published", &published));
    keys.insert(1, key("hhh", "PS256", "staged", &[("created_at", MOON - HOUR)]));
    assert_drawn(
        &keys,
        r"
                                 now
ES256                             │
  bbb_qmxV         :::::::::::████│░░░░░░░░-      signs for 9d more
  ccc_qmxV                    ::::│········░░░░░  standby, signs in 9d
EdDSA                             │
  ddd_qmxV  ::::::::::███████████=│-              rests, leaves in 32m 30s
  eee_qmxV            :::::::::::█│░░░░░░░░░░░░-  signs for 13d 23h more
  fff_qmxV                       :│············░  standby, signs in 13d 23h
PS256                             │
  hhh_qmxV                        │               staged, not public
  ggg_qmxV                       :│·░░░░░░░░░░░░  standby, signs in 23h
            2026-10-25                2026-12-08
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
}

#[test]
fn without_keys_there_is_nothing_to_draw() {
    assert_drawn(&[], "There are no keys.\n");
    assert_drawn(
        &[json!({})],
        r"
            now
-           │
  -         │                                     -
            2026-11-22 12:00Z  2026-11-22 13:00Z
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
}

#[test]
fn equal_times_and_times_ahead_are_drawn_too() {
    let at_once =
        [("published_at", MOON), ("activated_at", MOON), ("passive_at", MOON), ("planned remove_at", MOON)];
    assert_drawn(
        &[key("aaa", "ES256", "passive", &at_once)],
        r"
            now
ES256       │
  aaa_qmxV  │                                     rests, leaves now
            2026-11-22 12:00Z  2026-11-22 13:00Z
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
    // The clock was set back after the key was made.
    let ahead = [
        ("published_at", MOON + HOUR),
        ("activated_at", MOON + 2 * HOUR),
        ("planned passive_at", MOON + 9 * HOUR),
    ];
    assert_drawn(
        &[key("aaa", "ES256", "active", &ahead)],
        r"
            now
ES256       │
  aaa_qmxV  │               ·················░░░  signs for 9h more
            2026-11-22 12:00Z  2026-11-22 14:15Z
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
    let backwards =
        [("published_at", MOON + HOUR), ("activated_at", MOON - HOUR), ("passive_at", MOON - DAY)];
    assert_drawn(
        &[key("aaa", "ES256", "passive", &backwards)],
        r"
                                     now
ES256                                 │
  aaa_qmxV  ==========================│---------  rests, leaves now
            2026-11-21 12:00Z  2026-11-22 20:00Z
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
    let ends = [("published_at", 0), ("activated_at", 1), ("planned passive_at", u64::MAX)];
    assert_drawn(
        &[key("aaa", "ES256", "active", &ends)],
        r"
            now
ES256        │
  aaa_qmxV  █│░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░---  signs for 2912116d 9h more
            1970-01-01                9999-12-30
: · public   █ ░ signs   = - rests   (the lighter one is planned)
",
    );
}

#[test]
fn any_width_will_do() {
    let keys = ring(["aaa", "bbb", "ccc"], "ES256", MOON - 20 * MINUTE);
    for width in [0, 1, 40, 67, 80, 200] {
        let drawn = draw(&keys, &times(), width);
        assert!(drawn.lines().all(|line| line.chars().count() <= width.max(68)), "{width}\n{drawn}");
        let columns: Vec<_> = drawn.lines().filter_map(|line| line.chars().position(|c| c == NOW)).collect();
        assert!(columns.len() == 4 && columns.iter().all(|column| *column == columns[0]), "{width}\n{drawn}");
    }
}
