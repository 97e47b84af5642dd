//! A SQLite file on a disk that is full, and one that somebody else has locked.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::{Value, json};
use support::app::Answer;
use switchboard_waha_fake::{FakeWaha, Options};
use tokio::time::sleep;

use super::server::Server;

const UNAVAILABLE: (u16, &str, &str) = (503, "SERVICE_UNAVAILABLE", "database_unavailable");

/// How many users want to connect while nothing can be written: more than fits into what SQLite has room for already.
const MANY: usize = 60;

fn said(answer: &Answer) -> (u16, &str, &str) {
    let (code, reason) = answer.error();
    (answer.status, code, reason)
}

async fn waha() -> FakeWaha {
    switchboard_waha_fake::start(Options { time_scale: 50.0, ..Options::default() }).await.unwrap()
}

/// The program, run by a shell that does something first.
fn after(preparation: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{preparation} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_switchboard")]);
    shell
}

/// Has users connect until a connect is refused, and others after that; returns those who were refused.
async fn connect_without_room(server: &Server) -> Vec<String> {
    let mut refused = Vec::new();
    for n in 0..MANY {
        let user = format!("late{n}");
        let began = Instant::now();
        let answer = server.ask(&user, "user.initiateWhatsAppSession", Value::Null).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        if answer.status != 200 {
            assert_eq!(said(&answer), UNAVAILABLE, "{answer:?} {}", server.log());
            refused.push(user);
        }
        if refused.len() == 5 {
            return refused;
        }
    }
    panic!("{} of {MANY} were refused", refused.len());
}

/// A server without room serves what it has, says that it cannot write, and goes on once it can.
/// Returns how many were refused, and how many lines of the log tell of that.
async fn a_disk_without_room(
    server: Server,
    waha: &FakeWaha,
    fill: impl FnOnce(),
    free: impl FnOnce(),
) -> (usize, usize) {
    let name = server.pair(waha, "ana", "34600111222").await;
    let session = json!({ "sessionName": name });
    let groups = server.ask("ana", "user.getWhatsAppGroups", session.clone()).await;
    assert_eq!(groups.status, 200, "{groups:?}");

    fill();
    let before = server.log().matches("request failed").count();
    let refused = connect_without_room(&server).await;
    let log = server.log();
    let lines = log.matches("request failed").count() - before;
    println!("{} refused: {}", refused.len(), log.lines().last().unwrap_or_default());
    server.until_red().await;
    assert_eq!(server.status("/healthz").await, 200);
    for (procedure, input) in [
        ("user.getWhatsAppSession", Value::Null),
        ("user.getSessionStatus", session.clone()),
        ("user.getWhatsAppGroups", session.clone()),
    ] {
        let answer = server.ask("ana", procedure, input).await;
        assert_eq!(answer.status, 200, "what is read needs no room: {answer:?}");
    }
    let logout = server.ask("ana", "user.logoutSession", session.clone()).await;
    assert!(logout.status == 200 || said(&logout) == UNAVAILABLE, "{logout:?}");

    free();
    println!("ready {:?} after there is room", server.until_ready(Duration::from_secs(10)).await);
    is_whole(&server, waha, &refused).await;
    (refused.len(), lines)
}

