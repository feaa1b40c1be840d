//! Receipts as an auditor asks for them and judges them at home: `audit prove`, `audit verify --receipt`.

use std::ffi::OsString;
use std::path::Path;

use mintmark::audit::event::EventType;
use mintmark::audit::proof::Receipt;
use mintmark::cli::{self, Terminal, Zone};
use serde_json::{Value, json};

use crate::harness::{FakeClock, START, TestMint, with_mint};
use crate::log::{published_size, vkey};

async fn prove(mint: &TestMint, query: &str) -> String {
    let answer = mint.admin_get(&format!("/admin/v1/audit/proof?{query}")).await;
    assert_eq!(answer.assert_status(200).header("content-type"), "text/plain; charset=utf-8");
    answer.text()
}

/// Who asked for which receipt, as the log tells it.
async fn asked(mint: &TestMint) -> Vec<Value> {
    mint.logged(EventType::AuditRead).await.into_iter().map(|entry| entry.body["object"].clone()).collect()
}

#[tokio::test]
async fn every_entry_has_a_receipt_and_each_question_is_recorded_once() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let answer = mint.token(&reader, "").await;
        let jti = answer.assert_token().1["jti"].as_str().unwrap().to_owned();
        mint.tick().await;

        let size = published_size(mint).await;
        for index in [0, 1, size - 1] {
            let receipt = Receipt::parse(&prove(mint, &format!("index={index}")).await).unwrap();
            assert_eq!(receipt.index, index);
            receipt.verify(&vkey(mint).await).unwrap();
        }
        assert_eq!(asked(mint).await, ["proof 0", "proof 1", &format!("proof {}", size - 1)]);

        // The two ways of asking, and the public one, give the same bytes.
        mint.tick().await;
        let by_jti = prove(mint, &format!("jti={jti}")).await;
        assert_eq!(by_jti, prove(mint, &format!("index={}", size - 1)).await);
        assert_eq!(by_jti, mint.get(&format!("/log/proof?jti={jti}")).await.text());
        assert_eq!(asked(mint).await[3], json!(format!("proof jti={jti}")));
    })
    .await;
}

#[tokio::test]
async fn a_receipt_of_nothing_is_not_waited_for_and_a_wrong_question_not_recorded() {
    with_mint(async |mint| {
        mint.tick().await;
        let unknown = "A".repeat(30);
        let questions = ["index=9999", "index=18446744073709551615", &format!("jti={unknown}"), "jti=short"];
        for query in questions {
            mint.admin_get(&format!("/admin/v1/audit/proof?{query}")).await.assert_problem(404);
        }
        let recorded = asked(mint).await;
        let no_token_s = format!("proof jti={unknown}");
        assert_eq!(recorded, ["proof 9999", "proof 18446744073709551615", &no_token_s]);
        for query in ["", "jti=", "index=", "index=x", "index=01", "index=%2B1", "index=-1", "index=0&jti=a"]
        {
            mint.admin_get(&format!("/admin/v1/audit/proof?{query}")).await.assert_problem(400);
        }
        mint.admin_get("/admin/v1/audit/proof?index=0&index=0").await.assert_problem(400);
        assert_eq!(asked(mint).await.len(), recorded.len());
    })
    .await;
}

/// Nobody publishes here, so the entry stays uncovered.
#[tokio::test]
async fn what_no_checkpoint_covers_in_time_is_for_later() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let newest = mint.log().await.len() - 1;
        let answer = mint.admin_get(&format!("/admin/v1/audit/proof?index={newest}")).await;
        assert_eq!(answer.assert_problem(503).retry_after(), 1);
        mint.tick().await;
        prove(mint, &format!("index={newest}")).await;
    })
    .await;
}

