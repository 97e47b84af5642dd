//! A client of the REST API that believes only what the document says.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::Value;
use support::app::TestApp;
use switchboard_http::Scope;

use super::{Answered, Document};

/// Calls operations by the procedures whose twins they are.
pub(super) struct Client<'a> {
    app: &'a TestApp,
    document: &'a Document,
    token: String,
    name: String,
    seen: BTreeSet<String>,
}

impl<'a> Client<'a> {
    /// As that user, about no session yet.
    pub(super) fn new(app: &'a TestApp, document: &'a Document, user: &str) -> Self {
        let token = app.token(user, Duration::from_hours(12), Scope::Full);
        Self { app, document, token, name: "session_1".to_owned(), seen: BTreeSet::new() }
    }

    /// From now on about the session of that name.
    pub(super) fn about(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// A request that has not been sent.
    pub(super) fn request(&self, procedure: &str, group: &str) -> RequestBuilder {
        let operation = self.document.twin(procedure);
        let path = operation.path_with(&[("name", &self.name), ("groupId", group)]);
        self.app.rest(operation.method(), &path, Some(&self.token))
    }

    /// The answer to a request, which is as the document says.
    pub(super) async fn answer(&mut self, procedure: &str, request: RequestBuilder) -> Answered {
        let answered = Answered::to(request).await;
        self.document.check(self.document.twin(procedure), &answered);
        assert_eq!(answered.header("cache-control"), Some("no-store"), "{procedure}");
        if answered.status < 300 {
            self.seen.insert(procedure.to_owned());
        }
        answered
    }

    pub(super) async fn call(&mut self, procedure: &str) -> Answered {
        let request = self.request(procedure, "");
        self.answer(procedure, request).await
    }

    /// With a query.
    pub(super) async fn list(&mut self, procedure: &str, query: &[(&str, &str)]) -> Answered {
        let request = self.request(procedure, "").query(query);
        self.answer(procedure, request).await
    }

    /// With a body.
    pub(super) async fn send(&mut self, procedure: &str, body: &Value) -> Answered {
        let request = self.request(procedure, "").json(body);
        self.answer(procedure, request).await
    }

    /// About a group.
    pub(super) async fn group(&mut self, procedure: &str, group: &str) -> Answered {
        let request = self.request(procedure, group);
        self.answer(procedure, request).await
    }

    /// The procedures whose twins have done what they are for.
    pub(super) fn seen(&self) -> &BTreeSet<String> {
        &self.seen
    }
}
