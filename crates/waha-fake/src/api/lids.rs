//! `/api/{session}/lids`: which LID is which phone number.

use serde::Serialize;
use serde_json::json;

use super::{contacts::needs_store, either, working};
use crate::{
    error,
    http::{Reply, Request},
    query::{ListQuery, Pager},
    server::Server,
};

/// Unknown is `null`, with 200 (2025.12.3, recorded).
#[derive(Serialize)]
struct Pair {
    lid: Option<String>,
    pn: Option<String>,
}

/// By LID, a hundred unless told otherwise.
pub(crate) async fn list(server: &Server, request: &Request, name: &str) -> Reply {
    either(try_list(server, request, name).await)
}

async fn try_list(server: &Server, request: &Request, name: &str) -> Result<Reply, Reply> {
    let query = ListQuery::parse(request, ["lid", "pn"]).map_err(|complaints| error::invalid(&complaints))?;
    let pairs = pairs(server, name).await?.into_iter();
    let pairs = pairs.map(|(lid, pn)| Pair { lid: Some(lid), pn: Some(pn) }).collect();
    Ok(Reply::ok(&query.or_first_hundred().page(pairs, Pager::Store)))
}

pub(crate) async fn count(server: &Server, name: &str) -> Reply {
    match pairs(server, name).await {
        Ok(pairs) => Reply::ok(&json!({"count": pairs.len()})),
        Err(reply) => reply,
    }
}

pub(crate) async fn by_lid(server: &Server, name: &str, lid: &str) -> Reply {
    let lid = if lid.contains('@') { lid.to_owned() } else { format!("{lid}@lid") };
    match pairs(server, name).await {
        Err(reply) => reply,
        Ok(pairs) => {
            let pn = pairs.into_iter().find(|(known, _)| *known == lid).map(|(_, pn)| pn);
            Reply::ok(&Pair { lid: Some(lid), pn })
        }
    }
}

pub(crate) async fn by_phone(server: &Server, name: &str, phone: &str) -> Reply {
    let digits = phone.split('@').next().unwrap_or_default().trim_start_matches('+');
    let pn = format!("{digits}@c.us");
    match pairs(server, name).await {
        Err(reply) => reply,
        Ok(pairs) => {
            let lid = pairs.into_iter().find(|(_, known)| *known == pn).map(|(lid, _)| lid);
            Reply::ok(&Pair { lid, pn: Some(pn) })
        }
    }
}

async fn pairs(server: &Server, name: &str) -> Result<Vec<(String, String)>, Reply> {
    let account = working(server, name).await?;
    needs_store(server, name)?;
    let pairs = account.lids().into_iter();
    Ok(pairs.map(|(lid, phone)| (format!("{lid}@lid"), format!("{phone}@c.us"))).collect())
}
