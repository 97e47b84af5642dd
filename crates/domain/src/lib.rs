//! Switchboard's models, ports and use cases: everything it knows, and nothing about HTTP, SQL or WAHA's JSON.

mod campaign;
mod chat;
mod contact;
mod error;
mod flight;
mod group;
mod page;
mod parse;
mod phone;
mod qr;
mod search;
mod session;
mod status;
mod system;
mod user;
mod worker;

pub mod ports;
pub mod services;

pub use campaign::{Campaign, CampaignId, CampaignStatus};
pub use chat::{ChatId, ChatKind, GroupId};
pub use contact::{Contact, LidTwin, ListedContact};
pub use error::{Error, Precondition};
pub use group::{Group, GroupCampaigns, LinkedGroup, LinkedGroupId, UNKNOWN_NAME};
pub use page::{Limit, Page};
pub use parse::ParseError;
pub use phone::PhoneNumber;
pub use qr::{PairingCode, QrCode};
pub use search::{SearchTerm, fold};
pub use session::{Epoch, Lifecycle, Observation, Session, SessionAddress, SessionId, SessionName, SessionOverview};
pub use status::SessionStatus;
pub use system::{SystemClock, SystemRandom};
pub use user::UserId;
pub use worker::{DeploymentId, Me, SessionLabels, UpstreamSession, WorkerHealth, WorkerName};
