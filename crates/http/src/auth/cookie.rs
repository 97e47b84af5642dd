//! Session cookies of a web application whose database we share.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::percent_decode_str;
use sha2::Sha256;
use switchboard_domain::Scope;
use switchboard_domain::ports::{Clock, WebSessionToken, WebSessions};

use super::lately::{Lately, Strangers};
use super::origin::Origins;
use super::{Credential, NotSignedIn, Principal, Secret};

/// What a cookie holds, as the library that made it has it.
#[derive(Clone, Debug)]
pub enum CookieForm {
    /// better-auth: the session's token, a dot, and HMAC-SHA256 of the token in base64, by the application's secret.
    Signed(Secret),
    /// Auth.js and NextAuth with database sessions: the session's token.
    Plain,
}

/// Which cookies sign in.
#[derive(Clone, Debug)]
pub struct CookieRules {
    /// Their names. Each is also looked for with `__Secure-` before it, which goes first: only the site itself, by https, can
    /// have set that one.
    pub names: Vec<String>,
    /// Whether the name with `__Secure-` is the only one looked for: by https, where whoever sits between a browser and some
    /// plain http of the same site could set the other one.
    pub secure_only: bool,
    /// What is in them.
    pub form: CookieForm,
    /// The origins whose pages may send them, beside our own.
    pub origins: Vec<String>,
}

/// Who signs in with a cookie.
pub(super) struct Cookies {
    names: Vec<String>,
    form: CookieForm,
    origins: Origins,
    sessions: Arc<dyn WebSessions>,
    lately: Lately<WebSessionToken, Arc<Principal>>,
    clock: Arc<dyn Clock>,
}

impl Cookies {
    /// How long it is remembered what the application's table said of a session: one that was signed out is dead after that.
    const REMEMBERED: TimeDelta = TimeDelta::seconds(5);

    /// Longer ones are nobody's: better-auth has 32 characters, Auth.js 36 or 64.
    const TOKEN_BYTES: usize = 512;

    pub(super) fn new(
        rules: CookieRules,
        sessions: Arc<dyn WebSessions>,
        strangers: Arc<Strangers>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let CookieRules { names, secure_only, form, origins } = rules;
        // What an application calls so itself can only come by https, too.
        let is_secure = |name: &String| name.starts_with("__Secure-") || name.starts_with("__Host-");
        let (mut secure, plain): (Vec<_>, Vec<_>) = names.into_iter().partition(is_secure);
        secure.extend(plain.iter().map(|name| format!("__Secure-{name}")));
        if !secure_only {
            secure.extend(plain);
        }
        let lately = Lately::new(Self::REMEMBERED, strangers, clock.clone());
        Self { names: secure, form, origins: Origins(origins), sessions, lately, clock }
    }

    /// Who sent the request, by its cookie.
    pub(super) async fn principal(&self, request: &HttpRequest) -> Result<Arc<Principal>, NotSignedIn> {
        let cookie = self.names.iter().find_map(|name| cookie(request, name));
        let cookie = cookie.ok_or_else(|| NotSignedIn::refused("nothing that signs in"))?;
        // First, so that another site learns nothing of whether somebody is signed in.
        self.origins.check(request)?;
        let token = self.token(cookie).ok_or_else(|| NotSignedIn::refused("no cookie of the application"))?;
        self.of(&token).await
    }

    /// Whose session that is.
    pub(super) async fn of(&self, token: &WebSessionToken) -> Result<Arc<Principal>, NotSignedIn> {
        let ask = || {
            let (sessions, token) = (Arc::clone(&self.sessions), token.clone());
            async move {
                let found = sessions.find(&token).await?;
                Ok(found.map(|session| {
                    let (expires_at, credential) = (Some(session.expires_at), Credential::WebSession(token));
                    Arc::new(Principal { user: session.user, scope: Scope::Full, expires_at, credential })
                }))
            }
        };
        let known = self.lately.get(token, ask).await?;
        let principal = known.ok_or_else(|| NotSignedIn::refused("no such session in the application"))?;
        principal.in_time(self.clock.now())
    }

    /// The session's token, if the cookie is the application's.
    fn token(&self, cookie: &str) -> Option<WebSessionToken> {
        let text = percent_decode_str(cookie).decode_utf8().ok()?;
        let token = match &self.form {
            CookieForm::Plain => &*text,
            CookieForm::Signed(secret) => {
                let (token, signature) = text.rsplit_once('.')?;
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("a key may have any length");
                mac.update(token.as_bytes());
                // In constant time.
                mac.verify_slice(&STANDARD.decode(signature).ok()?).ok()?;
                token
            }
        };
        let is_token = (1..=Self::TOKEN_BYTES).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
        is_token.then(|| WebSessionToken(token.to_owned()))
    }
}

