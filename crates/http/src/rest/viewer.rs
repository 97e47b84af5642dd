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

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    async fn get(page: Page, path: &str) -> ServiceResponse {
        let app = init_service(App::new().configure(routes(page))).await;
        call_service(&app, TestRequest::get().uri(path).to_request()).await
    }

    #[actix_web::test]
    async fn everything_that_the_viewer_needs_is_served_and_comes_from_nowhere_else() {
        assert_eq!(SERVED.len(), FILES.len() + 1, "the viewer has all of these files");
        for (path, _) in &*SERVED {
            let response = get(Page::On, path).await;
            assert_eq!(response.status(), 200, "{path}");
            let policy = response.headers().get("content-security-policy").unwrap().to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        }
        let index = String::from_utf8(read_body(get(Page::On, "/docs/").await).await.to_vec()).unwrap();
        for reference in index.split("=\"./").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(FILES.contains(&reference), "{reference} is not served");
        }
        let settings = read_body(get(Page::On, "/docs/swagger-initializer.js").await).await;
        let settings = String::from_utf8(settings.to_vec()).unwrap();
        assert!(settings.contains(DOCUMENT), "{settings}");
        assert!(!index.contains("//") && !settings.contains("https://"), "{index} {settings}");
        let moved = get(Page::On, "/docs").await;
        assert!(moved.status().is_redirection());
        assert_eq!(moved.headers().get("location").unwrap(), "/docs/");
    }

    #[actix_web::test]
    async fn the_document_is_served_as_it_is_printed() {
        let response = get(Page::Demo, DOCUMENT).await;
        assert_eq!(response.headers().get("content-type").unwrap(), "application/json");
        assert_eq!(read_body(response).await, openapi());
    }

    #[actix_web::test]
    async fn whoever_wants_only_the_api_gets_neither() {
        for path in ["/docs", "/docs/", DOCUMENT] {
            assert_eq!(get(Page::Off, path).await.status(), 404, "{path}");
        }
    }
}
