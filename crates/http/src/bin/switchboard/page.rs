//! The demo's start page: what to try.

use maud::{DOCTYPE, Markup, html};

/// The page, with commands that can be copied as they stand. `here` is where this server was asked, `waha` where the
/// fake WAHA listens.
pub(crate) fn start(here: &str, waha: &str) -> String {
    page(here, waha).into_string()
}

fn page(here: &str, waha: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Switchboard demo" }
                style { (STYLE) }
            }
            body {
                main {
                    h1 { "Switchboard demo" }
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

/// The input of a procedure on one session, for a shell's double quotes.
const SESSION: &str = r#"{\"sessionName\":\"$NAME\"}"#;

fn steps(here: &str, waha: &str) -> Vec<(&'static str, &'static str, String)> {
    let query = |procedure: &str, input: &str| {
        let url = format!("{here}/api/trpc/{procedure}");
        if input.is_empty() {
            format!("curl -s -H \"$AUTH\" {url}")
        } else {
            format!("curl -s -G -H \"$AUTH\" {url} --data-urlencode \"input={input}\"")
        }
    };
    let mutate = |procedure: &str, input: &str| {
        let body = if input.is_empty() { String::new() } else { format!(" -d \"{input}\"") };
        format!("curl -s -X POST -H \"$AUTH\" -H 'content-type: application/json' {here}/api/trpc/{procedure}{body}")
    };
    vec![
        (
            "Sign in",
            "As anybody: this door exists in the demo only.",
            format!(
                "TOKEN=$(curl -s {here}/demo/sign-in -H 'content-type: application/json' \\\n  -d '{{\"user\":\"alice\"}}' \
                 | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')\nAUTH=\"authorization: Bearer $TOKEN\""
            ),
        ),
        (
            "Connect",
            "Makes alice's session, or finds it.",
            format!(
                "NAME=$({} \\\n  | sed 's/.*\"sessionName\":\"\\([^\"]*\\)\".*/\\1/'); echo \"$NAME\"",
                mutate("user.initiateWhatsAppSession", "")
            ),
        ),
        ("Watch the status", "STARTING, then SCAN_QR_CODE.", query("user.getSessionStatus", SESSION)),
        (
            "Look at the QR code",
            "A PNG, as base64.",
            format!(
                "{} \\\n  | sed 's/.*\"qr\":\"\\([^\"]*\\)\".*/\\1/' | base64 -d > qr.png",
                query("user.getSessionQR", SESSION)
            ),
        ),
        (
            "Scan it",
            "A pretended phone does it by itself after a while (see --scan-after), or when you say so.",
            format!(
                "curl -s -X POST -H 'content-type: application/json' {waha}/fake/sessions/$NAME/scan \\\n  \
                 -d '{{\"phone\":\"34600111222\"}}'"
            ),
        ),
        (
            "See the session",
            "Connected, with two linked groups and their active campaigns, which the demo adds.",
            query("user.getWhatsAppSession", ""),
        ),
        (
            "List and search groups and contacts",
            "Paged, sorted, searched without regard to case and accents.",
            format!(
                "{}\n{}",
                query("user.getWhatsAppGroups", r#"{\"sessionName\":\"$NAME\",\"limit\":5}"#),
                query("user.getWhatsAppContacts", r#"{\"sessionName\":\"$NAME\",\"search\":\"jose\"}"#)
            ),
        ),
        ("Restart", "As WAHA does it.", mutate("user.restartSession", SESSION)),
        (
            "Log out",
            "Unlinks the phone and deletes the session in WAHA. Connect again: it has the same name.",
            mutate("user.logoutSession", SESSION),
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
