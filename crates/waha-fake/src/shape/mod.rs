//! Groups and contacts as each engine writes them.
//!
//! NOWEB's shapes are recorded from a server (2025.12.3); the others are put together from WAHA's code and the types of
//! whatsmeow, whatsapp-web.js and wppconnect.

mod contact;
mod gows;
mod group;
mod noweb;
mod webjs;

pub(crate) use contact::{Contact, contacts};
pub(crate) use group::{GroupBody, GroupList, Participant, participants};
