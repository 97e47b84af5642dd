//! Files and variables, with anything in the place of anything.

use switchboard_fuzz::Target;

use super::*;

/// Files; lines that begin like a variable of ours stand for the environment.
const SEEDS: [&str; 5] = [
    r#"
[server]
bind = "127.0.0.1:8080"
workers = 2
trpc_path = "/api/trpc"
cors_origins = ["https://app.example.com"]
drain_seconds = 2
shutdown_seconds = 30
page = true
[database]
url = "postgres://user:password@host:5432/database?sslmode=require"
max_connections = 16
[directory]
memory_bytes = 67108864
[streams]
per_user = 10
[log]
filter = "info,switchboard=debug"
format = "json"
"#,
    r#"
[waha]
url = "http://127.0.0.1:3000"
api_key = "key"
webhook_url = "https://api.example.com/webhooks/waha"
webhook_secret = "a secret of webhooks"
previous_webhook_secret = "the secret before it"
capacity = 500
lists_max_bytes = 1048576
deadlines = { connect_seconds = 3, status_seconds = 5, qr_seconds = 15, lifecycle_seconds = 35, lists_seconds = 130 }
[auth]
hs256_secret = "a secret that is long enough for it"
"#,
    r#"
[[waha.workers]]
name = "eu-1"
url = "http://waha-1:3000/below"
api_key = "one"
capacity = 50
[[waha.workers]]
name = "eu-2"
url = "https://waha-2:3000"
api_key = "two"
webhook_secret = "a secret of its own"
[auth]
jwks_url = "https://id.example.com/.well-known/jwks.json"
issuer = "https://id.example.com"
audience = "switchboard"
authorized_parties = ["https://app.example.com"]
leeway_seconds = 30
user_claim = "sub"
api_keys = true
"#,
    r#"
[auth.cookie]
kind = "better-auth"
secret = "a secret that is long enough for it"
names = ["better-auth.session_token"]
schema = "public"
table = "session"
token_column = "token"
user_column = "userId"
expires_column = "expiresAt"
"#,
    "
SWITCHBOARD__SERVER__BIND=[::1]:80
SWITCHBOARD__SERVER__CORS_ORIGINS=https://a.example, https://b.example
SWITCHBOARD__SERVER__WORKERS=3
SWITCHBOARD__WAHA__WORKERS__0__NAME=eu-1
SWITCHBOARD__WAHA__WORKERS__0__URL=http://waha-1:3000
SWITCHBOARD__WAHA__WORKERS__0__API_KEY=00123
SWITCHBOARD__AUTH__COOKIE__KIND=authjs
SWITCHBOARD__AUTH__API_KEYS=true
",
];

const WORDS: [&str; 26] = [
    "[",
    "]",
    "[[",
    "=",
    "\"",
    "\"\"\"",
    "\n",
    ".",
    "{ }",
    "true",
    "1979-05-27T07:32:00Z",
    "0x10",
    "1_000",
    "nan",
    "inf",
    "SWITCHBOARD__",
    "WAHA__WORKERS__999__URL",
    "__1__",
    "__",
    "waha.workers",
    "https://",
    "sqlite://",
    "postgres://",
    "a=b,c[d{e}]=trace",
    "auth.cookie",
    "authjs",
];

#[test]
fn whatever_is_configured_is_good_or_refused_in_a_line() {
    let refused = |error: &anyhow::Error| {
        let told = format!("{error:#}");
        assert!(!told.is_empty() && told.lines().count() == 1, "{told:?}");
    };
    Target::new("config").seeds(SEEDS).words(WORDS).run(|input| {
        let text = String::from_utf8_lossy(input);
        let (variables, file): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("SWITCHBOARD__"));
        let variables = variables.into_iter().filter_map(|line| line.split_once('='));
        let variables = variables.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let file = File::from_str(&file.join("\n"), FileFormat::Toml);
        match Config::read(file, Config::environment().source(Some(variables))) {
            Err(error) => refused(&error),
            Ok(config) => {
                let _ = config.server().inspect_err(refused);
                let _ = config.max_connections().inspect_err(refused);
                let _ = config.limits().inspect_err(refused);
                let _ = config.auth().inspect_err(refused);
                let _ = config.workers().inspect_err(refused);
                let _ = config.waha_client().inspect_err(refused);
                let _ = config.log().inspect_err(refused);
            }
        }
    });
}