/// The first cookie of that name (RFC 6265, 5.4): browsers send what was set for this path before what was set for others.
fn cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    // HTTP/2 may send each on a line of its own.
    let lines = request.headers().get_all(header::COOKIE);
    // As bytes: what others have put into theirs need not be text.
    let pairs = lines.flat_map(|line| line.as_bytes().split(|&b| b == b';'));
    let value = pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        let (its_name, value) = pair.split_at_checked(name.len())?;
        let value = value.trim_ascii_start().strip_prefix(b"=")?;
        (its_name == name.as_bytes()).then_some(value)
    });
    std::str::from_utf8(value?.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::http::Method;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;
    use chrono::DateTime;
    use switchboard_domain::ports::{MockWebSessions, StorageError, WebSession};

    use super::super::testing::FakeClock;
    use super::*;

    const SECRET: &str = "a secret of the application, long enough";

    fn signed(token: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(token.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let value = format!("{token}.{signature}");
        value.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    }

    fn cookies(form: CookieForm, sessions: MockWebSessions, clock: &Arc<FakeClock>) -> Cookies {
        cookies_of(false, form, sessions, clock)
    }

    fn cookies_of(secure_only: bool, form: CookieForm, sessions: MockWebSessions, clock: &Arc<FakeClock>) -> Cookies {
        let names = ["better-auth.session_token", "other", "__Host-own"].map(str::to_owned).to_vec();
        let origins = vec!["https://app.example.com".to_owned()];
        let rules = CookieRules { names, secure_only, form, origins };
        Cookies::new(rules, Arc::new(sessions), Strangers::new(clock.clone()), clock.clone())
    }

    fn better_auth() -> CookieForm {
        CookieForm::Signed(Secret::new(SECRET.to_owned().into()).unwrap())
    }

    fn request(lines: &[&str]) -> HttpRequest {
        let request = lines.iter().fold(TestRequest::get(), |request, line| request.append_header(("cookie", *line)));
        request.to_http_request()
    }

    fn start() -> DateTime<chrono::Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    /// Ana's session, of the token `anas`, for a minute.
    fn anas() -> MockWebSessions {
        let mut sessions = MockWebSessions::new();
        sessions.expect_find().returning(|token| {
            let session = || WebSession { user: "ana".parse().unwrap(), expires_at: start() + TimeDelta::minutes(1) };
            Ok((token.0 == "anas").then(session))
        });
        sessions
    }

    #[tokio::test]
    async fn a_signed_cookie_names_somebody_wherever_it_stands_among_others() {
        let clock = FakeClock::at(start());
        let cookies = cookies(better_auth(), anas(), &clock);
        let good = signed("anas");
        for lines in [
            &[&*format!("better-auth.session_token={good}")][..],
            &[&format!("a=b; better-auth.session_token={good}; c=d")],
            &["a=b", &format!("__Secure-better-auth.session_token={good}")],
            &[&format!("better-auth.session_token=x; __Secure-better-auth.session_token={good}")],
            &[&format!("other={good}")],
            &[&format!(
                "better-auth.session_token={}",
                good.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
            )],
        ] {
            let principal = cookies.principal(&request(lines)).await.unwrap();
            assert_eq!((principal.user.as_str(), principal.scope), ("ana", Scope::Full), "{lines:?}");
            assert_eq!(principal.expires_at, Some(start() + TimeDelta::minutes(1)));
        }
    }

    #[tokio::test]
    async fn what_is_no_text_in_other_cookies_signs_nobody_out() {
        let clock = FakeClock::at(start());
        let cookies = cookies(CookieForm::Plain, anas(), &clock);
        let sent = async |line: &[u8]| {
            let line = HeaderValue::from_bytes(line).unwrap();
            let request = TestRequest::get().insert_header((header::COOKIE, line)).to_http_request();
            cookies.principal(&request).await.map(|principal| principal.user.as_str().to_owned())
        };
        for line in [&b"name=Jos\xe9; other=anas"[..], b"other = anas;\xff\xfe", "größe=ä; other=anas".as_bytes()] {
            assert_eq!(sent(line).await, Ok("ana".to_owned()), "{line:?}");
        }
        assert_eq!(sent(b"other=anas\xe9").await, Err(NotSignedIn::Refused));
    }

    #[tokio::test]
    async fn what_the_application_did_not_sign_asks_nothing() {
        let clock = FakeClock::at(start());
        let cookies = cookies(better_auth(), MockWebSessions::new(), &clock);
        let good = signed("anas");
        let (_, signature) = good.split_once('.').unwrap();
        let long = signed(&"x".repeat(513));
        for value in [
            "",
            ".",
            "anas",
            "anas.",
            &format!("ben.{signature}"),
            &format!("anas.x.{signature}"),
            &good[..good.len() - 3],
            &format!("{good}x"),
            &signed(""),
            &signed("a b"),
            &signed("a%00"),
            &long,
            "%FF.%FF",
        ] {
            let refused = cookies.principal(&request(&[&format!("better-auth.session_token={value}")])).await;
            assert_eq!(refused, Err(NotSignedIn::Refused), "{value}");
        }
        for line in [&*format!("better-auth.session_tokenx={good}"), &format!("session_token={good}"), &good, ""] {
            assert_eq!(cookies.principal(&request(&[line])).await, Err(NotSignedIn::Refused), "{line}");
        }
    }

    #[tokio::test]
    async fn a_plain_cookie_is_the_token_itself() {
        let clock = FakeClock::at(start());
        let cookies = cookies(CookieForm::Plain, anas(), &clock);
        assert_eq!(cookies.principal(&request(&["other=anas"])).await.unwrap().user.as_str(), "ana");
        for nobodys in ["other=ANAS", "other=", "other=anas.x", "other=a%20b"] {
            assert_eq!(cookies.principal(&request(&[nobodys])).await, Err(NotSignedIn::Refused), "{nobodys}");
        }
    }

    #[tokio::test]
    async fn by_https_a_cookie_that_any_page_of_the_site_could_have_set_signs_nobody_in() {
        let clock = FakeClock::at(start());
        let cookies = cookies_of(true, CookieForm::Plain, anas(), &clock);
        assert_eq!(cookies.principal(&request(&["other=anas"])).await, Err(NotSignedIn::Refused));
        for lines in ["__Secure-other=anas", "other=nobodys; __Secure-other=anas", "__Host-own=anas"] {
            assert_eq!(cookies.principal(&request(&[lines])).await.unwrap().user.as_str(), "ana", "{lines}");
        }
    }

    #[tokio::test]
    async fn a_session_is_asked_for_every_five_seconds_and_its_time_runs_out() {
        let clock = FakeClock::at(start());
        let mut sessions = MockWebSessions::new();
        let expires_at = start() + TimeDelta::seconds(7);
        sessions
            .expect_find()
            .times(2)
            .returning(move |_| Ok(Some(WebSession { user: "ana".parse().unwrap(), expires_at })));
        sessions.expect_find().times(1).returning(|_| Ok(None));
        let cookies = cookies(CookieForm::Plain, sessions, &clock);
        let request = request(&["other=anas"]);
        for (seconds, good) in [(0, true), (4, true), (1, true), (1, true), (1, false), (3, false)] {
            clock.advance(Duration::from_secs(seconds));
            assert_eq!(cookies.principal(&request).await.is_ok(), good, "{seconds} s later");
        }
    }

    #[tokio::test]
    async fn another_site_is_refused_before_anything_is_asked() {
        let clock = FakeClock::at(start());
        let cookies = cookies(CookieForm::Plain, MockWebSessions::new(), &clock);
        for token in ["other=anas", "other=nobodys"] {
            let post = TestRequest::default().method(Method::POST).insert_header(("cookie", token));
            let post = post.insert_header(("content-type", "application/json"));
            let post = post.insert_header(("origin", "https://evil.example")).to_http_request();
            assert_eq!(cookies.principal(&post).await, Err(NotSignedIn::CrossSite));
        }
    }

    #[tokio::test]
    async fn a_table_that_cannot_be_asked_lets_nobody_in() {
        let clock = FakeClock::at(start());
        let mut sessions = MockWebSessions::new();
        sessions.expect_find().times(1).returning(|_| Err(StorageError::unavailable(std::io::Error::other("gone"))));
        let cookies = cookies(CookieForm::Plain, sessions, &clock);
        assert_eq!(cookies.principal(&request(&["other=anas"])).await, Err(NotSignedIn::UNAVAILABLE));
    }
}
