//! Mistakes and their complaints: lines after a valid issuer, which is line 1 → the exact complaints.

pub(super) const TABLE: &[(&str, &[&str])] = &[
    (
        "[keys]\nactive_fro = \"1d\"",
        &["keys.active_fro: unknown option (line 3); did you mean keys.active_for?"],
    ),
    (
        "colour = 1\n[keys.more]\ndeep = 1\n[tokns]\nlifetime = \"1m\"\n[empty]",
        &[
            "colour: unknown option (line 2); remove it; `mintmark init` writes a file with every option",
            "empty: unknown option (line 7); remove it; `mintmark init` writes a file with every option",
            "keys.more.deep: unknown option (line 4); remove it; `mintmark init` writes a file with every option",
            "tokns.lifetime: unknown option (line 6); did you mean tokens.lifetime?",
        ],
    ),
    (
        "\"keys.active_for\" = \"1d\"",
        &["\"keys.active_for\": unknown option (line 2); did you mean keys.active_for?"],
    ),
    (
        "keys = 1\n[[limits]]",
        &[
            "keys: is a section, not an option (line 2); write [keys] on a line of its own and its options below",
            "limits: is a section, not an option (line 3); write [limits] on a line of its own and its options below",
        ],
    ),
    (
        "[keys]\nleeway = \"1s\"\nleeway = \"2s\"\nactive_for = \"\"",
        &[
            "mintmark.toml: duplicate key (line 4); write each option once",
            "keys.active_for: is blank (line 5); write it like active_for = \"14d\", or leave it out",
        ],
    ),
    ("[keys\n", &["mintmark.toml: unclosed table, expected `]` (line 2); write TOML here"]),
    (
        "[keys]\nactive_for = 14\nalgorithms = \"ES256\"\n[audit]\npublic = \"yes\"\n[limits]\nnodes = 1.5",
        &[
            "audit.public: expected true or false, found string (line 6); write it like public = true",
            "keys.active_for: expected text in quotes, found integer (line 3); write it like active_for = \"14d\"",
            "keys.algorithms: expected a list of texts, found string (line 4); write it like algorithms = [\"ES256\"]",
            "limits.nodes: expected a whole number, found float (line 8); write it like nodes = 1",
        ],
    ),
    (
        "[public]\ntrusted_proxies = [\"10.0.0.0/8\", 1]",
        &[
            "public.trusted_proxies: expected a list of texts, found a list with something else in it (line 3); \
               write it like trusted_proxies = []",
        ],
    ),
    (
        "[keys]\nactive_for = \"14\"\nleeway = \"1 s\"\nclock_skew = \"1w\"\npropagation = \"6m\"\njwks_max_age = \"1500ms\"",
        &[
            "keys.active_for: \"14\" is not a span of time (line 3); write a whole number and a unit (ms, s, m, h, d), such as \"10m\"",
            "keys.jwks_max_age: \"1500ms\" is not a number of whole seconds (line 7); write \"1s\" or \"2s\"",
            "keys.propagation: \"6m\" is too great (line 6); the most is \"5m\"",
            "keys.clock_skew: \"1w\" is not a span of time (line 5); write a whole number and a unit (ms, s, m, h, d), such as \"10m\"",
            "keys.leeway: \"1 s\" is not a span of time (line 4); write a whole number and a unit (ms, s, m, h, d), such as \"10m\"",
        ],
    ),
    (
        "[keys]\nalgorithms = []",
        &[
            "keys.algorithms: names no algorithm (line 3); write some of \"ES256\", \"EdDSA\", \"RS256\", \"PS256\"",
        ],
    ),
    (
        "[keys]\nalgorithms = [\"ES256\", \"ES256\"]",
        &["keys.algorithms: \"ES256\" is named twice (line 3); name each algorithm once"],
    ),
    (
        "[keys]\nalgorithms = [\"none\"]",
        &[
            "keys.algorithms: \"none\" is not an algorithm of Mintmark (line 3); write some of \"ES256\", \"EdDSA\", \"RS256\", \"PS256\"",
        ],
    ),
    (
        "[store]\nurl = \"postgres://mint:secret@db/mint\"\npassword_file = \"pw\"",
        &[
            "store.password_file: belongs to PostgreSQL, which this build does not have (line 4); remove it",
            "store.url: names PostgreSQL, which this build does not have (line 3); write \"sqlite:\" and the path of a file, such as \"sqlite:data/mintmark.db\"",
        ],
    ),
    (
        "[store]\nurl = \"sqlite::memory:\"",
        &[
            "store.url: is not a plain path after \"sqlite:\" (line 3); write \"sqlite:\" and the path of a file, such as \"sqlite:data/mintmark.db\"",
        ],
    ),
    (
        "[admin]\nlisten = \"localhost\"\n[public]\nlisten = \"8080\"",
        &[
            "public.listen: \"8080\" is not an address and a port (line 5); write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
            "admin.listen: \"localhost\" is not an address and a port (line 3); write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
        ],
    ),
    (
        "[admin]\nlisten = \"127.0.0.1:8080\"",
        &["admin.listen: is the same as public.listen; write another port"],
    ),
    (
        "[admin]\nlisten = \"0.0.0.0:8081\"",
        &[
            "admin.listen: 0.0.0.0:8081 is not a loopback address, and plain HTTP would show tokens to the network; set admin.tls_cert_file and admin.tls_key_file, or write an address of 127.0.0.0/8 or [::1]",
        ],
    ),
    (
        "[public]\ntls_cert_file = \"cert.pem\"\n[admin]\ntls_key_file = \"key.pem\"",
        &[
            "public.tls_key_file: is not set, but public.tls_cert_file is; set both for TLS, or none for plain HTTP",
            "admin.tls_cert_file: is not set, but admin.tls_key_file is; set both for TLS, or none for plain HTTP",
        ],
    ),
    (
        "[admin]\ntls_cert_file = \"cert.pem\"\ntls_key_file = \"key.pem\"",
        &["admin.tls_cert_file: is set, but admin.listen is not; set admin.listen, or leave both files out"],
    ),
    (
        "[audit]\norigin = \"my log\"\ndeadline = \"50ms\"",
        &[
            "audit.origin: \"my log\" cannot name a log (line 3); write 1 to 255 bytes without blanks and '+', such as \"auth.example.com/log\"",
            "audit.deadline: \"50ms\" is too small (line 4); the least is \"100ms\"",
        ],
    ),
    (
        "[limits]\nattempts = \"10\"\nsource_attempts = \"0/1m\"\nnodes = 0",
        &[
            "limits.attempts: \"10\" is not a rate (line 3); write a count and a period, such as \"10/1m\"",
            "limits.source_attempts: \"0/1m\" is not a rate (line 4); write a count and a period, such as \"10/1m\": write a whole number from 1 to 1000000000",
            "limits.nodes: \"0\" is not a number that can be used here (line 5); write a whole number from 1 to 1024",
        ],
    ),
    (
        "[tokens]\nlifetime = \"2h\"",
        &["tokens.lifetime: \"2h\" is more than tokens.max_lifetime; write at most \"1h\""],
    ),
    (
        "node = \"a b\"",
        &[
            "node: \"a b\" is not a node name (line 2); write 1 to 64 letters, digits, '.', '_' or '-', such as \"node-1\"",
        ],
    ),
];
