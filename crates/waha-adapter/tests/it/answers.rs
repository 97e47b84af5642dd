//! What WAHA's recorded answers mean.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use switchboard_domain::ports::{Created, GatewayError, WhatsAppGateway};
use switchboard_domain::{SessionStatus, WorkerHealth};
use switchboard_waha_adapter::ClientConfig;

use crate::support::{Answer, CALLS, Scripted, at, call, fixture, labels, nobody, w1, with_workers, worker};

#[tokio::test]
async fn a_session_is_read_and_an_unknown_one_is_none() {
    let waha = Scripted::playing([
        Answer::json(200, fixture!("session-working.json")),
        Answer::json(404, fixture!("session-not-found.json")),
    ])
    .await;
    let gateway = waha.gateway();
    let session = gateway.session(&at("user42")).await.unwrap().unwrap();
    assert_eq!((session.name.as_str(), session.status), ("user42", SessionStatus::Working));
    assert_eq!(session.me.unwrap().id.as_str(), "79110000001@c.us");
    assert_eq!(gateway.session(&at("user42")).await.unwrap(), None);
}

#[tokio::test]
async fn a_404_that_is_not_about_sessions_is_never_taken_for_an_absent_one() {
    for body in [r#"{"message":"Cannot GET /api/sessions/user42","error":"Not Found","statusCode":404}"#, "<html>", ""]
    {
        let waha = Scripted::playing([Answer::json(404, body)]).await;
        let gateway = waha.gateway();
        for name in ["session", "start", "delete"] {
            let result = call(&gateway, name).await;
            assert!(matches!(result, Err(GatewayError::Refused(_))), "{name} {body}: {result:?}");
        }
    }
}

#[tokio::test]
async fn all_sessions_are_listed() {
    let waha = Scripted::playing([Answer::json(200, fixture!("sessions-all.json"))]).await;
    let sessions = waha.gateway().sessions(&w1()).await.unwrap();
    assert_eq!(sessions.len(), 3);
    assert!(sessions.iter().all(|session| session.status == SessionStatus::Stopped && session.me.is_none()));
}

#[tokio::test]
async fn a_create_is_new_or_finds_one_that_existed() {
    let waha = Scripted::playing([
        Answer::json(201, fixture!("session-created.json")),
        Answer::json(422, fixture!("already-exists.json")),
    ])
    .await;
    let gateway = waha.gateway();
    assert_eq!(gateway.create(&at("user42"), &labels()).await.unwrap(), Created::New);
    assert_eq!(gateway.create(&at("user42"), &labels()).await.unwrap(), Created::Existed);
    assert_eq!(waha.targets(), ["POST /api/sessions"; 2]);
}

#[tokio::test]
async fn a_session_created_stopped_is_started() {
    let waha = Scripted::playing([
        Answer::json(201, fixture!("session-stopped.json")),
        Answer::json(201, fixture!("session-created.json")),
    ])
    .await;
    assert_eq!(waha.gateway().create(&at("user42"), &labels()).await.unwrap(), Created::New);
    assert_eq!(waha.targets(), ["POST /api/sessions", "POST /api/sessions/user42/start"]);
}

#[tokio::test]
async fn a_session_that_was_created_but_cannot_be_started_is_not_said_to_be_nothing() {
    let waha = Scripted::playing([Answer::json(201, fixture!("session-stopped.json")), Answer::json(403, "{}")]).await;
    let error = waha.gateway().create(&at("user42"), &labels()).await.unwrap_err();
    assert!(error.outcome_is_unknown(), "{error:?}");
}

#[tokio::test]
async fn a_call_for_an_unknown_session_says_so_in_either_form() {
    for (status, body) in [
        (404, fixture!("session-not-found.json")),
        (404, fixture!("start-it-first.json")),
        (422, fixture!("unknown-session.json")),
    ] {
        let waha = Scripted::playing([Answer::json(status, body)]).await;
        let gateway = waha.gateway();
        for name in CALLS {
            let result = call(&gateway, name).await;
            match name {
                "session" | "delete" => assert!(result.is_ok(), "{name}: {result:?}"),
                _ => assert!(matches!(result, Err(GatewayError::NoSession)), "{name} {body}: {result:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_status_is_named() {
    for (body, status) in [
        (fixture!("wrong-status-starting.json"), SessionStatus::Starting),
        (fixture!("wrong-status-working.json"), SessionStatus::Working),
        (fixture!("pairing-code-working.json"), SessionStatus::Working),
        (r#"{"error":"x","status":"HIBERNATING"}"#, SessionStatus::Other("HIBERNATING".into())),
    ] {
        let waha = Scripted::playing([Answer::json(422, body)]).await;
        let gateway = waha.gateway();
        for name in ["qr", "pairing", "refresh", "groups", "contacts", "lids"] {
            let result = call(&gateway, name).await;
            assert!(matches!(&result, Err(GatewayError::WrongStatus(said)) if *said == status), "{name}: {result:?}");
        }
    }
}

#[tokio::test]
async fn a_pairing_code_of_a_stopped_session_is_told_from_one_of_none() {
    let waha = Scripted::playing([
        Answer::json(404, fixture!("start-it-first.json")),
        Answer::json(200, fixture!("session-stopped.json")),
    ])
    .await;
    let result = call(&waha.gateway(), "pairing").await;
    assert!(matches!(result, Err(GatewayError::WrongStatus(SessionStatus::Stopped))), "{result:?}");
}

#[tokio::test]
async fn done_is_done_whatever_the_body_says() {
    for answer in [
        Answer::json(201, fixture!("session-created.json")),
        Answer::body(201, "", b""),
        Answer::body(200, "Content-Type: text/html\r\n", b"<html>\xff"),
    ] {
        let waha = Scripted::playing([answer]).await;
        let gateway = waha.gateway();
        for name in ["start", "restart", "logout", "delete", "refresh"] {
            call(&gateway, name).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_qr_code_comes_as_json_or_as_the_image_itself() {
    let image = b"\x89PNG\r\n\x1a\nand so on";
    let json = format!(r#"{{"mimetype":"image/png","data":"{}"}}"#, STANDARD.encode(image));
    for answer in [Answer::json(200, &json), Answer::body(200, "Content-Type: image/png\r\n", image)] {
        let waha = Scripted::playing([answer]).await;
        let qr = waha.gateway().qr(&at("user42")).await.unwrap();
        assert_eq!(STANDARD.decode(qr.png_base64).unwrap(), image);
    }
}

#[tokio::test]
async fn groups_and_contacts_of_each_engine_are_read() {
    for (body, count) in [
        (fixture!("groups-noweb.json"), 5),
        (fixture!("groups-gows.json"), 2),
        (fixture!("groups-webjs.json"), 4),
        (fixture!("groups-wpp.json"), 2),
        ("{}", 0),
        ("[]", 0),
    ] {
        let waha = Scripted::playing([Answer::json(200, body)]).await;
        assert_eq!(waha.gateway().groups(&at("user42")).await.unwrap().len(), count, "{body}");
    }
    for (body, count) in [
        (fixture!("contacts-noweb.json"), 7),
        (fixture!("contacts-gows.json"), 2),
        (fixture!("contacts-webjs.json"), 5),
        (fixture!("contacts-wpp.json"), 2),
        ("[]", 0),
    ] {
        let waha = Scripted::playing([Answer::json(200, body)]).await;
        assert_eq!(waha.gateway().contacts(&at("user42")).await.unwrap().len(), count, "{body}");
    }
}

#[tokio::test]
async fn a_hundred_thousand_contacts_are_read_compressed_too() {
    let entries: Vec<_> = (0..100_000).map(|n| format!(r#"{{"id":"{n}000000@c.us","name":"n {n}"}}"#)).collect();
    let json = format!("[{}]", entries.join(","));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, json.as_bytes()).unwrap();
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let waha = Scripted::playing([Answer::body(200, headers, &gzip.finish().unwrap())]).await;
    assert_eq!(waha.gateway().contacts(&at("user42")).await.unwrap().len(), 100_000);
    assert_eq!(waha.requests()[0].header("accept-encoding"), ["gzip"]);
}

#[tokio::test]
async fn hidden_ids_are_read_page_by_page_until_nothing_new_comes() {
    let page = |from: usize, to: usize| {
        let entries: Vec<_> = (from..to).map(|n| format!(r#"{{"lid":"{n}@lid","pn":"7{n}@c.us"}}"#)).collect();
        Answer::json(200, &format!("[{}]", entries.join(",")))
    };
    // A server that has a page size of its own.
    let waha = Scripted::playing([page(0, 100), page(100, 150), page(0, 0)]).await;
    assert_eq!(waha.gateway().lid_twins(&at("user42")).await.unwrap().len(), 150);
    let offsets = [0, 100, 150].map(|offset| format!("GET /api/user42/lids?limit=1000&offset={offset}"));
    assert_eq!(waha.targets(), offsets);

    // A server that does not page.
    let waha = Scripted::playing([page(0, 1500)]).await;
    assert_eq!(waha.gateway().lid_twins(&at("user42")).await.unwrap().len(), 1500);
    assert_eq!(waha.targets().len(), 2);
}

#[tokio::test]
async fn a_page_of_hidden_people_alone_is_not_the_last() {
    let hidden = r#"[{"lid":"1@lid","pn":null},{"lid":"2@lid","pn":null}]"#;
    let known = r#"[{"lid":"3@lid","pn":"7911@c.us"}]"#;
    let waha = Scripted::playing([Answer::json(200, hidden), Answer::json(200, known), Answer::json(200, "[]")]).await;
    assert_eq!(waha.gateway().lid_twins(&at("user42")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_engine_that_knows_no_hidden_ids_has_none() {
    let no_route = r#"{"message":"Cannot GET /api/user42/lids","error":"Not Found","statusCode":404}"#;
    let engine = r#"{"message":"The method is not implemented by 'WEBJS' engine","statusCode":501}"#;
    for (status, body) in [(400, fixture!("no-store.json")), (400, "{}"), (404, no_route), (501, engine)] {
        let waha = Scripted::playing([Answer::json(status, body)]).await;
        assert_eq!(waha.gateway().lid_twins(&at("user42")).await.unwrap(), []);
    }
}

#[tokio::test]
async fn contacts_without_the_store_are_refused_with_the_reason() {
    let waha = Scripted::playing([Answer::json(400, fixture!("no-store.json"))]).await;
    let error = waha.gateway().contacts(&at("user42")).await.unwrap_err();
    assert!(matches!(&error, GatewayError::Refused(why) if why.contains("NOWEB store")), "{error:?}");
}

#[tokio::test]
async fn whatsapps_rate_limit_is_known_behind_a_500() {
    let waha = Scripted::playing([Answer::json(500, fixture!("rate-overlimit.json"))]).await;
    let gateway = waha.gateway();
    for name in ["refresh", "groups", "contacts", "restart"] {
        let result = call(&gateway, name).await;
        assert!(matches!(result, Err(GatewayError::RateLimited)), "{name}: {result:?}");
    }
    assert_eq!(waha.targets().len(), 4, "nothing is repeated against a rate limit");
}

#[tokio::test]
async fn a_wrong_key_is_a_refusal_for_every_call() {
    let waha = Scripted::playing([Answer::json(401, fixture!("unauthorized.json"))]).await;
    let gateway = waha.gateway();
    for name in CALLS {
        let result = call(&gateway, name).await;
        assert!(matches!(&result, Err(GatewayError::Refused(why)) if why.contains("API key")), "{name}: {result:?}");
    }
    assert_eq!(gateway.probe().await[0].health, WorkerHealth::Down);
}

#[tokio::test]
async fn an_unknown_worker_and_a_dead_one_are_unavailable() {
    let gateway = with_workers([worker("w1", &nobody().await)], &ClientConfig::default());
    for (name, result) in join_all(CALLS.map(async |name| (name, call(&gateway, name).await))).await {
        assert!(matches!(result, Err(GatewayError::Unavailable(_))), "{name}: {result:?}");
    }
    let mut elsewhere = at("user42");
    elsewhere.worker = "w2".parse().unwrap();
    let result = gateway.session(&elsewhere).await;
    assert!(matches!(result, Err(GatewayError::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn health_is_told_of_every_worker_by_name() {
    let good = Scripted::playing([Answer::json(200, fixture!("version.json"))]).await;
    let web = Scripted::playing([Answer::body(200, "Content-Type: text/html\r\n", b"<html>welcome")]).await;
    let workers = [worker("c", &good.url), worker("a", &nobody().await), worker("b", &web.url)];
    let gateway = with_workers(workers, &ClientConfig::default());
    let health = gateway.probe().await;
    let told: Vec<_> = health.iter().map(|worker| (worker.name.as_str(), worker.health == WorkerHealth::Up)).collect();
    assert_eq!(told, [("a", false), ("b", false), ("c", true)]);
    assert_eq!(good.targets(), ["GET /api/server/version"]);
}
