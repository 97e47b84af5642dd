//! An adapter of the sibling's own: campaigns in a file, one a line.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_domain::ports::{CampaignRepository, StorageError};
use switchboard_domain::{Campaign, CampaignId, ParseError};

/// Campaigns in a file.
pub struct Notebook {
    file: Mutex<PathBuf>,
}

impl Notebook {
    /// One in that file, which need not exist yet.
    pub fn in_file(file: impl Into<PathBuf>) -> Self {
        Self { file: Mutex::new(file.into()) }
    }

    /// Has `change` change all campaigns; what it returns is returned once that is written.
    fn edit<T>(&self, change: impl FnOnce(&mut Vec<Campaign>) -> T) -> Result<T, StorageError> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut campaigns = match fs::read_to_string(&*file) {
            Ok(text) => text.lines().map(parse).collect::<Result<_, _>>().map_err(StorageError::failed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StorageError::unavailable(error)),
        };
        let changed = change(&mut campaigns);
        let lines: String = campaigns.iter().map(line).collect();
        fs::write(&*file, lines).map_err(StorageError::unavailable)?;
        Ok(changed)
    }
}

#[async_trait]
impl CampaignRepository for Notebook {
    async fn save(&self, campaign: &Campaign, _now: DateTime<Utc>) -> Result<(), StorageError> {
        self.edit(|campaigns| {
            campaigns.retain(|known| known.id != campaign.id);
            campaigns.push(campaign.clone());
        })
    }

    async fn find(&self, id: &CampaignId) -> Result<Option<Campaign>, StorageError> {
        self.edit(|campaigns| campaigns.iter().find(|known| known.id == *id).cloned())
    }

    async fn delete(&self, id: &CampaignId, _now: DateTime<Utc>) -> Result<bool, StorageError> {
        self.edit(|campaigns| {
            let before = campaigns.len();
            campaigns.retain(|known| known.id != *id);
            campaigns.len() < before
        })
    }
}

fn line(campaign: &Campaign) -> String {
    let Campaign { id, group, status, start_date } = campaign;
    format!("{}\t{}\t{}\t{}\n", id.as_str(), group.as_str(), status.as_str(), start_date.to_rfc3339())
}

/// The models parse by Switchboard's rules.
fn parse(line: &str) -> Result<Campaign, io::Error> {
    let invalid = |error: ParseError| io::Error::new(ErrorKind::InvalidData, error);
    let fields: Vec<_> = line.split('\t').collect();
    let [id, group, status, start_date] = fields[..] else {
        return Err(ErrorKind::InvalidData.into());
    };
    let start_date = DateTime::parse_from_rfc3339(start_date);
    Ok(Campaign {
        id: id.parse().map_err(invalid)?,
        group: group.parse().map_err(invalid)?,
        status: status.parse().map_err(invalid)?,
        start_date: start_date.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?.to_utc(),
    })
}
