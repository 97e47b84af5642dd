//! The procedures of a session.

use serde::Serialize;
use switchboard_domain::services::Connected;
use switchboard_domain::{
    Campaign, CampaignStatus, Error as DomainError, GroupCampaigns, PhoneNumber, QrCode, SessionOverview, SessionStatus,
};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::{Context, OfSession, Success, session_name};
use crate::schema::JsonSchema;
use crate::trpc::{Code, Date, DatePaths, Error, Fields, Input, Output, string};

/// `user.getWhatsAppSession`
pub(super) async fn get(call: Context, (): ()) -> Result<Option<SessionOutput>, Error> {
    let overview = call.state.services.get_session.run(call.user()?).await?;
    Ok(overview.map(SessionOutput::from))
}

/// `user.initiateWhatsAppSession`
pub(super) async fn initiate(call: Context, (): ()) -> Result<Initiated, Error> {
    let connected = call.state.services.connect.run(call.user()?, call.means()?).await.map_err(not_created)?;
    Ok(connected.into())
}

/// `user.getSessionStatus`
pub(super) async fn status(call: Context, input: OfSession) -> Result<StatusOutput, Error> {
    let name = session_name(&input.session_name)?;
    let status = call.state.services.get_status.run(call.user()?, &name).await?;
    Ok(StatusOutput::from(status))
}

/// `user.getSessionQR`
pub(super) async fn qr(call: Context, input: OfSession) -> Result<QrOutput, Error> {
    let name = session_name(&input.session_name)?;
    let code = call.state.services.get_qr.run(call.user()?, &name).await?;
    Ok(code.into())
}

/// `user.restartSession`
pub(super) async fn restart(call: Context, input: OfSession) -> Result<Success, Error> {
    let name = session_name(&input.session_name)?;
    call.state.services.restart.run(call.user()?, &name, call.means()?).await?;
    Ok(Success::YES)
}

/// `user.updateSessionPhone`
pub(super) async fn update_phone(call: Context, input: UpdatePhone) -> Result<Success, Error> {
    let id = input.id.parse().map_err(|_| DomainError::NotFound)?;
    call.state.services.set_phone.run(call.user()?, &id, &input.phone_number).await?;
    Ok(Success::YES)
}

/// `user.logoutSession`
pub(super) async fn logout(call: Context, input: OfSession) -> Result<Success, Error> {
    let name = session_name(&input.session_name)?;
    call.state.services.logout.run(call.user()?, &name, call.means()?).await?;
    Ok(Success::YES)
}

/// The documented API has one text for whatever goes wrong outside; the reason is in the log.
fn not_created(error: DomainError) -> Error {
    let outside = match &error {
        DomainError::Gateway(_)
        | DomainError::NoWorker
        | DomainError::WorkerFailing
        | DomainError::Busy
        | DomainError::Precondition(_) => true,
        DomainError::NotFound
        | DomainError::NoGroup
        | DomainError::ActiveCampaign
        | DomainError::VersionGone
        | DomainError::TooSoon(_)
        | DomainError::Internal
        | DomainError::Storage(_) => false,
    };
    let told = Error::from(error);
    if outside { told.retold(Code::InternalServerError, "Failed to create WhatsApp session") } else { told }
}

/// The input of `user.updateSessionPhone`.
pub(super) struct UpdatePhone {
    id: String,
    phone_number: PhoneNumber,
}

impl Input for UpdatePhone {
    fn parse(fields: &mut Fields) -> Option<Self> {
        let id = fields.read("id", string().min(1));
        let phone_number = fields.read("phoneNumber", string().min(1).parsed(str::parse::<PhoneNumber>));
        Some(Self { id: id?, phone_number: phone_number? })
    }
}

/// A session that WAHA has accepted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectedSession)]
pub(crate) struct Initiated {
    /// Its name, which the other operations take.
    session_name: String,
    /// Its id, which never changes.
    id: String,
}

