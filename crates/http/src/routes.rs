//! The routes: what main mounts is what tests mount.

use std::sync::Arc;

use actix_web::web;

use crate::trpc::user::Context;
use crate::{State, auth, health, trpc, webhooks};

/// Mounts everything on a server, tRPC at `trpc_path` (like `/api/trpc`).
pub fn routes(state: &Arc<State>, trpc_path: &str) -> impl FnOnce(&mut web::ServiceConfig) {
    let (state, trpc_path) = (Arc::clone(state), trpc_path.to_owned());
    let router = Arc::new(trpc::user::router());
    move |server| {
        let data = web::Data::from(Arc::clone(&state));
        let context = move |request: &actix_web::HttpRequest| Context {
            principal: auth::principal(request, &state.tokens),
            state: Arc::clone(&state),
        };
        server
            .app_data(data)
            .configure(health::routes)
            .configure(webhooks::routes)
            .service(trpc::service(&trpc_path, router, context));
    }
}
