//! `/metrics`: what is counted where it happens, and what is looked up when somebody asks.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use switchboard_domain::services::{Alarm, Services};
use switchboard_domain::{WorkerHealth, WorkerInfo};

use super::metrics::{Registry, set};
use crate::State;

/// Who may read the metrics. They tell of no user, but of how many there are and of how WAHA does.
#[derive(Clone, Debug, Default)]
pub enum MetricsAccess {
    /// Nobody.
    Off,
    /// Whoever asks from this machine, and not through a proxy that says so.
    #[default]
    Local,
    /// Whoever has this bearer token.
    Token(SecretString),
}

/// `GET /metrics`.
pub(crate) fn routes(server: &mut web::ServiceConfig) {
    server.service(web::resource("/metrics").route(web::get().to(metrics)));
}

async fn metrics(state: web::Data<State>, request: HttpRequest) -> HttpResponse {
    match &state.telemetry.access {
        MetricsAccess::Local if is_local(&request) => {}
        MetricsAccess::Token(token) if shows(&request, token) => {}
        MetricsAccess::Token(_) => {
            return HttpResponse::Unauthorized().insert_header((header::WWW_AUTHENTICATE, "Bearer")).finish();
        }
        MetricsAccess::Local | MetricsAccess::Off => return HttpResponse::NotFound().finish(),
    }
    // With many workers it takes milliseconds, which no request should wait for.
    let gathered = web::block(move || {
        let State { services, gateway, live, telemetry, .. } = &**state;
        telemetry.scrape(services, &**gateway, live.open())
    });
    match gathered.await {
        Ok(text) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(text),
        Err(_panicked) => HttpResponse::InternalServerError().finish(),
    }
}

/// Whether it was sent on this machine. A proxy may run there too, but what it passes on comes from anywhere; and one on a
/// private network may say nothing of that.
fn is_local(request: &HttpRequest) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let came_directly = !forwarded.iter().any(|name| request.headers().contains_key(*name));
    came_directly && request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

/// Whether the request has the token. By their hashes, so that the time it takes tells nothing of it.
fn shows(request: &HttpRequest, token: &SecretString) -> bool {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown =
        shown.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    shown.is_some_and(|(_, shown)| Sha256::digest(shown.trim()) == Sha256::digest(token.expose_secret()))
}

/// Looks up what nobody counts as it happens.
pub(super) fn gather(registry: &Registry, services: &Services, workers: &[WorkerInfo], streams: usize) {
    registry.streams.set(number(streams));
    registry.directory_bytes.set(number(services.directory.bytes()));
    for (cache, hits) in services.hits() {
        for (result, count) in [("hit", hits.hits), ("miss", hits.misses)] {
            set(&registry.cache.with_label_values(&[cache, result]), count);
        }
    }
    for worker in workers {
        let labels = [worker.name.as_str()];
        registry.worker_left_alone.with_label_values(&labels).set(truth(worker.is_left_alone));
        registry.worker_capacity.with_label_values(&labels).set(f64::from(worker.capacity));
        if worker.health != WorkerHealth::Unknown {
            registry.worker_up.with_label_values(&labels).set(truth(worker.health == WorkerHealth::Up));
        }
    }
    gather_rounds(registry, services);
}

fn gather_rounds(registry: &Registry, services: &Services) {
    registry.reconciler_leads.set(truth(services.reconciler.leads()));
    for (worker, reconciled) in services.reconciler.reconciled() {
        let worker = worker.as_str();
        set(&registry.rounds.with_label_values(&[worker]), reconciled.rounds);
        for (finding, count) in &reconciled.found {
            registry.found.with_label_values(&[worker, finding.as_str()]).set(f64::from(*count));
        }
        for (outcome, counts) in [("done", &reconciled.done), ("failed", &reconciled.failed)] {
            for (finding, count) in counts {
                set(&registry.repairs.with_label_values(&[worker, finding.as_str(), outcome]), *count);
            }
        }
        for alarm in Alarm::ALL {
            let is_so = truth(reconciled.alarms.contains(&alarm));
            registry.alarm.with_label_values(&[worker, alarm.as_str()]).set(is_so);
        }
    }
}

fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

#[expect(clippy::cast_precision_loss, reason = "an f64 holds counts and bytes up to 2^53")]
fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn from(peer: &str) -> TestRequest {
        TestRequest::default().peer_addr(peer.parse().unwrap())
    }

    #[test]
    fn without_a_token_this_machine_may_look_and_nobody_else_nor_anybody_through_a_proxy() {
        for local in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(is_local(&from(local).to_http_request()), "{local}");
            for header in ["forwarded", "x-forwarded-for", "x-real-ip", "via"] {
                let proxied = from(local).insert_header((header, "127.0.0.1"));
                assert!(!is_local(&proxied.to_http_request()), "{local} {header}");
            }
        }
        // Proxies that say nothing of themselves are on private networks, too.
        for far in ["10.1.2.3:1", "172.17.0.1:1", "192.168.0.9:1", "169.254.1.1:1", "[fd00::1]:1", "8.8.8.8:1"] {
            assert!(!is_local(&from(far).to_http_request()), "{far}");
        }
        assert!(!is_local(&TestRequest::default().to_http_request()), "from nowhere");
    }

    #[test]
    fn the_token_lets_in_and_nothing_else() {
        let token = SecretString::from("a token");
        let shown = |value: &str| {
            let request = TestRequest::default().insert_header((header::AUTHORIZATION, value)).to_http_request();
            shows(&request, &token)
        };
        assert!(shown("Bearer a token") && shown("bearer  a token"));
        for wrong in ["Bearer a toke", "Bearer ", "Basic a token", "a token", ""] {
            assert!(!shown(wrong), "{wrong}");
        }
        assert!(!shows(&TestRequest::default().to_http_request(), &token));
    }
}