/// Everybody can connect and log out, and nothing is left in WAHA that nobody owns.
async fn is_whole(server: &Server, waha: &FakeWaha, refused: &[String]) {
    let everybody = (0..MANY).map(|n| format!("late{n}")).chain(["ana".to_owned()]);
    let mut names = BTreeSet::new();
    for user in everybody {
        if refused.contains(&user) {
            let own = server.ask(&user, "user.getWhatsAppSession", Value::Null).await;
            assert_eq!(own.data(), &Value::Null, "{user}'s connect was not done by half");
        }
        names.insert(server.connect(&user).await);
    }
    let running: BTreeSet<_> = waha.sessions().into_iter().map(|session| session.name).collect();
    assert_eq!(running, names, "each has one session, and nobody has another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_is_a_database_that_is_not_available_until_there_is_room() {
    // A small disk, which nobody else sees and which is gone with the process.
    let small = "mkdir -p disk && mount -t tmpfs -o size=16m tmpfs disk";
    let mut trial = Command::new("unshare");
    trial.args(["-Urm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).stderr(Stdio::null());
    if !trial.status().is_ok_and(|status| status.success()) {
        let _ = writeln!(io::stderr(), "LEFT OUT: no disk of our own can be mounted here, so none is filled");
        return;
    }
    let mut command = Command::new("unshare");
    let shell = after(small);
    command.arg("-Urm").arg(shell.get_program()).args(shell.get_args());
    let waha = waha().await;
    let server = Server::of(command, &[("DATABASE__URL", "sqlite://disk/switchboard.sqlite")], &waha, None).await;
    let folder = server.path("disk");
    let seen_by_it = format!("/proc/{}/root{}", server.pid(), folder.display());
    let ballast = PathBuf::from(seen_by_it).join("ballast");
    let (fill, free) = (ballast.clone(), ballast);
    let (refused, lines) = a_disk_without_room(
        server,
        &waha,
        move || {
            let mut file = File::create(fill).unwrap();
            let full = std::iter::repeat_with(|| file.write_all(&[7; 512])).find_map(Result::err).unwrap();
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        },
        move || std::fs::remove_file(free).unwrap(),
    )
    .await;
    assert_eq!(lines, refused, "each refusal is a line of the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_is_a_database_that_is_not_available_until_it_may() {
    let waha = waha().await;
    // Without the signal, writes fail, as they do on a disk that is broken.
    let command = after("trap '' XFSZ");
    let server = Server::of(command, &[("DATABASE__URL", "sqlite://switchboard.sqlite")], &waha, None).await;
    let pid = server.pid();
    let limit = move |limit: &str| {
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).status();
        assert!(set.unwrap().success(), "a process of ours can be limited");
    };
    // Its log, too, cannot be written then.
    a_disk_without_room(server, &waha, || limit("512"), || limit("unlimited")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_else_has_locked_can_be_read_and_is_written_again_as_soon_as_it_is_free() {
    let waha = waha().await;
    let server = Server::with(&[("DATABASE__URL", "sqlite://switchboard.sqlite")], &waha).await;
    let name = server.pair(&waha, "ana", "34600111222").await;
    let session = json!({ "sessionName": name });
    let mut other = SqliteConnection::establish(server.path("switchboard.sqlite").to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN EXCLUSIVE").unwrap();

    let began = Instant::now();
    let connects = async {
        for answer in futures_util::future::join_all((0..20).map(|n| {
            let user = format!("late{n}");
            let server = &server;
            async move { server.ask(&user, "user.initiateWhatsAppSession", Value::Null).await }
        }))
        .await
        {
            assert_eq!(said(&answer), UNAVAILABLE, "{answer:?}");
        }
        began.elapsed()
    };
    let reads = async {
        let mut slowest = Duration::ZERO;
        while began.elapsed() < Duration::from_secs(3) {
            let asked = Instant::now();
            let answer = server.ask("ana", "user.getWhatsAppSession", Value::Null).await;
            assert_eq!(answer.data()["sessionName"], session["sessionName"], "{answer:?}");
            slowest = slowest.max(asked.elapsed());
        }
        slowest
    };
    let ready = async {
        // The first write has been refused by then.
        sleep(Duration::from_millis(4500)).await;
        server.status("/readyz").await
    };
    let (refused, slowest, ready) = tokio::join!(connects, reads, ready);
    println!("20 connects are refused within {refused:?}; meanwhile the slowest read took {slowest:?}");
    assert_eq!(ready, 503);
    assert!(refused < Duration::from_secs(12), "{refused:?}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    assert_eq!(server.status("/healthz").await, 200);

    other.batch_execute("ROLLBACK").unwrap();
    println!("ready {:?} after it is free", server.until_ready(Duration::from_secs(10)).await);
    let refused: Vec<_> = (0..20).map(|n| format!("late{n}")).collect();
    is_whole(&server, &waha, &refused).await;
}
