//! The demo's page of commands: the whole flow in a terminal.

use maud::{DOCTYPE, Markup, html};

/// Its style is part of it.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'";

/// The page, with commands that can be copied as they stand. `here` is where this server was asked, `waha` where the
/// fake WAHA listens.
pub(crate) fn page(here: &str, waha: &str) -> String {
    markup(here, waha).into_string()
}

fn markup(here: &str, waha: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Switchboard demo: commands" }
                link rel="icon" href="/ui/favicon.svg" type="image/svg+xml";
                style { (STYLE) }
            }
            body {
                main {
                    p { a href="/" { "Back to the page" } }
                    h1 { "The demo in a terminal" }
                    p {
                        "Everything runs in this one process: the API, a SQLite database in a temporary folder, and a "
                        "fake WAHA. Nothing here reaches WhatsApp, and everything is gone when you stop it."
                    }
                    ol {
                        @for (title, explanation, command) in steps(here, waha) {
                            li {
                                h2 { (title) }
                                p { (explanation) }
                                pre tabindex="0" { code { (command) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The input of a procedure on one session, within a shell's double quotes.
const SESSION: &str = r#"{\"sessionName\":\"$NAME\"}"#;

/// Title, explanation, command.
fn steps(here: &str, waha: &str) -> Vec<(&'static str, &'static str, String)> {
    let query = |procedure: &str, input: &str| {
        format!("curl -s -H \"$AUTH\" -G $B/api/trpc/{procedure} \\\n  --data-urlencode \"input={input}\"")
    };
    let mutate = |procedure: &str| format!("curl -s -H \"$AUTH\" -H \"$JSON\" $B/api/trpc/{procedure}");
    let mutate_session = |procedure: &str| format!("{} \\\n  -d \"{SESSION}\"", mutate(procedure));
    let field = |name: &str| format!(" \\\n  | sed 's/.*\"{name}\":\"\\([^\"]*\\)\".*/\\1/'");
    vec![
        (
            "Sign in",
            "As anybody: this door exists in the demo only.",
            format!(
                "B={here}\nJSON='content-type: application/json'\n\
                 TOKEN=$(curl -s -H \"$JSON\" $B/demo/sign-in -d '{{\"user\":\"alice\"}}'{})\n\
                 AUTH=\"authorization: Bearer $TOKEN\"",
                field("token")
            ),
        ),
        (
            "Connect",
            "Makes alice's session, or finds it.",
            format!("NAME=$({} -X POST{}); echo $NAME", mutate("user.initiateWhatsAppSession"), field("sessionName")),
        ),
        ("Watch the status", "STARTING, then SCAN_QR_CODE.", query("user.getSessionStatus", SESSION)),
        (
            "Look at the QR code",
            "A PNG, as base64.",
            format!("{}{} | base64 -d > qr.png", query("user.getSessionQR", SESSION), field("qr")),
        ),
        (
            "Scan it",
            "A pretended phone does it by itself after a while (see --scan-after), or when you say so.",
            format!("curl -s -H \"$JSON\" {waha}/fake/sessions/$NAME/scan \\\n  -d '{{\"phone\":\"34600111222\"}}'"),
        ),
        (
            "See the session",
            "Connected, with two linked groups and their active campaigns, which the demo adds.",
            "curl -s -H \"$AUTH\" $B/api/trpc/user.getWhatsAppSession".to_owned(),
        ),
        (
            "List groups",
            "Sorted and paged: send nextCursor back as cursor.",
            query("user.getWhatsAppGroups", r#"{\"sessionName\":\"$NAME\",\"limit\":5}"#),
        ),
        (
            "Search contacts",
            "By name, without regard to case and accents, or by number.",
            query("user.getWhatsAppContacts", r#"{\"sessionName\":\"$NAME\",\"search\":\"jose\"}"#),
        ),
        ("Restart", "As WAHA does it.", mutate_session("user.restartSession")),
        (
            "Log out",
            "Unlinks the phone and deletes the session in WAHA. Connect again: it has the same name.",
            mutate_session("user.logoutSession"),
        ),
    ]
}

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { line-height: 1.2; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 0; }
p { margin: .25rem 0 .5rem; }
ol { padding-left: 1.5rem; }
pre { background: color-mix(in srgb, CanvasText 8%, Canvas); border-radius: .5rem; padding: .75rem 1rem;
      overflow-x: auto; font-size: .85rem; }
";
