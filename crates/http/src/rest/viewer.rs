//! `/openapi.json`, and `/docs`, where people look at it and try it.

use std::sync::{Arc, LazyLock};

use actix_web::{HttpRequest, web};
use utoipa_swagger_ui::Config;

use super::openapi;
use crate::ui::{File, Page};

const DOCUMENT: &str = "/openapi.json";

/// The files of the viewer that are needed, below `/docs/`.
const FILES: [&str; 8] = [
    "index.html",
    "index.css",
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];

/// Path and content of everything that is served.
static SERVED: LazyLock<Vec<(String, File)>> = LazyLock::new(|| {
    // No badge of a validator elsewhere, and no field for other documents.
    let config = Config::new([DOCUMENT]).validator_url("none").use_base_layout().try_it_out_enabled(true);
    let config = Arc::new(config);
    let viewer = FILES.iter().filter_map(|name| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok().flatten()?;
        let path = format!("/docs/{}", if *name == "index.html" { "" } else { name });
        Some((path, File::new(file.content_type, file.bytes.into_owned())))
    });
    let document = (DOCUMENT.to_owned(), File::new("application/json", openapi()));
    viewer.chain([document]).collect()
});

/// Mounts both, where there is a page.
pub(crate) fn routes(page: Page) -> impl FnOnce(&mut web::ServiceConfig) {
    move |server| {
        if page == Page::Off {
            return;
        }
        server.service(web::redirect("/docs", "/docs/"));
        for (path, file) in &*SERVED {
            let serve = move |request: HttpRequest| std::future::ready(file.answer(&request));
            server.service(web::resource(path).route(web::get().to(serve)).route(web::head().to(serve)));
        }
    }
}
