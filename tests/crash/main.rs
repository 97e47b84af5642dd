//! The use cases in a process that dies where it is told to: see `tests/it/crash`.
//!
//! `switchboard-crash DATABASE AHEAD NAME=URL=KEY…` takes commands from its input, a line each, and answers each with a
//! line. Its clock is `AHEAD` seconds ahead.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use support::clock::TestClock;
use support::crash::{Trap, trapped};
use support::stores::Stores;
use switchboard_domain::services::Services;
use switchboard_domain::{Error, Means, UserId};
use switchboard_waha_adapter::{ClientConfig, WahaGateway, WorkerConfig};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let database = arguments.next().expect("a database");
    let ahead = arguments.next().and_then(|seconds| seconds.parse().ok()).expect("how far the clock is ahead");
    let clock = Arc::new(TestClock::behind(Duration::ZERO));
    clock.advance(Duration::from_secs(ahead));
    let config = ClientConfig::default();
    let gateway = WahaGateway::new(arguments.map(|worker| configured(&worker)), &config, clock.clone());
    let stores = Stores::at(&database).await;
    let trap = Arc::new(Trap::default());
    let ports = trapped(stores.ports(Arc::new(gateway.expect("good workers")), clock.clone()), &trap);
    let services = Arc::new(Services::new(&ports, Services::DIRECTORY_MEMORY));

    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(command)) = commands.next_line().await {
        let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
        let answer = match verb {
            "arm" => {
                trap.arm(rest.parse().ok());
                Ok(String::new())
            }
            "points" => Ok(trap.points().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            "advance" => {
                clock.advance(Duration::from_secs(rest.parse().expect("seconds")));
                Ok(String::new())
            }
            "round" => Ok(format!("{:?}", services.reconciler.round().await)),
            // As `serve` does.
            "live" => {
                let living = Arc::clone(&services);
                tokio::spawn(async move { living.follow().await });
                let living = Arc::clone(&services);
                tokio::spawn(async move { living.watch_workers().await });
                let living = Arc::clone(&services);
                tokio::spawn(async move { living.reconcile().await });
                Ok(String::new())
            }
            verb => act(&services, &stores, verb, &rest.parse().expect("a user id")).await,
        };
        let line = answer.map_or_else(|error| format!("error {error:?}"), |answer| format!("ok {answer}"));
        let mut output = std::io::stdout();
        writeln!(output, "{line}").and_then(|()| output.flush()).expect("somebody listens");
    }
}

async fn act(services: &Services, stores: &Stores, verb: &str, user: &UserId) -> Result<String, Error> {
    // Found outside of the ports with traps: the use cases look for it themselves.
    let name = || async {
        let overview = stores.sessions.overview(user).await?;
        overview.map(|overview| overview.session.name).ok_or(Error::NotFound)
    };
    match verb {
        "connect" => Ok(services.connect.run(user, Means::Token).await?.name.to_string()),
        "logout" => services.logout.run(user, &name().await?, Means::Token).await.map(|()| String::new()),
        "restart" => services.restart.run(user, &name().await?, Means::Token).await.map(|()| String::new()),
        "status" => Ok(services.get_status.run(user, &name().await?).await?.to_string()),
        verb => panic!("{verb:?} is no command"),
    }
}

fn configured(worker: &str) -> WorkerConfig {
    let mut parts = worker.splitn(3, '=');
    let mut part = || parts.next().expect("NAME=URL=KEY");
    WorkerConfig {
        name: part().parse().expect("a worker's name"),
        url: part().parse().expect("an address"),
        api_key: SecretString::from(part()),
        capacity: 100,
        webhook: None,
    }
}
