//! The `switchboard` binary: reads what it is told, wires the adapters to the use cases, and runs.

mod audit;
mod cli;
mod commands;
mod config;
mod demo;
mod import;
mod jwks;
mod keys;
mod migrate;
mod serve;
mod table;
mod telemetry;
mod tls;
mod users;
mod wiring;
mod workers;

use std::process::ExitCode;

use clap::Parser as _;

use self::cli::{Cli, Command, ConfigCommand};
use self::config::Config;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line that says what was wrong; `{:#}` adds the causes.
            eprintln!("switchboard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let config = || Config::load(cli.config.as_deref());
    match cli.command {
        Command::Demo(options) => demo::run(options).await,
        Command::Serve => serve::run(config()?).await,
        Command::Migrate => migrate::run(&config()?).await,
        Command::Workers(command) => workers::run(&config()?, command).await,
        Command::Keys(command) => keys::run(&config()?, command).await,
        Command::Users(command) => users::run(&config()?, command).await,
        Command::Audit(options) => audit::run(&config()?, options).await,
        Command::Import(options) => import::run(&config()?, options).await,
        Command::Token(options) => {
            let ttl = options.ttl()?;
            println!("{}", wiring::token_key(&config()?.auth()?)?.sign_scoped(&options.user, ttl, options.scope)?);
            Ok(())
        }
        Command::Config(ConfigCommand::Check) => {
            println!("{}", config()?.check()?);
            Ok(())
        }
        Command::Openapi => {
            print!("{}", switchboard_http::openapi());
            Ok(())
        }
        Command::Typescript => {
            print!("{}", switchboard_http::typescript());
            Ok(())
        }
    }
}
