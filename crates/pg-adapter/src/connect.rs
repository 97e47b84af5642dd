//! Opening connections.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls;

/// A database, and how it is talked to.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) config: Config,
    /// Used if the configuration wants it.
    pub(crate) tls: MakeRustlsConnect,
}

impl Server {
    /// Opens one connection, which takes as long as it takes.
    pub(crate) async fn open(&self) -> Result<(Client, Connection<Socket, tls::Stream>), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }
}

/// Opens one connection.
pub(crate) async fn connect(server: &Server, deadline: Duration) -> ConnectionResult<AsyncPgConnection> {
    let opening = async {
        let (client, connection) = server.open().await.map_err(|e| refused(&e))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    };
    tokio::time::timeout(deadline, opening)
        .await
        .unwrap_or_else(|_| Err(ConnectionError::BadConnection("no connection in time".to_owned())))
}

/// Opens one connection on the runtime behind `home`.
///
/// A connection lives on the runtime that opened it. Web workers have runtimes of their own, which end one by one at
/// shutdown, and a pool's connections serve them all: so they are opened on the runtime that outlives the workers.
pub(crate) async fn connect_at(
    home: Option<Handle>,
    server: Server,
    deadline: Duration,
) -> ConnectionResult<AsyncPgConnection> {
    let Some(home) = home else { return connect(&server, deadline).await };
    // Ends with its caller: of a queue that gives up waiting all at once, each would leave a connection behind otherwise,
    // and the server would run out of them.
    let mut opening = JoinSet::new();
    opening.spawn_on(async move { connect(&server, deadline).await }, &home);
    match opening.join_next().await {
        Some(Ok(opened)) => opened,
        Some(Err(error)) => Err(ConnectionError::BadConnection(error.to_string())),
        None => Err(ConnectionError::BadConnection("the runtime is gone".to_owned())),
    }
}

/// diesel keeps only a text of an error.
fn refused(error: &tokio_postgres::Error) -> ConnectionError {
    ConnectionError::BadConnection(described(error))
}

/// An error with its cause: tokio-postgres says why in its source.
pub(crate) fn described(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
