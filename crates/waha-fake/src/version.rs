//! The version a fake claims, and what came when.

use serde::Serialize;

use crate::options::Options;

/// `year.month.build`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u32; 3]);

impl Version {
    /// The event and the environment name the worker.
    pub(crate) const WORKER: Self = Self([2026, 1, 4]);
    /// The key is taken from `?x-api-key=` too.
    pub(crate) const KEY_IN_QUERY: Self = Self([2026, 4, 3]);
    /// All of Plus is in Core: `/health` answers.
    pub(crate) const PLUS_IS_CORE: Self = Self([2026, 6, 1]);
    /// `session.status` carries `payload.data`.
    pub(crate) const STATUS_DATA: Self = Self([2026, 7, 0]);

    /// Reads a version; what is missing or no number counts as 0.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        Self(std::array::from_fn(|_| parts.next().unwrap_or(0)))
    }
}

/// What `/api/server/version` answers, and every event and leaked error carries (WAHA 2025.12.3, recorded).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Environment {
    version: String,
    engine: &'static str,
    tier: &'static str,
    browser: Option<&'static str>,
    platform: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<Worker>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Worker {
    pub(crate) id: String,
}

impl Environment {
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            version: options.version.clone(),
            engine: options.engine.as_str(),
            tier: "CORE",
            browser: options.engine.has_browser().then_some("/usr/bin/chromium"),
            platform: "linux/x64",
            worker: (Version::parse(&options.version) >= Version::WORKER)
                .then(|| Worker { id: options.worker.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_not_by_text() {
        assert!(Version::parse("2025.12.3") < Version::WORKER);
        assert!(Version::parse("2026.10.1") > Version::STATUS_DATA);
    }
}
