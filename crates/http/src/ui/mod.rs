//! The page where people connect, and the one that a single user is sent to: files that the binary carries along.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use actix_web::body::SizedStream;
use actix_web::http::header::{
    self, AcceptEncoding, CacheControl, CacheDirective, ContentType, ETag, Encoding, EntityTag, Header as _,
    IfNoneMatch,
};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::bufread::GzEncoder;
use futures_util::stream;
use sha2::{Digest as _, Sha256};

use crate::trpc::WORTH_COMPRESSING;

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
    "clock.js": SCRIPT,
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
    "turn.js": SCRIPT,
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
    /// Made when somebody first wants it; none if it is not worth it.
    gzipped: Arc<OnceLock<Option<Bytes>>>,
    tag: EntityTag,
}

impl File {
    /// What is handed over at once. A connection keeps a copy of that, for as long as its client takes to read it: of a whole
    /// file, many who read slowly would have many copies.
    const PIECE: usize = 16 * 1024;

    pub(crate) fn new(kind: impl Into<Cow<'static, str>>, content: impl Into<Bytes>) -> Self {
        let (kind, content) = (kind.into(), content.into());
        let tag = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&content));
        // Weak, since it may be sent compressed.
        Self { kind, content, gzipped: Arc::default(), tag: EntityTag::new_weak(tag) }
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
            .insert_header((header::VARY, "accept-encoding"))
            .insert_header((ContentType::name(), &*self.kind));
        if self.kind.starts_with("text/html") {
            // What opened it, or what it opens, has no hold of it.
            answer.insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"));
        }
        if self.known_to(request) {
            return answer.finish();
        }
        // It says what it is in, or it would be compressed anew for everybody.
        let gzipped = if takes_gzip(request) { self.gzipped() } else { None };
        let (encoding, content) = gzipped.map_or(("identity", &self.content), |gzipped| ("gzip", gzipped));
        answer.insert_header((header::CONTENT_ENCODING, encoding));
        answer.body(SizedStream::new(content.len() as u64, pieces(content.clone())))
    }

    fn gzipped(&self) -> Option<&Bytes> {
        let gzip = || {
            let mut gzipped = Vec::new();
            let read = GzEncoder::new(&*self.content, Compression::default()).read_to_end(&mut gzipped);
            (read.is_ok() && gzipped.len() < self.content.len()).then(|| gzipped.into())
        };
        let is_worth_it = self.content.len() >= WORTH_COMPRESSING;
        if is_worth_it { self.gzipped.get_or_init(gzip).as_ref() } else { None }
    }

    fn known_to(&self, request: &HttpRequest) -> bool {
        match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
            Err(_) => false,
        }
    }
}

/// Content in pieces, each of which is a part of it and no copy.
fn pieces(mut content: Bytes) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    stream::iter(std::iter::from_fn(move || {
        let piece = content.split_to(content.len().min(File::PIECE));
        (!piece.is_empty()).then_some(Ok(piece))
    }))
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let taken = AcceptEncoding::parse(request).ok();
    let encoding = taken.and_then(|taken| taken.negotiate([Encoding::gzip(), Encoding::identity()].iter()));
    encoding == Some(Encoding::gzip())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::poll_fn;
    use std::path::Path;
    use std::pin::Pin;

    use actix_web::body::BodySize;
    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, body::MessageBody};
    use flate2::bufread::GzDecoder;

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
    async fn a_large_file_is_sent_in_pieces_and_compressed_once() {
        let text = "a line of a script, and another\n".repeat(10_000);
        let file = File::new(SCRIPT, text.clone());
        for (accepted, encoding) in [(None, "identity"), (Some("gzip, br"), "gzip"), (Some("gzip;q=0"), "identity")] {
            let request = TestRequest::get();
            let request = accepted
                .into_iter()
                .fold(request, |request, accepted| request.insert_header((header::ACCEPT_ENCODING, accepted)));
            let response = file.answer(&request.to_http_request());
            assert_eq!(response.headers().get("content-encoding").unwrap(), encoding, "{accepted:?}");
            assert_eq!(response.headers().get("vary").unwrap(), "accept-encoding");
            let (mut body, mut whole) = (response.into_body(), Vec::new());
            let BodySize::Sized(size) = body.size() else { panic!("its length is said") };
            while let Some(piece) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
                let piece = piece.unwrap();
                assert!(piece.len() <= File::PIECE, "{}", piece.len());
                whole.extend_from_slice(&piece);
            }
            assert_eq!(whole.len() as u64, size);
            let read = if encoding == "gzip" {
                assert!(size < 10_000, "{size}");
                let mut read = String::new();
                GzDecoder::new(&*whole).read_to_string(&mut read).unwrap();
                read
            } else {
                String::from_utf8(whole).unwrap()
            };
            assert!(read == text);
        }
        assert!(std::ptr::eq(file.gzipped().unwrap(), file.clone().gzipped().unwrap()), "all have the same");
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
            assert_eq!(response.headers().get("vary").unwrap(), "accept-encoding");
            assert_eq!(read_body(response).await.is_empty(), status == 304);
        }
    }
}