/// Types a command, away from any server, and gives the exit code and what it printed.
async fn at_home(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        stdin: &mut std::io::empty(),
        stdout: &mut out,
        stderr: &mut err,
        is_terminal: false,
        zone: Zone::utc(),
    };
    let argv = std::iter::once("mintmark").chain(arguments.iter().copied()).map(OsString::from);
    let code = cli::run(argv, Vec::new(), &FakeClock::at(START), &mut terminal).await;
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn at_home_a_receipt_is_for_its_token_under_its_key_and_else_says_why_not() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let answer = mint.token(&reader, "").await;
        let (header, claims) = answer.assert_token();
        let token = answer.access_token().unwrap();
        let other = mint.token(&reader, "").await.access_token().unwrap();
        mint.tick().await;
        let text = prove(mint, &format!("jti={}", claims["jti"].as_str().unwrap())).await;
        let receipt = Receipt::parse(&text).unwrap();

        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let key = file(home, "vkey", &mint.get("/log/vkey").await.text());
        let good = file(home, "good", &text);
        // Files end in a line feed, tokens do not.
        let own = file(home, "own.jwt", &format!("{token}\n"));
        let verify = ["audit", "verify", "--vkey", &key, "--receipt"];
        let judge = async |receipt: &str, more: &[&str]| {
            let (code, out, err) = at_home(&[&verify[..], &[receipt], more].concat()).await;
            assert_eq!(err, "", "{out}");
            (code, serde_json::from_str::<Value>(&out).unwrap())
        };

        let (code, verdict) = judge(&good, &["--token", &own]).await;
        let proven = receipt.verify(&vkey(mint).await).unwrap();
        let expected = json!({
            "ok": true, "index": receipt.index, "size": proven.checkpoint.size,
            "root_hash": proven.checkpoint.root.to_string(), "event": "token.issued",
            "ts": "2026-11-22T12:00:00.000000Z", "kid": header["kid"],
            "iat": claims["iat"], "exp": claims["exp"], "reason": null
        });
        assert_eq!((code, &verdict), (0, &expected));

        let others = file(home, "other.jwt", &other);
        let (code, verdict) = judge(&good, &["--token", &others]).await;
        assert_eq!((code, &verdict["reason"]), (1, &json!("the receipt is not for this token")));
        assert_eq!((&verdict["ok"], &verdict["kid"]), (&json!(false), &header["kid"]), "the entry is proved");

        let mut leaf = receipt.leaf.clone();
        *leaf.last_mut().unwrap() ^= 1;
        let altered = Receipt { leaf, ..receipt.clone() };
        let nothing_told = json!({
            "ok": false, "index": null, "size": null, "root_hash": null, "event": null,
            "ts": null, "kid": null, "iat": null, "exp": null,
            "reason": "the leaf is not in the checkpoint's tree"
        });
        let altered = file(home, "altered", &altered.to_string());
        assert_eq!(judge(&altered, &["--token", &own]).await, (1, nothing_told));

        let elsewhere = "mintmark.example/log+104c00e3+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
        let elsewhere = file(home, "other.vkey", elsewhere);
        let impostor = mintmark::audit::checkpoint::Vkey::new(vkey(mint).await.origin().clone(), [3; 32]);
        let impostor = file(home, "impostor.vkey", &impostor.to_string());
        for (key, reason) in [
            (&elsewhere, "the checkpoint's origin is not the key's"),
            (&impostor, "the checkpoint bears no signature by the key"),
        ] {
            let arguments = ["audit", "verify", "--receipt", &good, "--token", &own, "--vkey", key];
            let (code, out, _) = at_home(&arguments).await;
            assert_eq!(code, 1, "{out}");
            assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["reason"], reason);
        }
        assert_eq!(judge(&own, &["--token", &own]).await.1["reason"], "not a receipt");

        // An entry that is of no token needs none, and is no token's.
        let opened = file(home, "opened", &prove(mint, "index=0").await);
        let (code, verdict) = judge(&opened, &[]).await;
        assert_eq!((code, &verdict["event"]), (0, &json!("log.opened")));
        let (code, verdict) = judge(&opened, &["--token", &own]).await;
        assert_eq!((code, &verdict["reason"]), (1, &json!("the record is not of a token that was issued")));

        for wrong in [
            &["--receipt", &good][..],
            &["--receipt", &good, "--token", &good],
            &["--receipt", &good, "--token", &key],
            &["--receipt", &good, "--token", &own, "--checkpoint", &good],
            &["--receipt", &good, "--token", &own, "--url", "https://auth.example.com"],
            &["--receipt", &good, "--token", &own, &good],
            &["--token", &own, &good],
        ] {
            let (code, out, err) = at_home(&[&["audit", "verify", "--vkey", &key], wrong].concat()).await;
            assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 1), "{wrong:?}: {err}");
        }
    })
    .await;
}
