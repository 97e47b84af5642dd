//! Switchboard's models, ports and use cases: everything it knows, and nothing about HTTP, SQL or WAHA's JSON.
//!
//! A sibling service takes the models, implements the ports it needs, and leaves the rest. This one plans campaigns on
//! groups that users linked; with `switchboard-pg-adapter` in the place of its own store, Switchboard's users see them in
//! their session at once.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//!
//! use async_trait::async_trait;
//! use chrono::{DateTime, Utc};
//! use switchboard_domain::ports::{CampaignRepository, Clock, StorageError};
//! use switchboard_domain::{Campaign, CampaignId, CampaignStatus, LinkedGroupId, PhoneNumber, SystemClock};
//!
//! /// An adapter: where this service keeps campaigns.
//! #[derive(Default)]
//! struct Notebook(Mutex<HashMap<CampaignId, Campaign>>);
//!
//! #[async_trait]
//! impl CampaignRepository for Notebook {
//!     async fn save(&self, campaign: &Campaign, _now: DateTime<Utc>) -> Result<(), StorageError> {
//!         self.0.lock().unwrap().insert(campaign.id.clone(), campaign.clone());
//!         Ok(())
//!     }
//!
//!     async fn find(&self, id: &CampaignId) -> Result<Option<Campaign>, StorageError> {
//!         Ok(self.0.lock().unwrap().get(id).cloned())
//!     }
//!
//!     async fn delete(&self, id: &CampaignId, _now: DateTime<Utc>) -> Result<bool, StorageError> {
//!         Ok(self.0.lock().unwrap().remove(id).is_some())
//!     }
//! }
//!
//! /// A use case: plain, and blind to what is behind its ports.
//! struct PlanCampaign {
//!     campaigns: Arc<dyn CampaignRepository>,
//!     clock: Arc<dyn Clock>,
//! }
//!
//! impl PlanCampaign {
//!     async fn run(&self, id: CampaignId, group: LinkedGroupId) -> Result<Campaign, StorageError> {
//!         let now = self.clock.now();
//!         let campaign = Campaign { id, group, status: CampaignStatus::Scheduled, start_date: now };
//!         self.campaigns.save(&campaign, now).await?;
//!         Ok(campaign)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let campaigns = Arc::new(Notebook::default());
//! let plan = PlanCampaign { campaigns: campaigns.clone(), clock: Arc::new(SystemClock) };
//! let planned = plan.run("spring-sale".parse()?, "tz4a98xxat96iws9zmbrgj3a".parse()?).await?;
//! assert_eq!(campaigns.find(&planned.id).await?, Some(planned));
//!
//! // The models parse, fold and page by the same rules as Switchboard itself.
//! assert_eq!("0034 600-111.222".parse::<PhoneNumber>()?.as_str(), "+34600111222");
//! assert_eq!(switchboard_domain::fold("José Straße"), "jose strasse");
//! # Ok(())
//! # }
//! ```
//!
//! Its tests may use the mocks of the ports that the feature `mock` brings: `switchboard_domain::ports::MockClock` and
//! the like.

mod api_key;
mod audit;
mod campaign;
mod chat;
mod contact;
mod directory;
mod error;
mod flight;
mod fold;
#[cfg(test)]
mod fuzzed;
mod group;
mod local_bus;
mod page;
mod parse;
mod phone;
mod qr;
mod scope;
mod search;
mod session;
mod status;
mod system;
mod user;
mod worker;

pub mod placement;
pub mod ports;
pub mod services;

pub use api_key::{ApiKey, ApiKeyHash, ApiKeyId, ApiKeyName, ApiKeySecret, ConnectKeyTooLong};
pub use audit::{AuditAction, AuditEntry, AuditId, AuditOutcome, Deed, Means};
pub use campaign::{Campaign, CampaignId, CampaignStatus};
pub use chat::{ChatId, ChatKind, GroupId};
pub use contact::{Contact, LidTwin, ListedContact};
pub use directory::{
    Damaged, Entries, Entry, GroupChange, GroupEvent, IdText, ListKind, ListVersion, Matches, Picked, Snapshot, View,
};
pub use error::{Error, Precondition};
pub use fold::fold;
pub use group::{Group, GroupCampaigns, LinkedGroup, LinkedGroupId, UNKNOWN_NAME};
pub use local_bus::LocalBus;
pub use page::Limit;
pub use parse::ParseError;
pub use phone::PhoneNumber;
pub use qr::{PairingCode, QrCode};
pub use scope::Scope;
pub use search::SearchTerm;
pub use session::{
    Epoch, Lifecycle, Observation, Revision, Session, SessionAddress, SessionId, SessionName, SessionOverview,
};
pub use status::SessionStatus;
pub use system::{SystemClock, SystemRandom};
pub use user::UserId;
pub use worker::{
    DeploymentId, Me, SessionLabels, UpstreamSession, WorkerHealth, WorkerInfo, WorkerName, WorkerSoftware, WorkerState,
};
