//! The page where people connect, and the one that a single user is sent to: files that the binary carries along.

use std::borrow::Cow;

use actix_web::http::header::{
    self, CacheControl, CacheDirective, ContentType, ETag, EntityTag, Header as _, IfNoneMatch,
};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Whether people are served a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Nothing but the API.
    Off,
    /// The page, for people who have a token.
    On,
    /// The page with the demo's own doors.
    Demo,
}

/// Nothing from elsewhere, nothing inline, nobody around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Both pages. What they show is made by their scripts.
const TEMPLATE: &str = include_str!("page.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, type and content of what is served as it is.
macro_rules! assets {
    ($($name:literal: $kind:expr,)*) => {
        &[$((concat!("/ui/", $name), $kind, include_str!($name))),*]
    };
}

const ASSETS: &[(&str, &str, &str)] = assets! {
    "account.js": SCRIPT,
    "app.js": SCRIPT,
    "connect.js": SCRIPT,
    "connection.js": SCRIPT,
    "dialog.js": SCRIPT,
    "directory.js": SCRIPT,
    "dom.js": SCRIPT,
    "link-phone.js": SCRIPT,
    "list.js": SCRIPT,
    "live.js": SCRIPT,
    "log-out.js": SCRIPT,
    "rpc.js": SCRIPT,
    "settings.js": SCRIPT,
    "shell.js": SCRIPT,
    "sign-in.js": SCRIPT,
    "sse.js": SCRIPT,
    "texts.js": SCRIPT,
    "style.css": "text/css; charset=utf-8",
    "favicon.svg": "image/svg+xml",
};

/// Mounts the page, which calls tRPC at `trpc_path`.
pub(crate) fn routes(page: Page, trpc_path: &str) -> impl FnOnce(&mut ServiceConfig) {
    let html = |script: &str, without: &str| {
        let values = [
            ("{trpc}", trpc_path),
            ("{demo}", if page == Page::Demo { "true" } else { "false" }),
            ("{script}", script),
            ("{without}", without),
        ];
        let html = values.iter().fold(TEMPLATE.to_owned(), |html, (name, value)| html.replace(name, value));
        File::new("text/html; charset=utf-8", html)
    };
    let pages = [("/", html("app.js", "nobody can sign in")), ("/connect", html("connect.js", "no code can be shown"))];
    let assets = ASSETS.iter().map(|&(path, kind, text)| (path, File::new(kind, text)));
    let files: Vec<_> = if page == Page::Off { Vec::new() } else { pages.into_iter().chain(assets).collect() };
    move |server| {
        for (path, file) in files {
            let serve = move |request: HttpRequest| std::future::ready(file.answer(&request));
            server.service(web::resource(path).route(web::get().to(serve.clone())).route(web::head().to(serve)));
        }
    }
}

/// A file as it is sent.
#[derive(Clone)]
pub(crate) struct File {
    kind: Cow<'static, str>,
    content: Bytes,
    tag: EntityTag,
}

impl File {
    pub(crate) fn new(kind: impl Into<Cow<'static, str>>, content: impl Into<Bytes>) -> Self {
        let (kind, content) = (kind.into(), content.into());
        let tag = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&content));
        // Weak, since it may be sent compressed.
        Self { kind, content, tag: EntityTag::new_weak(tag) }
    }

    pub(crate) fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let mut answer = if self.known_to(request) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer
            .insert_header(ETag(self.tag.clone()))
            // Kept, but asked about each time: a new version is seen at once, and whole.
            .insert_header(CacheControl(vec![CacheDirective::NoCache]))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header((ContentType::name(), &*self.kind));
        if self.kind.starts_with("text/html") {
            // What opened it, or what it opens, has no hold of it.
            answer.insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"));
        }
        if self.known_to(request) { answer.finish() } else { answer.body(self.content.clone()) }
    }

    fn known_to(&self, request: &HttpRequest) -> bool {
        match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, body::MessageBody};

    use super::*;

    async fn answer(page: Page, request: TestRequest) -> ServiceResponse<impl MessageBody> {
        let app = init_service(App::new().configure(routes(page, "/trpc/here"))).await;
        call_service(&app, request.to_request()).await
    }

    async fn text(page: Page, path: &str) -> String {
        let response = answer(page, TestRequest::get().uri(path)).await;
        assert_eq!(response.status(), 200, "{path}");
        String::from_utf8(read_body(response).await.to_vec()).unwrap()
    }

    #[test]
    fn every_file_beside_this_one_is_carried_along() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui");
        let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let others = ["mod.rs", "page.html"];
        let beside = names.filter(|name| !others.contains(&name.as_str())).collect::<BTreeSet<_>>();
        let carried = ASSETS.iter().map(|(path, ..)| path.trim_start_matches("/ui/").to_owned()).collect();
        assert_eq!(beside, carried);
    }

    #[actix_web::test]
    async fn the_page_knows_where_trpc_is_and_whether_this_is_the_demo() {
        for (path, script) in [("/", "/ui/app.js"), ("/connect", "/ui/connect.js")] {
            let real = text(Page::On, path).await;
            assert!(real.contains(r#"data-trpc="/trpc/here" data-demo="false""#), "{real}");
            assert!(real.contains(&format!(r#"src="{script}""#)) && !real.contains('{'), "{real}");
            assert!(text(Page::Demo, path).await.contains(r#"data-demo="true""#));
            assert!(!real.contains("<style") && !real.contains("<script>"), "nothing is inline: {real}");
        }
    }

    #[actix_web::test]
    async fn whoever_wants_only_the_api_gets_no_page() {
        for path in ["/", "/connect", "/ui/app.js"] {
            assert_eq!(answer(Page::Off, TestRequest::get().uri(path)).await.status(), 404, "{path}");
        }
    }

    #[actix_web::test]
    async fn everything_says_what_browsers_may_do_with_it() {
        for path in ["/", "/connect", "/ui/app.js", "/ui/style.css", "/ui/favicon.svg"] {
            let response = answer(Page::On, TestRequest::get().uri(path)).await;
            let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
            assert!(header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "no-referrer");
            assert_eq!(header("cache-control"), "no-cache");
        }
        let head = answer(Page::On, TestRequest::default().method(actix_web::http::Method::HEAD).uri("/")).await;
        assert_eq!(head.status(), 200);
    }

    #[actix_web::test]
    async fn what_a_browser_has_is_not_sent_again() {
        let first = answer(Page::On, TestRequest::get().uri("/ui/app.js")).await;
        let tag = first.headers().get("etag").unwrap().to_str().unwrap().to_owned();
        for (known, status) in [(tag.as_str(), 304), ("*", 304), (r#"W/"other""#, 200)] {
            let request = TestRequest::get().uri("/ui/app.js").insert_header(("if-none-match", known));
            let response = answer(Page::On, request).await;
            assert_eq!(response.status(), status, "{known}");
            assert_eq!(response.headers().get("etag").unwrap(), tag.as_str());
            assert_eq!(read_body(response).await.is_empty(), status == 304);
        }
    }
}
