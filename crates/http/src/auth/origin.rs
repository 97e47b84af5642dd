//! Whether a browser says that a request was caused by a page that may cause it.

use actix_web::http::uri::Authority;
use actix_web::http::{Method, header};
use actix_web::{HttpMessage as _, HttpRequest};

use super::NotSignedIn;

/// The origins whose pages may use a cookie, beside the server's own: `https://app.example.com`, as browsers write them.
pub(super) struct Origins(pub(super) Vec<String>);

const SEC_FETCH_SITE: &str = "sec-fetch-site";

impl Origins {
    /// A cookie goes along with a request whoever caused it, so who did has to be known: for whatever may change something,
    /// and, as far as browsers tell, for what only reads as well, streams above all.
    ///
    /// # Errors
    /// [`NotSignedIn::CrossSite`] if it was another site, or may have been; [`NotSignedIn::NotJson`] if it is what a form
    /// could have sent.
    pub(super) fn check(&self, request: &HttpRequest) -> Result<(), NotSignedIn> {
        let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if !self.is_allowed(request, only_reads) {
            return Err(NotSignedIn::CrossSite);
        }
        if !only_reads && !request.content_type().eq_ignore_ascii_case("application/json") {
            return Err(NotSignedIn::NotJson);
        }
        Ok(())
    }

    fn is_allowed(&self, request: &HttpRequest, only_reads: bool) -> bool {
        let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("null"));
        let origin = text(header::ORIGIN.as_str());
        if origin.is_some_and(|origin| self.0.iter().any(|listed| listed == origin)) {
            return true;
        }
        // The browser's own word goes before what can be concluded: behind a proxy the host may be another.
        match (text(SEC_FETCH_SITE), origin) {
            (Some("same-origin"), _) => true,
            // Somebody typed the address.
            (Some("none"), _) | (None, None) => only_reads,
            (Some(_), _) => false,
            (None, Some(origin)) => is_own(request, origin),
        }
    }
}

/// Whether an origin is where the request was sent to. Not what a proxy says of that: anybody may say it.
fn is_own(request: &HttpRequest, origin: &str) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the address.
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str));
    let Some((_, authority)) = origin.split_once("://") else { return false };
    host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::*;

    const OWN: &str = "https://api.example.com";

    /// What comes of a request with these headers to api.example.com.
    fn check(method: &Method, headers: &[(&str, &str)]) -> Result<(), NotSignedIn> {
        let origins = Origins(vec!["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()]);
        let mut request = TestRequest::default().method(method.clone()).insert_header(("host", "api.example.com"));
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        origins.check(&request.to_http_request())
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn what_changes_something_has_to_come_from_here_or_from_the_list() {
        let check = |headers: &[(&str, &str)]| check(&Method::POST, &[headers, &[JSON]].concat());
        for good in [
            &[("origin", OWN)][..],
            &[("origin", "https://app.example.com")],
            &[("origin", "http://localhost:3000"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://app.example.com"), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-origin")],
            // A proxy before us is known by another name.
            &[("origin", "https://www.example.com"), ("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bad in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://api.example.com.evil.example")],
            &[("origin", "https://app.example.com.evil.example")],
            &[("origin", "https://app.example.com:8443")],
            &[("origin", "http://app.example.com")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", OWN), ("sec-fetch-site", "cross-site")],
            &[("origin", OWN), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")],
            &[("origin", "https://evil.example"), ("forwarded", "host=evil.example")],
            &[("referer", "https://api.example.com/")],
        ] {
            assert_eq!(check(bad), Err(NotSignedIn::CrossSite), "{bad:?}");
        }
    }

    #[test]
    fn what_changes_something_has_to_be_json_which_no_form_sends() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for good in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
                assert_eq!(check(&method, &[("origin", OWN), ("content-type", good)]), Ok(()), "{good}");
            }
            for bad in
                ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json2", ""]
            {
                let refused = check(&method, &[("origin", OWN), ("content-type", bad)]);
                assert_eq!(refused, Err(NotSignedIn::NotJson), "{bad}");
            }
            assert_eq!(check(&method, &[("origin", OWN)]), Err(NotSignedIn::NotJson));
        }
    }

    #[test]
    fn what_only_reads_is_refused_where_the_browser_says_that_it_is_another_sites() {
        for method in [Method::GET, Method::HEAD] {
            for good in [
                &[][..],
                &[("sec-fetch-site", "none")],
                &[("sec-fetch-site", "same-origin")],
                &[("origin", OWN)],
                &[("origin", "https://app.example.com"), ("sec-fetch-site", "same-site")],
            ] {
                assert_eq!(check(&method, good), Ok(()), "{good:?}");
            }
            for bad in [
                &[("sec-fetch-site", "cross-site")][..],
                &[("sec-fetch-site", "same-site")],
                &[("origin", "https://evil.example")],
                &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            ] {
                assert_eq!(check(&method, bad), Err(NotSignedIn::CrossSite), "{bad:?}");
            }
        }
    }
}
