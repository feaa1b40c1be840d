//! The two doors of administration, as programs meet them: real ports, the socket beside them, the command line.

use std::os::unix::fs::PermissionsExt as _;

use axum::body::Body;
use axum::http::{Method, Request};
use mintmark::app::Ports;
use mintmark::cli::{self, Terminal, Zone};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{ALL, CLIENTS, admin, token_for};
use crate::harness::{TestClient, exchange, with_settings};

/// How a command ended, what it printed and what it complained about.
type Ran = (u8, String, String);

async fn mintmark(words: &[&str]) -> Ran {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        stdin: &mut std::io::empty(),
        stdout: &mut stdout,
        stderr: &mut stderr,
        is_terminal: false,
        zone: Zone::utc(),
    };
    let argv = std::iter::once("mintmark").chain(words.iter().copied()).map(Into::into);
    let clock = mintmark::ambient::SystemClock::new();
    let code = cli::run(argv, Vec::new(), &clock, &mut terminal).await;
    (code, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Options that administer over TCP as this client.
fn as_client(folder: &std::path::Path, client: &TestClient, (admin, issuer): (&str, &str)) -> Vec<String> {
    let file = folder.join("secret");
    std::fs::write(&file, &client.secret).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.display().to_string();
    let options = [
        ("--admin", admin),
        ("--admin-issuer", issuer),
        ("--admin-client", &client.id),
        ("--admin-secret-file", &file),
    ];
    options.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect()
}

#[tokio::test]
async fn the_service_has_both_doors_and_the_command_line_goes_through_either() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock").display().to_string();
    with_settings(&[("MINTMARK_ADMIN__SOCKET", &socket)], async |mint| {
        mint.usual_policy().await;
        let ops = admin(mint, "ops", "admin:clients admin:read").await;
        let reader = admin(mint, "auditor", "admin:audit").await;
        let token = token_for(mint, &ops, "admin:read").await;
        let (public, over_tcp) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let (issuer, address) = (public.local_addr().unwrap(), over_tcp.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let service = mint.run_at(Ports { public, admin: Some(over_tcp) }, stopped);

        let get =
            |fields: &str| format!("GET {CLIENTS} HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n");
        let bare = exchange(address, get("").as_bytes()).await;
        assert!(bare.starts_with("HTTP/1.1 401 "), "{bare}");
        assert!(bare.contains("www-authenticate: Bearer realm=\"mintmark-admin\"\r\n"), "{bare}");
        let known = exchange(address, get(&format!("Authorization: Bearer {token}\r\n")).as_bytes()).await;
        assert!(known.starts_with("HTTP/1.1 200 "), "{known}");
        assert!(
            exchange(issuer, get("").as_bytes()).await.starts_with("HTTP/1.1 404 "),
            "not on the public one"
        );

        let (admin, issuer) = (format!("http://{address}"), format!("http://{issuer}"));
        let desk = tempfile::tempdir().unwrap();
        let as_ops = as_client(desk.path(), &ops, (&admin, &issuer));
        let run = async |words: &[&str], options: &[String]| {
            mintmark(&words.iter().copied().chain(options.iter().map(String::as_str)).collect::<Vec<_>>())
                .await
        };
        let over_tcp = run(&["client", "list"], &as_ops).await;
        let by_socket = mintmark(&["client", "list", "--admin", &format!("unix:{socket}")]).await;
        assert_eq!(over_tcp, by_socket);
        assert_eq!(over_tcp.0, 0, "{over_tcp:?}");
        let (code, made, _) = run(&["client", "create", "new", "--scope", "orders:read"], &as_ops).await;
        assert!(code == 0 && made.contains("mms_"), "{made}");
        let (code, _, told) = run(&["client", "create", "strong", "--scope", "admin:keys"], &as_ops).await;
        assert!(code == 1 && told.contains("admin:keys, which you do not hold"), "{told}");
        let (code, _, told) =
            run(&["key", "list", "--all"], &as_client(desk.path(), &reader, (&admin, &issuer))).await;
        assert!(code == 1 && told.contains("no token for admin:read: invalid_scope"), "{told}");
        let (code, entries, _) = run(
            &["audit", "search", "--event", "client.created"],
            &as_client(desk.path(), &reader, (&admin, &issuer)),
        )
        .await;
        assert!(code == 0 && entries.contains("client:ops"), "{entries}");
        for text in [&over_tcp.2, &told] {
            assert!(!text.contains(&ops.secret), "{text}");
        }

        stop.send(()).unwrap();
        service.await.unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the door is shut");
        mint.reopen().await.unwrap();
    })
    .await;
}

/// What came by TCP and was not let in by the door there is nobody to the routes behind it either.
#[tokio::test]
async fn the_socket_needs_no_token_and_takes_none_for_a_name() {
    with_settings(&[], async |mint| {
        let ops = admin(mint, "ops", ALL).await;
        let token = token_for(mint, &ops, "admin:read").await;
        for fields in [
            vec![],
            vec![("authorization", format!("Bearer {token}"))],
            vec![("authorization", "Bearer x".to_owned())],
        ] {
            let mut request = Request::builder().method(Method::POST).uri("/admin/v1/clients/ops/enable");
            for (name, value) in fields {
                request = request.header(name, value);
            }
            mint.admin_send(request.body(Body::empty()).unwrap()).await.assert_status(200);
        }
    })
    .await;
}
