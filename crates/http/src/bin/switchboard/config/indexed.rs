//! Lists in the environment: `SWITCHBOARD__WAHA__WORKERS__1__URL` is `waha.workers[1].url`.

use config::{ConfigError, Environment, Map, Source, Value};

/// The one list of tables.
const LIST: &str = "waha.workers.";

/// More than anybody has workers; a list is as long as its last index says.
const MOST: usize = 1000;

/// The environment, with the places in lists that its keys name.
#[derive(Clone, Debug)]
pub(super) struct Indexed(pub(super) Environment);

impl Source for Indexed {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        self.0.collect()?.into_iter().map(|(key, value)| Ok((path(&key)?.unwrap_or(key), value))).collect()
    }
}

/// The path that a key means, if it is one into the list.
fn path(key: &str) -> Result<Option<String>, ConfigError> {
    let Some(place) = key.strip_prefix(LIST) else { return Ok(None) };
    let index = place.split_once('.').and_then(|(index, field)| Some((index.parse::<usize>().ok()?, field)));
    match index {
        Some((index, field)) if index < MOST => Ok(Some(format!("waha.workers[{index}].{field}"))),
        _ => Err(ConfigError::Message(format!(
            "{key}: expected a place in the list, from 0 to {}, and a key, like SWITCHBOARD__WAHA__WORKERS__0__URL",
            MOST - 1
        ))),
    }
}
