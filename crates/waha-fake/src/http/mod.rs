//! A small HTTP/1.1 server, by hand: raw paths are seen as sent, and a socket can be dropped in mid-answer.

mod connection;
mod reply;
mod request;

pub(crate) use connection::serve;
pub(crate) use reply::{Delivery, Reply};
pub(crate) use request::Request;
