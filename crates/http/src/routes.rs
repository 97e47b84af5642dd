//! The routes: what main mounts is what tests mount.

use std::sync::Arc;

use actix_web::{HttpRequest, web};

use crate::trpc::ConnectionParams;
use crate::trpc::user::Context;
use crate::ui::{self, Page};
use crate::{State, health, rest, telemetry, trpc, webhooks};

/// Mounts everything on a server, tRPC at `trpc_path` (like `/api/trpc`) and everything below.
pub fn routes(state: &Arc<State>, trpc_path: &str, page: Page) -> impl FnOnce(&mut web::ServiceConfig) {
    let (state, trpc_path) = (Arc::clone(state), trpc_path.to_owned());
    let router = trpc::user::router().deadline(state.limits.deadline);
    let router = Arc::new(router.observed_by(Arc::clone(&state.telemetry.calls) as _));
    move |server| {
        let data = web::Data::from(Arc::clone(&state));
        let context = async move |request: &HttpRequest| {
            let (caller, state) = (state.sign_in.caller(request).await, Arc::clone(&state));
            let incoming = state.telemetry.incoming(request);
            let body_limit = if caller.is_somebody() { trpc::BODY_LIMIT } else { trpc::STRANGERS_BODY_LIMIT };
            (body_limit, move |params: &ConnectionParams| Context { principal: caller.with(params), state, incoming })
        };
        server
            .app_data(data)
            // First: most requests are for it, and the others are matched by patterns.
            .service(trpc::service(&trpc_path, router, context))
            .configure(health::routes)
            .configure(telemetry::routes)
            .configure(webhooks::routes)
            .configure(rest::routes)
            .configure(rest::viewer::routes(page))
            .configure(ui::routes(page, &trpc_path));
    }
}
