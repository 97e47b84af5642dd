//! How WAHA servers are configured: one, or a list, in the file and in the environment.

use tempfile::TempDir;

use crate::commands::{SECRET, failure, switchboard};

/// What `config check` says, and what goes wrong.
struct Check(TempDir);

impl Check {
    fn of(section: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = format!("[auth]\nhs256_secret = \"{SECRET}\"\n{section}");
        std::fs::write(folder.path().join("switchboard.toml"), file).expect("a file");
        Self(folder)
    }

    fn good(&self, environment: &[(&str, &str)]) -> String {
        let output = switchboard(self.0.path(), environment, &["config", "check"]).output().expect("it runs");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        assert!(output.status.success(), "{text}");
        text
    }

    fn bad(&self, environment: &[(&str, &str)]) -> String {
        failure(&switchboard(self.0.path(), environment, &["config", "check"]).output().expect("it runs"))
    }
}

const TWO: &str = r#"
[waha]
webhook_url = "https://us.example.com/webhooks/waha"
webhook_secret = "hunter2 for webhooks"
[[waha.workers]]
name = "eu-1"
url = "http://user:hunter2@eu-1.example:3000/hunter2"
api_key = "hunter2"
capacity = 50
[[waha.workers]]
name = "eu-2"
url = "http://eu-2.example:3000"
webhook_secret = "hunter2 for webhooks"
previous_webhook_secret = "hunter2 for webhooks"
"#;

#[test]
fn a_list_of_workers_is_read_and_their_secrets_may_come_from_the_environment() {
    let check = Check::of(TWO);
    let line = check.bad(&[]);
    assert!(line.contains("waha.api_key") && line.contains("SWITCHBOARD__WAHA__API_KEY"), "{line}");
    for environment in [[("WAHA__API_KEY", "hunter2")], [("WAHA__WORKERS__1__API_KEY", "hunter2")]] {
        let text = check.good(&environment);
        assert!(text.contains("2 WAHA workers at http://eu-1.example:3000, http://eu-2.example:3000"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn workers_may_stand_in_the_environment_alone() {
    let environment: Vec<(String, String)> = (0..12)
        .flat_map(|n| {
            let key = |field: &str| format!("WAHA__WORKERS__{n}__{field}");
            [(key("NAME"), format!("w{n}")), (key("URL"), format!("http://w{n}")), (key("CAPACITY"), "10".to_owned())]
        })
        .chain([("WAHA__API_KEY".to_owned(), "00123".to_owned())])
        .collect();
    let environment: Vec<_> = environment.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let text = Check::of("").good(&environment);
    assert!(text.contains("12 WAHA workers at http://w0, http://w1, http://w2,"), "{text}");
}

#[test]
fn the_environment_goes_before_the_file_in_a_list_too() {
    let text = Check::of(TWO).good(&[("WAHA__API_KEY", "k"), ("WAHA__WORKERS__0__URL", "http://elsewhere")]);
    assert!(text.contains("http://elsewhere, http://eu-2.example:3000"), "{text}");
}

#[test]
fn a_wrong_list_is_one_line_that_names_the_key() {
    let worker = |line: &str| {
        Check::of(&format!(
            "[waha]\napi_key = \"k\"\n[[waha.workers]]\nname = \"a\"\nurl = \"http://a\"\n[[waha.workers]]\n{line}\n"
        ))
    };
    let good = r#"name = "b""#;
    let cases: &[(&str, &[&str])] = &[
        (r#"url = "http://b""#, &["waha.workers[1].name", "SWITCHBOARD__WAHA__WORKERS__1__NAME"]),
        (r#"name = "b b""#, &["waha.workers[1].name", "b b", "eu-1"]),
        ("name = \"a\"\nurl = \"http://b\"", &["waha.workers[1].name", "two workers named a"]),
        (good, &["waha.workers[1].url", "SWITCHBOARD__WAHA__WORKERS__1__URL"]),
        ("name = \"b\"\nurl = \"ftp://hunter2\"", &["waha.workers[1].url", "http://127.0.0.1:3000"]),
        ("name = \"b\"\nurl = \"http://b\"\ncapacity = 0", &["waha.workers[1].capacity", "1 or more"]),
        ("name = \"b\"\nurl = \"http://b\"\ncapacity = -1", &["waha.workers[1].capacity", "-1"]),
        ("name = \"b\"\nurl = \"http://b\"\ncapacityy = 1", &["waha.workers[1]", "capacityy"]),
        ("name = \"b\"\nurl = \"http://b/?key=hunter2\"", &["worker b", "query"]),
        ("name = \"b\"\nurl = \"http://x:hunter2@A:80/\"", &["waha.workers[1].url", "waha.workers[0].url", "same"]),
    ];
    for (line, expected) in cases {
        let told = worker(line).bad(&[]);
        assert!(expected.iter().all(|part| told.contains(part)) && !told.contains("hunter2"), "{line}: {told}");
    }
    let both = worker("name = \"b\"\nurl = \"http://b\"").bad(&[("WAHA__URL", "http://c")]);
    assert!(both.contains("waha.url") && both.contains("waha.workers"), "{both}");
    let hook = [("WAHA__WEBHOOK_URL", "http://us.example")];
    let unsigned = worker("name = \"b\"\nurl = \"http://b\"").bad(&hook);
    assert!(unsigned.contains("waha.webhook_secret"), "{unsigned}");
    for key in ["webhook_secret", "previous_webhook_secret"] {
        let short = worker(&format!("name = \"b\"\nurl = \"http://b\"\n{key} = \"hunter2\""));
        let shared = [("WAHA__WEBHOOK_URL", "http://us.example"), ("WAHA__WEBHOOK_SECRET", "long enough for all")];
        let told = short.bad(&shared);
        assert!(told.contains(&format!("waha.workers[1].{key}: expected 16 bytes")), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_place_in_a_list_that_is_none_is_not_passed_over() {
    let one = [("WAHA__URL", "http://a"), ("WAHA__API_KEY", "k")];
    for key in
        ["WAHA__WORKERS__X__URL", "WAHA__WORKERS__4000000000__URL", "WAHA__WORKERS__1000__URL", "WAHA__WORKERS__0"]
    {
        let told = Check::of("").bad(&[&one[..], &[(key, "http://hunter2")]].concat());
        assert!(told.contains("waha.workers.") && !told.contains("hunter2"), "{key}: {told}");
    }
    let gap = Check::of("").bad(&[("WAHA__WORKERS__1__NAME", "b"), ("WAHA__API_KEY", "k")]);
    assert!(gap.contains("waha.workers[0]"), "{gap}");
}

#[test]
fn one_server_may_be_given_its_capacity() {
    let one = "[waha]\nurl = \"http://a\"\napi_key = \"k\"\n";
    Check::of(&format!("{one}capacity = 50\n")).good(&[]);
    let none = Check::of(&format!("{one}capacity = 0\n")).bad(&[]);
    assert!(none.contains("waha.capacity") && none.contains("1 or more"), "{none}");
}