impl Output for Initiated {
    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

impl From<Connected> for Initiated {
    fn from(connected: Connected) -> Self {
        Self { session_name: connected.name.into(), id: connected.id.into() }
    }
}

/// How a session is.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionStatus)]
pub(crate) struct StatusOutput {
    #[schema(schema_with = status_word)]
    status: String,
}

/// The words that are known, as examples: there may be others.
pub(crate) fn status_word() -> Object {
    let words = SessionStatus::KNOWN.map(|status| status.as_str().to_owned());
    let about = "WAHA's word: one of these, or one that is newer than this server.";
    ObjectBuilder::new().schema_type(Type::String).examples(words).description(Some(about)).build()
}

impl Output for StatusOutput {
    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

impl From<SessionStatus> for StatusOutput {
    fn from(status: SessionStatus) -> Self {
        Self { status: status.as_str().to_owned() }
    }
}

/// A QR code.
#[derive(Serialize, ToSchema)]
#[schema(as = QrCode)]
pub(crate) struct QrOutput {
    /// A PNG in base64, without a data-URL prefix. A login secret.
    qr: String,
}

impl Output for QrOutput {
    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

impl From<QrCode> for QrOutput {
    fn from(code: QrCode) -> Self {
        Self { qr: code.png_base64 }
    }
}

/// A user's connected session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(crate) struct SessionOutput {
    /// Its id, which never changes.
    id: String,
    /// Its name, which the other operations take.
    session_name: String,
    /// In E.164, `""` until known: the account's, unless the user wrote another.
    phone_number: String,
    /// Whose it is.
    user_id: String,
    /// When the user connected for the first time.
    created_at: Date,
    /// When what is shown here last changed.
    updated_at: Date,
    /// The linked groups of the present account.
    #[serde(rename = "WhatsAppGroups")]
    groups: Vec<LinkedGroupOutput>,
}

impl Output for SessionOutput {
    fn dates(&self, at: &mut DatePaths) {
        at.date("createdAt");
        at.date("updatedAt");
        at.value("WhatsAppGroups", &self.groups);
    }

    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

impl From<SessionOverview> for SessionOutput {
    fn from(SessionOverview { session, groups }: SessionOverview) -> Self {
        Self {
            id: session.id.into(),
            session_name: session.name.into(),
            phone_number: session.phone.map(String::from).unwrap_or_default(),
            user_id: session.owner.into(),
            created_at: session.created_at.into(),
            updated_at: session.updated_at.into(),
            groups: groups.into_iter().map(LinkedGroupOutput::from).collect(),
        }
    }
}

/// A group that the user works with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LinkedGroup)]
pub(crate) struct LinkedGroupOutput {
    /// The id of the link.
    id: String,
    /// The group's name, which follows renames.
    group_name: String,
    /// WhatsApp's id of the group.
    group_id: String,
    /// The id of the session.
    session_id: String,
    /// When it was linked.
    created_at: Date,
    /// When it was last linked or renamed.
    updated_at: Date,
    /// The active ones.
    campaigns: Vec<CampaignOutput>,
}

impl Output for LinkedGroupOutput {
    fn dates(&self, at: &mut DatePaths) {
        at.date("createdAt");
        at.date("updatedAt");
        at.value("campaigns", &self.campaigns);
    }

    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

impl From<GroupCampaigns> for LinkedGroupOutput {
    fn from(GroupCampaigns { group, campaigns }: GroupCampaigns) -> Self {
        Self {
            id: group.id.into(),
            group_name: group.name,
            group_id: group.group.into(),
            session_id: group.session.into(),
            created_at: group.created_at.into(),
            updated_at: group.updated_at.into(),
            campaigns: campaigns.into_iter().map(CampaignOutput::from).collect(),
        }
    }
}

/// A campaign that is planned or running.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Campaign)]
pub(crate) struct CampaignOutput {
    /// Its id.
    id: String,
    #[schema(schema_with = active_status)]
    status: &'static str,
    /// When it starts or started.
    start_date: Date,
}

/// Those that are not active are not shown.
fn active_status() -> Object {
    let words = [CampaignStatus::Scheduled, CampaignStatus::InProgress].map(CampaignStatus::as_str);
    let status = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    status.description(Some("Whether it is planned or runs.")).build()
}

impl Output for CampaignOutput {
    fn dates(&self, at: &mut DatePaths) {
        at.date("startDate");
    }

    fn schema() -> JsonSchema {
        JsonSchema::of::<Self>()
    }
}

impl From<Campaign> for CampaignOutput {
    fn from(campaign: Campaign) -> Self {
        Self { id: campaign.id.into(), status: campaign.status.as_str(), start_date: campaign.start_date.into() }
    }
}
