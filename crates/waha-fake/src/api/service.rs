//! The server itself: is it there, which version, how long.

use serde_json::json;

use crate::{clock::now_ms, error, http::Reply, server::Server, version::Version};

pub(crate) fn ping() -> Reply {
    Reply::ok(&json!({"message": "pong"}))
}

/// Before 2026.6.1 Core had none (2025.12.3, recorded).
pub(crate) fn health(server: &Server) -> Reply {
    if server.version < Version::PLUS_IS_CORE {
        return error::unprocessable(&format!(
            "The feature is available only in Plus version for '{}' engine. Check this out: https://waha.devlike.pro/",
            server.options.engine
        ));
    }
    Reply::ok(&json!({"status": "ok", "info": {}, "error": {}, "details": {}}))
}

pub(crate) fn version(server: &Server) -> Reply {
    Reply::ok(&server.environment)
}

pub(crate) fn status(server: &Server) -> Reply {
    Reply::ok(&json!({
        "startTimestamp": server.started_ms,
        "uptime": now_ms() - server.started_ms,
        "worker": {"id": server.options.worker},
    }))
}
