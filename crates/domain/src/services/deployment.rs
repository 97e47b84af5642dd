//! Which deployment this is.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::ports::{DeploymentRepository, Ports, Random};
use crate::{DeploymentId, Error};

/// Knows this deployment's id, once it has been asked for.
pub(super) struct Deployment {
    deployments: Arc<dyn DeploymentRepository>,
    random: Arc<dyn Random>,
    id: OnceCell<DeploymentId>,
}

impl Deployment {
    pub(super) fn new(ports: &Ports) -> Self {
        let Ports { deployments, random, .. } = ports.clone();
        Self { deployments, random, id: OnceCell::new() }
    }

    /// The id; it is made if the database has none.
    ///
    /// # Errors
    /// The database's failures.
    pub(super) async fn id(&self) -> Result<&DeploymentId, Error> {
        let make = || async {
            let candidate = self.random.cuid().parse().map_err(|_| Error::Internal)?;
            Ok::<_, Error>(self.deployments.ensure(&candidate).await?)
        };
        self.id.get_or_try_init(make).await
    }
}
